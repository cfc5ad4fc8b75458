// What a program does with its users' sessions beside serving requests, and what an operator asks.
"use strict";

const assert = require("node:assert/strict");
const { join } = require("node:path");
const { test } = require("node:test");
const request = require("supertest");
const { SessileStore, restore } = require("..");
const { cookieOf, shop, sidOf } = require("./support/shop.js");
const { directory, pause, sessile } = require("./support/stores.js");

const owned = (t, options) => sessile(t, { subject: (one) => one.user, ...options });
const at = (user, more) => ({ cookie: {}, user, ...more });

// The endings that a store tells, until there are so many.
function endings(store, count) {
  return new Promise((done, failed) => {
    const told = [];
    // A listener keeps nobody alive, so the test has to.
    const late = setTimeout(() => failed(new Error(`only ${told.length} of ${count} endings were told`)), 5000);
    const hear = (ended) => {
      if (told.push(ended) < count) return;
      clearTimeout(late);
      done(told);
    };
    store.on("ended", hear);
  });
}

test("your devices: a user's sessions, each ended by its handle", async (t) => {
  const store = owned(t);
  await store.set("phone", at("ada", { device: "phone" }));
  await store.set("laptop", at("ada", { device: "laptop" }));
  await store.set("other", at("eve"));
  const devices = await store.sessionsOf("ada");
  assert.deepEqual(devices.map((one) => one.session.device).sort(), ["laptop", "phone"]);
  const phone = devices.find((one) => one.session.device === "phone");
  assert.equal(phone.handle, await store.handleOf("phone"));
  assert.ok(phone.created <= new Date() && phone.lastUsed >= phone.created && phone.expires > new Date());
  assert.equal(await store.destroyHandle(phone.handle), true);
  assert.equal(await store.destroyHandle(phone.handle), false);
  assert.equal(await store.get("phone"), null);
});

test("log out everywhere, or everywhere else", async (t) => {
  const store = owned(t);
  for (const id of ["phone", "laptop", "library"]) await store.set(id, at("ada"));
  await store.set("other", at("eve"));
  assert.equal(await store.destroySubject("ada", { except: "laptop" }), 2);
  assert.ok(await store.get("laptop"));
  assert.equal(await store.destroySubject("ada"), 1);
  assert.equal(await store.destroySubject("ada"), 0);
  assert.ok(await store.get("other"));
  const [count] = await new Promise((done) => store.destroySubject("eve", (error, n) => done([n])));
  assert.equal(count, 1);
});

test("a session goes with its user: named by text or number, changed, and left", async (t) => {
  const store = owned(t);
  await store.set("id", at(7));
  assert.equal((await store.sessionsOf("7")).length, 1);
  await store.set("id", at("8"));
  assert.deepEqual([(await store.sessionsOf(7)).length, (await store.sessionsOf(8)).length], [0, 1]);
  await store.set("id", at(undefined));
  assert.equal((await store.sessionsOf(8)).length, 0);
  await assert.rejects(store.set("id", at({ name: "ada" })), TypeError, "or everybody would be [object Object]");
});

test("'ended' tells which session, and by what", async (t) => {
  const store = owned(t, { sessionsMax: 1000 });
  await store.ready();
  const app = shop(store);
  const agent = request.agent(app);
  const told = endings(store, 5);
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((id) => store.handleOf(id)));
  const sid = sidOf(await agent.get("/set?user=eve"));
  const old = await store.handleOf(sid);
  const next = await store.handleOf(sidOf(await agent.get("/login?user=eve")));
  await store.set("a", at("ada"));
  await store.destroy("a");
  await store.set("b", at("ada"));
  await store.destroySubject("ada");
  await store.set("c", { cookie: { expires: new Date(Date.now() + 20) } });
  await pause(40);
  await store.maintain();
  await store.clear();
  const seen = (await told).map(({ handle, reason, to }) => ({ handle, reason, to }));
  assert.deepEqual(seen, [
    { handle: old, reason: "rotated", to: next },
    { handle: a, reason: "destroyed", to: undefined },
    { handle: b, reason: "revoked", to: undefined },
    { handle: c, reason: "expired", to: undefined },
    { handle: undefined, reason: "cleared", to: undefined },
  ]);
});

test("ids are there only where they are kept", async (t) => {
  const store = sessile(t, { keepIds: true });
  await store.set("one", { cookie: {} });
  await store.set("two", { cookie: {} });
  assert.deepEqual((await store.ids()).sort(), ["one", "two"]);
  assert.deepEqual((await store.all()).map((one) => one.id).sort(), ["one", "two"]);
  assert.deepEqual(Object.keys((await store.all())[0]), ["cookie"], "the id is nothing that was saved");
  const usual = sessile(t);
  await assert.rejects(usual.ids(), { code: "ERR_SESSILE_NO_IDS", message: /keepIds/ });
});

test("all gives many sessions, and the event loop its turn", async (t) => {
  const store = sessile(t, { durability: "written" });
  await store.ready();
  await Promise.all(Array.from({ length: 2000 }, (_, n) => store.set(`id${n}`, { cookie: {}, n })));
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 0);
  const all = await store.all();
  clearInterval(turning);
  assert.deepEqual(all.map((one) => one.n).sort((a, b) => a - b), Array.from({ length: 2000 }, (_, n) => n));
  assert.ok(turns > 0);
  assert.equal(await store.length(), 2000);
});

test("figures, maintenance, and a backup that opens", async (t) => {
  const path = join(directory(), "copy");
  const store = sessile(t);
  await store.set("id", { cookie: {}, n: 7 });
  await store.set("short", { cookie: { expires: new Date(Date.now() + 10) } });
  await pause(30);
  assert.deepEqual({ ...(await store.maintain()) }, { expired: 1, segmentsRemoved: 0, segmentsCompacted: 0, more: false });
  await store.flush();
  const figures = await store.stats();
  assert.deepEqual([figures.sessions, figures.created, figures.expired, figures.refusedSaves], [1, 2, 1, 0]);
  assert.ok(figures.diskBytes > 0 && figures.syncs > 0 && figures.latched === undefined);
  assert.equal((await store.backup(path)).sessions, 1);
  await store.destroy("id");
  await assert.rejects(new SessileStore({ path }).ready(), { code: "ERR_SESSILE_IS_BACKUP" });
  const again = `${path}-again`;
  assert.throws(() => restore(path, again), { code: "ERR_SESSILE_INVALID" });
  assert.equal(restore(path, again, { keep: true }), 1);
  const copy = new SessileStore({ path: again });
  assert.equal((await copy.get("id")).n, 7);
  await copy.close();
  assert.equal(restore(path, `${path}-ended`, { end: true }), 1);
  const ended = new SessileStore({ path: `${path}-ended` });
  assert.equal(await ended.get("id"), null);
  await ended.close();
  assert.equal((await store.backup(path)).sessions, 0, "it is gone on with");
  await assert.rejects(store.backup(again), { code: "ERR_SESSILE_INVALID" });
});

test("at a limit those make room who have no subject, or what is new is refused", async (t) => {
  const fill = async (options) => {
    const store = sessile(t, { sessionsMax: 3, subject: (one) => one.user, ...options });
    const set = (id, more) => store.set(id, { cookie: {}, ...more }).then(() => "set", (error) => error.code);
    for (const id of ["one", "two"]) await set(id);
    await set("ada", { user: "ada" });
    const said = await set("new");
    return { said, ada: await store.get("ada"), evicted: (await store.stats()).evicted };
  };
  const evicting = await fill({});
  assert.deepEqual([evicting.said, evicting.ada.user, evicting.evicted > 0], ["set", "ada", true]);
  const refusing = await fill({ atLimit: "reject" });
  assert.deepEqual([refusing.said, refusing.ada.user, refusing.evicted], ["ERR_SESSILE_FULL", "ada", 0]);
  assert.throws(() => new SessileStore({ path: "x", atLimit: "never" }), /atLimit must be/);
  assert.throws(() => new SessileStore({ path: "x", sessionBytesMax: (15 << 20) + 1 }), /sessionBytesMax must be .* 15 MiB/);
});

test("sessions outlive a deploy, with all that belongs to them", async () => {
  const path = join(directory(), "sessions");
  const options = { path, subject: (one) => one.user };
  let store = new SessileStore(options);
  const login = await request(shop(store, { cookie: { maxAge: 60_000 } })).get("/login?user=ada");
  const before = await store.get(sidOf(login));
  await store.close();
  store = new SessileStore(options);
  assert.deepEqual(await store.get(sidOf(login)), before);
  assert.equal((await store.sessionsOf("ada")).length, 1);
  const after = await request(shop(store, { cookie: { maxAge: 60_000 } })).get("/").set("Cookie", cookieOf(login));
  assert.deepEqual(after.body, { user: "ada" });
  await store.close();
});

test("at a limit the sessions of nobody go first, and never a user's", async (t) => {
  const store = owned(t, { sessionsMax: 64 });
  for (let n = 0; n < 32; n += 1) await store.set(`user${n}`, at(`user${n}`));
  for (let n = 0; n < 200; n += 1) await store.set(`bot${n}`, { cookie: {} });
  for (let n = 0; n < 32; n += 1) assert.ok(await store.get(`user${n}`), `user${n}`);
  assert.ok((await store.length()) <= 64);
  assert.ok((await store.stats()).evicted >= 168);
});
