// How calls are answered: once, by a callback or a promise, in the order in which they were made, also while the store is
// being opened, and never by ending the process.
"use strict";

const assert = require("node:assert/strict");
const { AsyncLocalStorage } = require("node:async_hooks");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const { Store } = require("express-session");
const { SessileStore } = require("..");
const { directory, pause, sessile } = require("./support/stores.js");

const PACKAGE = join(__dirname, "..");

// Every method that express-session or a program may call.
const CALLS = {
  ready: [], get: ["id"], set: ["id", { cookie: {} }], touch: ["id", { cookie: {} }], destroy: ["id"], all: [], length: [], clear: [],
  stats: [], flush: [], maintain: [1], sessionsOf: ["somebody"], destroySubject: ["somebody"], destroyHandle: ["0".repeat(32)],
  handleOf: ["id"], ids: [],
};

async function script(source, ...rest) {
  const child = spawn(process.execPath, ["-e", source, ...rest], { cwd: PACKAGE, stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.on("data", (data) => (said.out += data));
  child.stderr.on("data", (data) => (said.err += data));
  const [code] = await once(child, "close");
  return { code, ...said };
}

test("it is a Store, and has touch from the beginning", (t) => {
  const store = sessile(t);
  assert.ok(store instanceof Store);
  assert.equal(typeof store.touch, "function");
});

for (const [method, values] of Object.entries(CALLS)) {
  test(`${method} answers its callback once, later and not inside the call, and a promise where there is none`, async (t) => {
    const store = sessile(t, { keepIds: true, subject: (one) => one.user });
    for (const state of ["opening", "open", "closed"]) {
      let calls = 0;
      const answered = new Promise((done) => {
        store[method](...values, (...answer) => {
          calls += 1;
          done(answer);
        });
      });
      assert.equal(calls, 0, "not before the call has returned");
      const [error] = await answered;
      assert.equal(error?.code, state === "closed" ? "ERR_SESSILE_CLOSED" : undefined);
      const promise = store[method](...values);
      if (state === "closed") await assert.rejects(promise, { code: "ERR_SESSILE_CLOSED" });
      else await promise;
      await pause(5);
      assert.equal(calls, 1);
      if (state === "open") await store.close();
    }
  });
}

test("what a callback throws is an uncaught exception, and the callback is not called again", async () => {
  const { code, out } = await script(`
    const { SessileStore } = require(".");
    const store = new SessileStore({ path: process.argv[1] });
    let calls = 0, caught = [];
    process.on("uncaughtException", (error) => caught.push(error.message));
    const thrown = (name) => () => { calls += 1; throw new Error(name); };
    store.set("id", { cookie: {} }, thrown("set"));
    store.get("id", thrown("get"));
    store.length(thrown("length"));
    setTimeout(() => store.close(() => console.log(calls, caught.sort().join())), 200);
  `, directory());
  assert.deepEqual([code, out.trim()], [0, "3 get,length,set"]);
});

test("no promise that nobody looks at ends the process, and a store that cannot be opened is told once", async () => {
  const { code, out, err } = await script(`
    const { SessileStore } = require(".");
    const store = new SessileStore({ path: "/dev/null/no/such/place" });
    store.destroy("id"); store.set("id", {}); store.get("id");
    setTimeout(() => console.log("still here"), 100);
  `);
  assert.deepEqual([code, out.trim()], [0, "still here"]);
  const told = err.trim().split("\n").filter((line) => !line.startsWith("(Use `node --trace-warnings"));
  assert.equal(told.length, 1, err);
  assert.match(told[0], /\[SESSILE_NOT_OPENED\].*cannot be opened.*\/dev\/null\/no\/such\/place/);
});

test("what was asked while the store was being opened is done, in that order", async (t) => {
  const store = sessile(t);
  const session = { cookie: {}, n: 1 };
  const asked = [store.set("id", session), store.get("id"), store.destroy("id"), store.get("id")];
  session.n = 2; // After the call: it is not what was saved.
  const [, found, , ended] = await Promise.all(asked);
  assert.deepEqual([found.n, ended], [1, null]);
});

test("a store that cannot be opened tells everybody why, then and later, and nobody else", async () => {
  const path = join(directory(), "file");
  writeFileSync(path, "no directory");
  const store = new SessileStore({ path });
  for (const event of ["error", "disconnect"]) store.on(event, () => assert.fail(event));
  const early = await Promise.allSettled([store.get("id"), store.set("id", {}), store.ready(), store.length()]);
  for (const { reason } of early) assert.match(reason.message, /file/);
  await assert.rejects(store.get("id"), (error) => error.code.startsWith("ERR_SESSILE_") && error.code !== "ENOENT");
  await store.close();
});

test("no error has a code that express-session takes for no such session", async () => {
  const store = new SessileStore({ path: join(directory(), "a", "b", "c", "d") });
  const code = await store.ready().then(() => undefined, (error) => error.code);
  assert.notEqual(code, "ENOENT");
  await store.close();
});

test("who never said whose sessions are is not told that a user has none", async (t) => {
  const store = sessile(t);
  await store.set("id", { cookie: {}, userId: "ada" });
  for (const ask of ["sessionsOf", "destroySubject"]) {
    await assert.rejects(store[ask]("ada"), { code: "ERR_SESSILE_SUBJECT", message: /option subject/ });
  }
  assert.equal((await store.get("id")).userId, "ada");
});

test("an error in a call of the program is its answer, and is not thrown", async (t) => {
  const circular = { cookie: {} };
  circular.self = circular;
  const store = sessile(t, { subject: (one) => one.user });
  await assert.rejects(store.set("id", circular), TypeError);
  await assert.rejects(store.set("id", undefined), TypeError);
  await assert.rejects(store.set("id", { cookie: {}, user: {} }), /subject/);
  await assert.rejects(store.set("x".repeat(4097), { cookie: {} }), { code: "ERR_SESSILE_INVALID" });
  await assert.rejects(store.set("id", { cookie: {}, data: "x".repeat(2 << 20) }), { code: "ERR_SESSILE_TOO_LARGE", message: /sessionBytesMax/ });
  await assert.rejects(store.sessionsOf(undefined), TypeError);
  const ttl = () => {
    throw undefined;
  };
  await assert.rejects(sessile(t, { ttl }).set("id", { cookie: {} }), { code: "ERR_SESSILE" });
  await assert.rejects(store.destroyHandle("not one"), { code: "ERR_SESSILE_INVALID" });
});

test("an id that no session can have has none", async (t) => {
  const store = sessile(t);
  for (const id of ["", "x".repeat(5000)]) {
    assert.equal(await store.get(id), null);
    await store.destroy(id);
    await store.touch(id, { cookie: {} });
  }
});

test("ids of every kind are told apart", async (t) => {
  const store = sessile(t);
  const ids = ["a", "A", " a", "ä", "a\u0308", "💾", "a\0b", "a\0c", "__proto__", "constructor", "x".repeat(4096)];
  for (const [n, id] of ids.entries()) await store.set(id, { cookie: {}, n });
  for (const [n, id] of ids.entries()) assert.equal((await store.get(id)).n, n);
});

test("an option that is none is a mistake that is told at once", () => {
  const wrong = [
    undefined, {}, { path: "" }, { path: 1 }, { path: "s", touchafter: 1 }, { path: "s", ttl: "1d" }, { path: "s", ttl: -1 },
    { path: "s", durability: "maybe" }, { path: "s", subject: "user" }, { path: "s", lockWait: Number.NaN }, { path: "s", onConflict: () => 1 },
  ];
  for (const options of wrong) assert.throws(() => new SessileStore(options), TypeError, JSON.stringify(options));
});

test("an answer comes in the async context of its call", async (t) => {
  const store = sessile(t);
  const context = new AsyncLocalStorage();
  await store.ready();
  const seen = await context.run("mine", () => Promise.all([
    new Promise((done) => store.set("id", { cookie: {} }, () => done(context.getStore()))),
    new Promise((done) => store.get("id", () => done(context.getStore()))),
    store.flush().then(() => context.getStore()),
  ]));
  assert.deepEqual(seen, ["mine", "mine", "mine"]);
});

test("the writes of many requests share a sync", async (t) => {
  const store = sessile(t);
  await store.ready();
  const before = (await store.stats()).syncs;
  await Promise.all(Array.from({ length: 1000 }, (_, n) => store.set(`id${n}`, { cookie: {}, n })));
  const { created, syncs } = await store.stats();
  assert.equal(created, 1000);
  // How many share one is for the disk to say: while it syncs, the loop makes the writes that are next.
  assert.ok(syncs - before < 500, `${syncs - before} syncs for 1000 writes`);
});

test("an open store keeps no process alive, but an answer that somebody waits for does", async () => {
  const path = join(directory(), "sessions");
  const { code, out } = await script(`
    const { SessileStore } = require(".");
    const store = new SessileStore({ path: process.argv[1] });
    store.on("ended", () => {});
    store.set("id", { cookie: {}, n: 7 }, (error) => console.log("answered", error));
  `, path);
  assert.deepEqual([code, out.trim()], [0, "answered null"]);
  const again = await script(`
    const { SessileStore } = require(".");
    const store = new SessileStore({ path: process.argv[1] });
    store.get("id", (error, found) => console.log(error, found.n));
  `, path);
  assert.equal(again.out.trim(), "null 7", "nothing that was answered is lost by leaving without close");
});

test("close answers who asked before, may be called twice, and frees the directory", async () => {
  const path = join(directory(), "sessions");
  const store = new SessileStore({ path });
  const asked = [store.set("id", { cookie: {}, n: 7 }), store.get("id")];
  await Promise.all([store.close(), store.close()]);
  assert.equal((await Promise.all(asked))[1].n, 7);
  await store.close();
  await assert.rejects(store.get("id"), { code: "ERR_SESSILE_CLOSED" });
  const again = new SessileStore({ path });
  assert.equal((await again.get("id")).n, 7);
  await again.close();
});

test("what is in a session comes back letter by letter, of whatever alphabet", async (t) => {
  const store = sessile(t);
  for (const text of ["plain", "é", "naïve ÿ", "日本", "💾", "\ud800 alone", "\0\u0001", "ß".repeat(5000), "a".repeat(5000)]) {
    await store.set("id", { cookie: {}, text });
    assert.deepEqual((await store.get("id")).text, text);
  }
});

test("callbacks and what is told of endings come in the order in which it happened", async (t) => {
  const store = sessile(t);
  const said = [];
  await store.set("id", { cookie: {} });
  store.on("ended", ({ reason }) => said.push(`ended: ${reason}`));
  const destroyed = new Promise((done) => {
    store.destroy("id", () => {
      said.push("destroyed");
      done();
    });
  });
  // Both answers are there when the event loop comes to look.
  setTimeout(() => {
    store.set("other", { cookie: {} }, () => {});
    store.get("other", (error, session) => said.push(session ? "lives" : "none"));
    const until = Date.now() + 50;
    while (Date.now() < until);
  }, 0);
  await destroyed;
  await store.flush();
  await pause(20);
  const close = new Promise((done) => {
    store.get("other", () => said.push("asked before"));
    store.close(() => {
      said.push("closed");
      done();
    });
  });
  await close;
  assert.deepEqual(said.slice(-2), ["asked before", "closed"]);
  assert.ok(said.includes("ended: destroyed") && said.includes("lives"), said.join());
});

test("a session that is gone is not said to live after its ending was told", async (t) => {
  const store = sessile(t);
  for (let round = 0; round < 20; round += 1) {
    const said = [];
    await store.set("id", { cookie: {} });
    const hear = () => said.push("ended");
    store.on("ended", hear);
    const all = new Promise((done) => {
      setTimeout(() => {
        store.get("id", (error, session) => said.push(session ? "lives" : "none"));
        store.destroy("id", () => {
          said.push("destroyed");
          setTimeout(done, 5);
        });
        const until = Date.now() + 5;
        while (Date.now() < until);
      }, 0);
    });
    await all;
    store.off("ended", hear);
    assert.equal(said[0], "lives", said.join());
  }
});

test("a test's clock holds no answer back", async (t) => {
  const store = sessile(t);
  await store.ready();
  t.mock.timers.enable();
  await new Promise((done) => store.get("id", done));
  t.mock.timers.reset();
});
