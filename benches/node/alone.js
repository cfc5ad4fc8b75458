// What one call of a store costs without a server, as express-session makes it: node alone.js [--quick] [--calls get,touch]
// [--beside DIRECTORY]. The directory has another build of connect-sessile: so a change is measured in one run.
//
// Processor time of the whole process in microseconds a call, the store's threads included, and bytes of V8's heap that a call
// takes, kept or not. 64 calls are under way at a time. The stores take turns, and medians of the rounds are shown.
"use strict";

const { mkdirSync, rmSync } = require("node:fs");
const { join, resolve } = require("node:path");
const { parseArgs } = require("node:util");
const session = require("express-session");
const { LIFETIME_MS, idOf, sessionOf } = require("./lib/data.js");
const { median } = require("./lib/goals.js");

const { values: asked } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    calls: { type: "string", default: "get,touch,set,update" },
    beside: { type: "string" },
  },
});
const [SESSIONS, CALLS, ROUNDS] = asked.quick ? [200, 640, 1] : [5000, 48_000, 9];
const AT_ONCE = 64;
// Few enough that nothing is collected meanwhile.
const ALLOCATING = asked.quick ? 64 : 1024;

const failed = (error) => {
  if (error) throw error;
};

// One call of each kind, for the visitor with this session. `done` is called when the store has answered.
const KINDS = {
  // With what the middleware makes of the answer.
  get: (store, { id }, done) => store.get(id, (error, found) => {
    failed(error);
    store.createSession({ sessionID: id, sessionStore: store }, found);
    done();
  }),
  // Of a session that was loaded and not changed.
  touch(store, { id, loaded }, done) {
    loaded.touch();
    store.touch(id, loaded, done);
  },
  // Of a plain object, whatever is stored.
  set: (store, { id, plain }, done) => store.set(id, plain, done),
  // Of a session that was loaded and changed.
  update(store, { id, loaded }, done) {
    loaded.views += 1;
    store.set(id, loaded, done);
  },
};

const answered = (begin) => new Promise((done, fail) => begin((error, value) => (error ? fail(error) : done(value))));

// The visitors of a store, each with his session as it is stored and as express-session loads it.
async function visitors(store) {
  const all = [];
  for (let number = 0; number < SESSIONS; number += 1) {
    const [id, plain] = [idOf(number), sessionOf(number)];
    plain.cookie.expires = new Date(Date.now() + LIFETIME_MS);
    await answered((done) => store.set(id, plain, done));
    const found = await answered((done) => store.get(id, done));
    all.push({ id, plain, loaded: store.createSession({ sessionID: id, sessionStore: store }, found) });
  }
  return all;
}

// Makes so many calls.
async function make(calls, { store, all }, kind) {
  for (let made = 0; made < calls; made += AT_ONCE) {
    await new Promise((over) => {
      let under = AT_ONCE;
      const done = (error) => {
        failed(error);
        under -= 1;
        if (under === 0) setImmediate(over);
      };
      for (let one = 0; one < AT_ONCE; one += 1) kind(store, all[(made + one) % SESSIONS], done);
    });
  }
}

async function measured(contender, kind) {
  const before = process.cpuUsage();
  await make(CALLS, contender, kind);
  const { user, system } = process.cpuUsage(before);
  global.gc?.();
  const heap = process.memoryUsage().heapUsed;
  await make(ALLOCATING, contender, kind);
  return { us: (user + system) / CALLS, bytes: (process.memoryUsage().heapUsed - heap) / ALLOCATING };
}

async function run() {
  const directory = join(__dirname, `alone-${process.pid}.tmp`);
  mkdirSync(directory);
  const sessile = (from, durability) => {
    const { SessileStore } = require(from);
    return new SessileStore({ path: join(directory, `${durability}-${from === OURS ? "ours" : "beside"}`), durability });
  };
  const OURS = join(__dirname, "../../adapters/express");
  const stores = {
    MemoryStore: new session.MemoryStore(),
    "connect-sessile, written": sessile(OURS, "written"),
    "connect-sessile, synced": sessile(OURS, "synced"),
    ...(asked.beside && { "the other, written": sessile(resolve(asked.beside), "written") }),
  };
  try {
    const contenders = [];
    for (const [name, store] of Object.entries(stores)) contenders.push({ name, store, all: await visitors(store) });
    console.log("| call | store | processor us | bytes |\n| --- | --- | --: | --: |");
    for (const name of asked.calls.split(",")) {
      const taken = new Map(contenders.map((contender) => [contender, []]));
      for (let round = 0; round <= ROUNDS; round += 1) {
        for (const [contender, samples] of taken) {
          const sample = await measured(contender, KINDS[name]);
          if (round > 0) samples.push(sample);
        }
      }
      for (const [contender, samples] of taken) {
        const [us, bytes] = [median(samples.map((sample) => sample.us)), median(samples.map((sample) => sample.bytes))];
        console.log(`| ${name} | ${contender.name} | ${us.toFixed(2)} | ${bytes.toFixed(0)} |`);
      }
    }
  } finally {
    for (const store of Object.values(stores)) await store.close?.();
    rmSync(directory, { recursive: true, force: true });
  }
}

run().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
