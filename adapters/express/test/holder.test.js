// One directory, one process: what the second one is told, how a successor waits for its predecessor, and what a killed one
// leaves behind.
"use strict";

const assert = require("node:assert/strict");
const { fork } = require("node:child_process");
const { once } = require("node:events");
const { openSync, readdirSync, readFileSync, closeSync, writeSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const { Worker } = require("node:worker_threads");
const { SessileStore } = require("..");
const { directory, pause } = require("./support/stores.js");

async function hold(t, path, sessions = {}, durability = "synced") {
  const child = fork(join(__dirname, "support/holder.js"), [path, JSON.stringify(sessions), durability]);
  t.after(() => child.kill("SIGKILL"));
  const [message] = await once(child, "message");
  return { child, message };
}

async function killed(child) {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("a second process is told who holds the store and what to do, and harms nothing", async (t) => {
  const path = join(directory(), "sessions");
  const { child } = await hold(t, path, { id: { cookie: {}, n: 7 } });
  const store = new SessileStore({ path, lockWait: 50 });
  await assert.rejects(store.get("id"), (error) => {
    assert.equal(error.code, "ERR_SESSILE_LOCKED");
    for (const said of [path, `process ${child.pid}`, "50 ms", "lockWait", "cluster", "instances: 1"]) assert.ok(error.message.includes(said), `${said}: ${error.message}`);
    return true;
  });
  await store.close();
  child.send("close");
  await once(child, "exit");
  const next = new SessileStore({ path });
  assert.equal((await next.get("id")).n, 7);
  await next.close();
});

test("a successor waits for its predecessor, and its event loop for nobody", async (t) => {
  const path = join(directory(), "sessions");
  const { child } = await hold(t, path, { id: { cookie: {}, n: 7 } });
  const store = new SessileStore({ path });
  const found = store.get("id");
  let turns = 0;
  let longest = 0;
  let last = performance.now();
  const ticking = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    turns += 1;
  }, 5);
  await pause(600);
  assert.ok(turns > 20 && longest < 300, `${turns} turns, the longest ${longest} ms`);
  child.send("close");
  assert.equal((await found).n, 7);
  clearInterval(ticking);
  await store.close();
});

test("who gives up waiting is not kept, and who had asked is told first", async (t) => {
  const [one, other] = ["one", "other"].map((name) => join(directory(), name));
  await Promise.all([hold(t, one), hold(t, other)]);
  const store = new SessileStore({ path: one, lockWait: 60_000 });
  await store.close();
  await assert.rejects(store.get("id"), { code: "ERR_SESSILE_CLOSED" });
  const waiting = new SessileStore({ path: other, lockWait: 200 });
  const [asked, closed] = await Promise.allSettled([waiting.get("id"), waiting.close()]);
  assert.deepEqual([asked.reason.code, closed.status], ["ERR_SESSILE_LOCKED", "fulfilled"]);
});

test("a module that is loaded again shares the store, and closing one closes not the other", async () => {
  const path = join(directory(), "sessions");
  const one = new SessileStore({ path });
  await one.set("id", { cookie: {}, n: 1 });
  for (const name of Object.keys(require.cache)) if (name.startsWith(join(__dirname, "../lib"))) delete require.cache[name];
  delete require.cache[require.resolve("..")];
  const again = require("..").SessileStore;
  assert.notEqual(again, SessileStore);
  const other = new again({ path });
  assert.equal((await other.get("id")).n, 1);
  await one.close();
  await other.set("id", { cookie: {}, n: 2 });
  assert.equal((await other.get("id")).n, 2);
  await other.close();
});

test("a worker thread shares the store, and a merge there and here loses nothing", async () => {
  const path = join(directory(), "sessions");
  const store = new SessileStore({ path, merge: true });
  require("express-session")({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000), path: "/", httpOnly: true } });
  const add = `async (store, name) => {
    for (let n = 0; n < 200; n += 1) {
      const loaded = await new Promise((done, failed) => store.load("id", (error, one) => (error ? failed(error) : done(one))));
      loaded[name + n] = n;
      await store.set("id", loaded);
    }
  }`;
  const worker = new Worker(
    `const { SessileStore } = require(${JSON.stringify(join(__dirname, ".."))});
     const store = new SessileStore({ path: ${JSON.stringify(path)}, merge: true });
     require("express-session")({ secret: "s", store, resave: false, saveUninitialized: false });
     (${add})(store, "there").then(() => store.close());`,
    { eval: true, execArgv: [] },
  );
  const [[code]] = await Promise.all([once(worker, "exit"), eval(add)(store, "here")]);
  assert.equal(code, 0);
  assert.equal(Object.keys(await store.get("id")).length, 401);
  await store.close();
});

test("what was answered is there after kill -9, for both durabilities", async (t) => {
  const path = join(directory(), "sessions");
  const sessions = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`id${n}`, { cookie: {}, n }]));
  for (const durability of ["synced", "written", "written"]) {
    const { child, message } = await hold(t, path, sessions, durability);
    assert.equal(message, "held");
    await killed(child);
    const store = new SessileStore({ path });
    for (const [id, { n }] of Object.entries(sessions)) assert.equal((await store.get(id)).n, n);
    await store.destroy("id0");
    delete sessions.id0;
    assert.equal(await store.length(), Object.keys(sessions).length);
    await store.close();
  }
});

test("damage in one session is an error to who asks for that one", async () => {
  const path = join(directory(), "sessions");
  const store = new SessileStore({ path });
  for (const id of ["sound", "damaged"]) await store.set(id, { cookie: {}, id, mark: `${id} ${"x".repeat(100)}` });
  await store.flush();
  // The store reads what it has written from its files, so a byte that turns there is seen at once.
  let turned = 0;
  for (const name of readdirSync(path).filter((one) => one.endsWith(".seg"))) {
    const at = readFileSync(join(path, name)).indexOf("damaged xxx");
    if (at < 0) continue;
    const file = openSync(join(path, name), "r+");
    writeSync(file, "X", at + 20);
    closeSync(file);
    turned += 1;
  }
  assert.equal(turned, 1);
  await assert.rejects(store.get("damaged"), { code: "ERR_SESSILE_CORRUPT", message: /damaged at byte/ });
  await assert.rejects(store.get("damaged"), (error) => !error.message.includes("Recovery::"));
  assert.equal((await store.get("sound")).id, "sound");
  await assert.rejects(store.all(), { code: "ERR_SESSILE_CORRUPT" });
  await store.destroy("damaged");
  assert.equal(await store.get("damaged"), null);
  assert.equal((await store.all()).length, 1);
  await store.close();
});
