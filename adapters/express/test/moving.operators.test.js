// Another store is being left: what an operator does and asks meanwhile.
"use strict";

const assert = require("node:assert/strict");
const { existsSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const session = require("express-session");
const { SessileStore, restore } = require("..");
const { HOUR_MS, at, opened, withOld } = require("./support/leaving.js");
const { directory, pause } = require("./support/stores.js");

test("a backup knows who has ended", async (t) => {
  const { old, home, store } = await withOld(t, { moved: at("ada"), ended: at("ada"), left: at("ada") });
  assert.ok(await store.get("moved"));
  old.down = true;
  await store.destroy("ended");
  old.down = false;
  const path = join(directory(), "copy");
  assert.equal((await store.backup(path)).sessions, 1);
  await home.store.close();
  const again = `${path}-again`;
  restore(path, again, { keep: true });
  const copy = new SessileStore({ path: again, fallback: old });
  t.after(() => copy.close());
  assert.equal(await copy.get("ended"), null);
  for (const id of ["moved", "left"]) assert.equal((await copy.get(id)).user, "ada");
});

test("a restore that fails leaves nothing in the way of the next", async (t) => {
  const { home, store } = await withOld(t, { moved: at("ada") });
  assert.ok(await store.get("moved"));
  const path = join(directory(), "copy");
  await store.backup(path);
  await home.store.close();
  const header = join(path, "STORE");
  const sound = readFileSync(header);
  writeFileSync(header, Buffer.alloc(sound.length));
  const again = `${path}-again`;
  assert.throws(() => restore(path, again, { keep: true }), { code: /^ERR_SESSILE_/ });
  writeFileSync(header, sound);
  assert.equal(restore(path, again, { keep: true }), 1);
  // And one that was cut short after the ledger was there is run again.
  rmSync(join(again, "STORE"));
  writeFileSync(join(again, "RESTORE"), "cut short");
  assert.equal(restore(path, again, { keep: true }), 1);
});

test("where no socket is wanted, the ledger has none either", async (t) => {
  const { home, store } = await withOld(t, { moved: at("ada") }, { control: false });
  assert.ok(await store.get("moved"));
  assert.deepEqual([existsSync(join(home.path, "control.sock")), existsSync(join(home.path, "moving", "control.sock"))], [false, false]);
});

test("a SessileStore can be left, too", async (t) => {
  const old = new SessileStore({ path: join(directory(), "old"), keepIds: true });
  t.after(() => old.close());
  for (const id of ["one", "two", "three"]) await old.set(id, at(id));
  const home = opened(t, { fallback: old });
  const { expires } = (await old.get("one")).cookie;
  assert.equal((await home.store.get("one")).cookie.expires, expires);
  await home.store.destroy("two");
  await pause(20);
  assert.equal(await old.get("two"), null);
  assert.equal((await home.store.fallbackDone()).left, 1);
});

test("all can move without being used, and then the old store can be switched off", async (t) => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`id${n}`, at(`user${n % 2}`)]));
  const { old, home, store } = await withOld(t, many, { firstLifetime: 30 });
  await store.destroySubject("user1");
  assert.deepEqual({ ...(await store.fallbackDone()) }, { done: false, left: 20, switchOffAt: null });
  assert.deepEqual(await store.moveAll({ perSecond: 1000 }), { moved: 10, over: 10, failed: 0 });
  const { done, left, switchOffAt } = await store.fallbackDone();
  assert.deepEqual([done, left], [true, 0]);
  assert.ok(Math.abs(switchOffAt - Date.now() - HOUR_MS) < 60_000);
  await pause(60);
  const asked = old.asked;
  assert.equal((await store.get("id0")).user, "user0", "and not for the first lifetime only");
  assert.equal(old.asked, asked);
  const { fallback } = await store.stats();
  assert.deepEqual([fallback.moved, fallback.refused, fallback.unreachable], [10, 10, 0]);
  assert.ok(fallback.since <= new Date());
  const again = await home.again();
  assert.deepEqual((await again.fallbackDone()).switchOffAt, switchOffAt);
});

test("moving all ends when the store is closed, and where the old one does not tell its ids it says so", async (t) => {
  const { old, home, store } = await withOld(t, { one: at("ada"), two: at("ada") });
  await assert.rejects(store.moveAll({ perSecond: 0 }), TypeError);
  const all = assert.rejects(store.moveAll({ perSecond: 5 }), { code: "ERR_SESSILE_CLOSED" });
  await pause(50);
  await Promise.all([store.close(), all]);
  old.all = (answer) => answer(null, [{ cookie: {} }]);
  const again = await home.again();
  await assert.rejects(again.moveAll(), { code: "ERR_SESSILE_FALLBACK", message: /ids\(\)/ });
  assert.equal((await again.fallbackDone()).left, undefined);
});

test("what cannot be is refused at once", async () => {
  const path = join(directory(), "sessions");
  assert.throws(() => new SessileStore({ path, fallback: {} }), /fallback must be/);
  assert.throws(() => new SessileStore({ path, fallbackTimeout: 5 }), /fallbackTimeout needs fallback/);
  assert.throws(() => new SessileStore({ path, fallback: new session.MemoryStore(), fallbackTimeout: 2 ** 31 }), /fallbackTimeout must be/);
  const store = new SessileStore({ path, fallback: new session.MemoryStore() });
  await assert.rejects(store.destroySubject("ada"), { code: "ERR_SESSILE_SUBJECT", message: /option subject/ });
  await store.close();
  const alone = new SessileStore({ path });
  await assert.rejects(alone.fallbackDone(), { code: "ERR_SESSILE_INVALID", message: /option fallback/ });
  await alone.close();
});
