// The comparison: node run.js --out report. README.md says what is measured.
"use strict";

const { mkdirSync, rmSync, writeFileSync } = require("node:fs");
const { join, resolve } = require("node:path");
const { parseArgs } = require("node:util");
const { apart, besides, impossible } = require("./lib/beside.js");
const { Contender } = require("./lib/contender.js");
const { PAGES, cookies, load } = require("./lib/load.js");
const { rest } = require("./lib/process.js");
const { reported } = require("./lib/report.js");
const { absent, isInstalled } = require("./lib/services.js");
const { STORES } = require("./lib/stores.js");
const { syscalls } = require("./lib/syscalls.js");

const { values: asked } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    stores: { type: "string", default: Object.keys(STORES).join() },
    pages: { type: "string", default: PAGES.join() },
    rounds: { type: "string" },
    out: { type: "string" },
    dir: { type: "string", default: __dirname },
  },
});

// What a run has of everything. Goals are judged of the full one only.
const FULL = { warmUps: 1, rounds: 7, visitors: 10_000, connections: 64, stored: 100_000, traced: 500, servedSeconds: 3, beside: { warmUps: 2, rounds: 9, seconds: 2 } };
const QUICK = { warmUps: 0, rounds: 1, visitors: 300, connections: 4, stored: 1000, traced: 50, servedSeconds: 0, beside: { warmUps: 0, rounds: 1, seconds: 1 } };
// How long a turn waits at most for the machine to come to rest.
const REST_MS = 1500;
const scale = { ...(asked.quick ? QUICK : FULL), seconds: 1, ...(asked.rounds && { rounds: Number(asked.rounds) }) };

const began = Date.now();
const tell = (what) => process.stderr.write(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s: ${what}\n`);
const directory = join(resolve(asked.dir), `run-${process.pid}.tmp`);
const started = new Set();

async function start(key, place) {
  const contender = await Contender.start(key, join(directory, place, key));
  started.add(contender);
  return contender;
}

async function stop(contender) {
  await contender.stop();
  started.delete(contender);
}

// Every store answers every page in every round, in the opposite order each time.
async function loads(keys, pages, outcome) {
  const file = cookies(scale.visitors, join(directory, "cookies"));
  const contenders = [];
  for (const key of keys) {
    tell(`${STORES[key].name} starts`);
    const contender = await start(key, "load");
    contender.written = 0;
    await contender.ask("fill", { visitors: scale.visitors });
    outcome.settings[key] = await contender.ask("settings");
    contenders.push(contender);
  }
  for (let round = 1 - scale.warmUps; round <= scale.rounds; round += 1) {
    for (const page of pages) {
      tell(round < 1 ? `${page}, warming up` : `${page}, ${round} of ${scale.rounds}`);
      const turn = async (contender) => {
        const sample = await contender.measure(() => load(contender.port, page, { ...scale, file }));
        if (page === "write") contender.written += sample.requests;
        if (round > 0) ((outcome.load[page] ??= {})[contender.key] ??= []).push(sample);
      };
      // All at once only where it is not about the figures.
      if (asked.quick) await Promise.all(contenders.map(turn));
      else for (const contender of contenders) await rest(REST_MS).then(() => turn(contender));
    }
    contenders.reverse();
  }
  for (const contender of contenders) {
    const views = await contender.ask("views", { visitors: scale.visitors });
    // What was under way when the load ended may have been written, too.
    if (views < contender.written) throw new Error(`${contender.key}: ${contender.written} writes were acknowledged and ${views} are there`);
    await stop(contender);
  }
}

// connect-sessile and MemoryStore at the same time on one processor. The last part of a run, since this process stays on the other.
async function sideBySide(keys, pages, outcome) {
  const why = impossible();
  if (why) {
    outcome.notBeside = why;
    return;
  }
  const file = cookies(scale.visitors, join(directory, "cookies"));
  const contenders = await Promise.all(keys.map(async (key) => {
    const contender = await start(key, "beside");
    await contender.ask("fill", { visitors: scale.visitors });
    return contender;
  }));
  apart(contenders);
  for (const page of pages) {
    tell(`${page}, side by side`);
    outcome.beside[page] = await besides(contenders, page, { ...scale, ...scale.beside, file });
  }
  for (const contender of contenders) await stop(contender);
}

// Memory with so many sessions: stored, each read once, under load, and after the garbage is collected. They are stored on all
// servers at the same time, since that is not about time; the load comes to one after the other.
async function memories(keys, outcome) {
  const file = cookies(scale.stored, join(directory, "stored"));
  tell(`${scale.stored} sessions are stored`);
  const contenders = await Promise.all(keys.filter((key) => !STORES[key].slow).map(async (key) => {
    const contender = await start(key, "memory");
    const seen = (outcome.memory[key] = { empty: await contender.ask("memory") });
    await contender.ask("fill", { visitors: scale.stored });
    seen.stored = await contender.ask("memory");
    await contender.ask("readAll", { visitors: scale.stored });
    tell(`${STORES[key].name} has them`);
    return contender;
  }));
  for (const contender of contenders) {
    tell(`${STORES[contender.key].name}, memory`);
    const seen = outcome.memory[contender.key];
    if (scale.servedSeconds > 0) await load(contender.port, "read", { ...scale, seconds: scale.servedSeconds, file });
    seen.served = await contender.ask("memory");
    await contender.ask("collect");
    seen.collected = await contender.ask("memory");
    await stop(contender);
  }
}

async function run() {
  if (!isInstalled("wrk")) throw new Error("there is no wrk, which makes the load; on Debian: apt-get install wrk");
  const outcome = { began: new Date(began).toISOString(), quick: asked.quick, scale, load: {}, beside: {}, memory: {}, calls: {}, settings: {}, leftOut: {} };
  const keys = asked.stores.split(",").filter((key) => {
    if (!STORES[key]) throw new Error(`there is no store ${key}; there are ${Object.keys(STORES).join(", ")}`);
    const why = STORES[key].needs && absent(STORES[key].needs);
    if (why) outcome.leftOut[key] = why;
    return !why;
  });
  const pages = asked.pages.split(",");
  for (const page of pages) if (!PAGES.includes(page)) throw new Error(`there is no page ${page}; there are ${PAGES.join(", ")}`);
  mkdirSync(directory);
  try {
    await loads(keys, pages, outcome);
    await memories(keys, outcome);
    const ours = keys.filter((key) => key === "MemoryStore" || key.startsWith("sessile"));
    for (const key of isInstalled("strace") ? ours : []) {
      tell(`${STORES[key].name}, system calls`);
      const contender = await start(key, "calls");
      await contender.ask("fill", { visitors: scale.visitors });
      outcome.calls[key] = await syscalls(contender, pages, scale);
      await stop(contender);
    }
    if (ours.length > 1) await sideBySide(ours, pages, outcome);
  } finally {
    for (const contender of started) contender.kill();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  outcome.seconds = Math.round((Date.now() - began) / 1000);
  const report = reported(outcome);
  if (asked.out) {
    mkdirSync(asked.out, { recursive: true });
    writeFileSync(join(asked.out, "README.md"), report);
    writeFileSync(join(asked.out, "results.json"), `${JSON.stringify(outcome)}\n`);
  }
  process.stdout.write(report);
}

run().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
