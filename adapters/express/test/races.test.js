// Requests at the same time: what MemoryStore, and every other store, loses or brings back. It is run too, where that shows
// that the race is one.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const session = require("express-session");
const request = require("supertest");
const { merged, partsOf } = require("../lib/merge.js");
const { cookieOf, shop } = require("./support/shop.js");
const { call, sessile } = require("./support/stores.js");

const as = (app, cookie) => (path) => request(app).get(path).set("Cookie", cookie);

// A slow request has loaded the session; meanwhile `other` is done; then the slow one saves what it has.
async function meanwhile(store, slow, other, settings) {
  const app = shop(store, settings);
  const cookie = cookieOf(await request(app).get("/login?user=ada"));
  const get = as(app, cookie);
  const answer = get(`/slow?gate=g&${slow}`).then((response) => response);
  const open = await app.gate("g");
  await other(get);
  open();
  assert.equal((await answer).status, 200, "the slow request is answered as ever");
  return (await get("/")).body;
}

const logout = (get) => get("/logout");

test("a slow request that saves after a logout does not bring the session back", async (t) => {
  const revived = await meanwhile(new session.MemoryStore(), "mark=1", logout);
  assert.equal(revived.user, "ada", "with MemoryStore the old cookie works again");
  for (const options of [{}, { merge: true }]) {
    const store = sessile(t, options);
    assert.deepEqual(await meanwhile(store, "mark=1", logout), {});
    assert.equal((await store.stats()).refusedSaves, 1);
  }
});

test("nor does one that only used it", async (t) => {
  for (const settings of [{}, { resave: true }, { rolling: true, cookie: { maxAge: 60_000 } }]) {
    assert.deepEqual(await meanwhile(sessile(t), "", logout, settings), {});
  }
});

test("nor after a login that gave the session another id", async (t) => {
  const store = sessile(t);
  assert.deepEqual(await meanwhile(store, "mark=1", (get) => get("/login?user=eve")), {});
  assert.equal(await store.length(), 1, "eve's, and no other");
});

test("nor after everybody was logged out", async (t) => {
  const store = sessile(t, { subject: (one) => one.user });
  assert.deepEqual(await meanwhile(store, "mark=1", () => store.destroySubject("ada")), {});
  assert.deepEqual(await meanwhile(store, "mark=1", () => store.clear()), {});
});

test("a session that is begun, saved, ended and saved again in one request stays ended", async (t) => {
  const store = sessile(t);
  const middleware = session({ secret: "s", store, resave: false, saveUninitialized: false });
  assert.equal(typeof middleware, "function");
  const req = { sessionStore: store, headers: {}, connection: {} };
  store.generate(req);
  const begun = req.session;
  begun.user = "ada";
  await new Promise((saved) => begun.save(saved));
  await store.destroy(begun.id);
  await new Promise((saved) => begun.save(saved));
  assert.equal(await store.get(begun.id), null);
});

// Twenty requests load the session, then each adds a key of its own, and all save.
async function twenty(store) {
  const app = shop(store);
  const cookie = cookieOf(await request(app).get("/login?user=ada"));
  const get = as(app, cookie);
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  const answers = numbers.map((n) => get(`/slow?gate=g${n}&key${n}=${n}`).then((response) => response.status));
  const gates = await Promise.all(numbers.map((n) => app.gate(`g${n}`)));
  for (const open of gates) open();
  assert.deepEqual(await Promise.all(answers), numbers.map(() => 200));
  const left = (await get("/")).body;
  assert.equal(left.user, "ada");
  return numbers.filter((n) => left[`key${n}`] === String(n)).length;
}

test("twenty requests at once, a key each: with merge, all twenty are kept", async (t) => {
  assert.ok((await twenty(new session.MemoryStore())) < 20, "MemoryStore loses some");
  for (let round = 0; round < 3; round += 1) assert.equal(await twenty(sessile(t, { merge: true })), 20);
});

// Two requests have loaded the same session; the first has saved when the second does.
async function two(store, first, second) {
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await call(store, "set", "id", { cookie: { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) }, cart: [1], count: 1, gone: true });
  const [one, other] = [await call(store, "load", "id"), await call(store, "load", "id")];
  first(one);
  await call(store, "set", "id", one);
  second(other);
  await call(store, "set", "id", other);
  const { cookie, ...kept } = await store.get("id");
  return { kept, cookie };
}

test("a key that one has removed and another left alone is gone", async (t) => {
  const store = sessile(t, { merge: true });
  const { kept } = await two(store, (one) => delete one.gone, (other) => (other.count = 2));
  assert.deepEqual(kept, { cart: [1], count: 2 });
});

test("of the same key the later one counts, or what onConflict says", async (t) => {
  const both = (value) => (one) => (one.count += value);
  assert.equal((await two(sessile(t, { merge: true }), both(5), both(10))).kept.count, 11);
  const asked = [];
  const onConflict = (key, base, mine, theirs) => {
    asked.push([key, base, mine, theirs]);
    return theirs + mine - base;
  };
  assert.equal((await two(sessile(t, { merge: true, onConflict }), both(5), both(10))).kept.count, 16);
  assert.deepEqual(asked, [["count", 1, 11, 6]]);
});

test("what onConflict throws is the answer to that save, nothing has changed, and it may be saved again", async (t) => {
  let asked = 0;
  const onConflict = (key, base, mine) => {
    asked += 1;
    if (asked === 1) throw new Error("cannot say");
    return mine;
  };
  const store = sessile(t, { merge: true, onConflict });
  let other;
  await assert.rejects(two(store, (one) => (one.count = 2), (loaded) => ((other = loaded).count = 3)), /cannot say/);
  assert.equal((await store.get("id")).count, 2);
  await store.set("id", other);
  assert.deepEqual([(await store.get("id")).count, asked], [3, 2]);
});

test("what could not be saved counts as changed when it is saved again", async (t) => {
  const store = sessile(t, { merge: true, sessionBytesMax: 1000 });
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: {}, n: 1 });
  const loaded = await call(store, "load", "id");
  Object.assign(loaded, { n: 2, large: "x".repeat(2000) });
  await assert.rejects(store.set("id", loaded), { code: "ERR_SESSILE_TOO_LARGE" });
  delete loaded.large;
  await store.set("id", loaded);
  assert.equal((await store.get("id")).n, 2);
});

test("a session that a program saves under another id is one of its own", async (t) => {
  const store = sessile(t);
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: {}, n: 7 });
  const loaded = await call(store, "load", "id");
  await store.set("copy", loaded);
  assert.equal((await store.get("copy")).n, 7);
});

test("a change inside a value is a change of its key, and one that both have made alike is no conflict", async (t) => {
  const onConflict = () => assert.fail("there is none");
  const push = (one) => one.cart.push(2);
  const { kept } = await two(sessile(t, { merge: true, onConflict }), push, push);
  assert.deepEqual(kept.cart, [1, 2]);
});

test("a cookie that another request has changed is not changed back by a merge", async (t) => {
  const store = sessile(t, { merge: true });
  const { cookie, kept } = await two(store, (one) => (one.cookie.maxAge = 5_000), (other) => (other.count = 2));
  assert.equal(kept.count, 2);
  assert.ok(Math.abs(cookie.originalMaxAge - 5_000) < 500);
  assert.ok(new Date(cookie.expires).getTime() <= Date.now() + 5_000);
});

test("a key called __proto__ is a key like any other", () => {
  const theirs = JSON.parse('{"__proto__":{"admin":true},"count":1}');
  const session = merged(theirs, partsOf("{}"), partsOf('{"count":2}'));
  assert.equal(JSON.stringify(session), '{"__proto__":{"admin":true},"count":2}');
  assert.equal(session.admin, undefined);
});

test("regenerate: when it began, and the absolute deadline, go along", async (t) => {
  const store = sessile(t, { absolute: 3_000, subject: (one) => one.user });
  const app = shop(store, { cookie: { maxAge: 60_000 } });
  const agent = request.agent(app);
  await agent.get("/set?user=ada");
  const [before] = await store.sessionsOf("ada");
  await new Promise((later) => setTimeout(later, 50));
  await agent.get("/login?user=ada");
  const [after, ...others] = await store.sessionsOf("ada");
  assert.equal(others.length, 0);
  assert.notEqual(after.handle, before.handle);
  assert.deepEqual([after.created, after.expires], [before.created, before.expires]);
});

test("regenerate: a session that is nobody's any more is not listed among theirs who left it", async (t) => {
  const store = sessile(t, { subject: (one) => one.user });
  const app = shop(store);
  const agent = request.agent(app);
  await agent.get("/login?user=ada");
  await agent.get("/login?user=eve");
  assert.equal((await store.sessionsOf("ada")).length, 0);
  assert.equal((await store.sessionsOf("eve")).length, 1);
});

test("regenerate: where the old session cannot be ended, the error is told and there is no new one", async (t) => {
  const store = sessile(t);
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: {} });
  const req = { sessionID: "id", session: "as it was", headers: {}, connection: {} };
  await store.close();
  await assert.rejects(store.regenerate(req), { code: "ERR_SESSILE_CLOSED" });
  assert.deepEqual([req.sessionID, req.session], ["id", "as it was"]);
});

test("regenerate: what the program throws meanwhile leaves the request as it was", async (t) => {
  const ttl = (one) => {
    if (one.user === undefined) throw new Error("nobody");
  };
  const store = sessile(t, { ttl });
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: {}, user: "ada" });
  const req = { sessionID: "id", session: "as it was", headers: {}, connection: {} };
  await assert.rejects(store.regenerate(req), /nobody/);
  assert.deepEqual([req.sessionID, req.session], ["id", "as it was"]);
  assert.ok(await store.get("id"));
});

test("regenerate: a user who is logged out everywhere before the new session is saved is not logged in by that", async (t) => {
  const store = sessile(t, { subject: (one) => one.user });
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: {}, user: "ada" });
  const req = { sessionID: "id", sessionStore: store, headers: {}, connection: {} };
  await store.regenerate(req);
  assert.notEqual(req.sessionID, "id");
  assert.equal(await store.destroySubject("ada"), 1);
  req.session.user = "ada";
  await new Promise((saved) => req.session.save(saved));
  assert.equal(await store.get(req.sessionID), null);
});

test("regenerate: until the new session is saved it does not live long, and then as long as its cookie", async (t) => {
  for (const merge of [false, true]) {
    const store = sessile(t, { merge });
    session({ secret: "s", store, resave: false, saveUninitialized: false, cookie: { maxAge: 3_600_000 } });
    const left = async () => {
      const [one, ...others] = await store.all();
      assert.equal(others.length, 0);
      return new Date(one.cookie.expires) - Date.now();
    };
    for (const change of [() => {}, (one) => (one.user = "ada")]) {
      await store.clear();
      await store.set("id", { cookie: { maxAge: 3_600_000, expires: new Date(Date.now() + 3_600_000) } });
      const req = { sessionID: "id", sessionStore: store, headers: {}, connection: {} };
      await store.regenerate(req);
      assert.ok((await left()) < 660_000, "where the connection breaks now, it is soon gone");
      change(req.session);
      await new Promise((saved) => req.session.save(saved));
      assert.ok((await left()) > 3_500_000);
    }
  }
});

test("regenerate: an id that genid gives twice is the same session anew", async (t) => {
  const store = sessile(t);
  const agent = request.agent(shop(store, { genid: () => "always the same" }));
  await agent.get("/set?cart=7");
  assert.deepEqual((await agent.get("/login?user=ada")).body, { user: "ada" });
  assert.deepEqual((await agent.get("/")).body, { user: "ada" });
});

test("what a program has read itself is not written after the session has ended", async (t) => {
  for (const options of [{}, { merge: true }, { durability: "written" }]) {
    const store = sessile(t, options);
    await store.set("id", { cookie: {}, views: 0 });
    const read = await store.get("id");
    read.views += 1;
    await store.set("id", read);
    assert.equal((await store.get("id")).views, 1, "while it lives it is");
    // A callback and a logout, as they meet when requests come together.
    const saved = new Promise((done) => {
      store.get("id", (error, found) => {
        found.views += 1;
        store.set("id", found, done);
      });
    });
    const ended = store.destroy("id");
    assert.ok(!(await saved));
    await ended;
    assert.equal(await store.get("id"), null);
    assert.equal((await store.stats()).refusedSaves, 1);
    await store.touch("id", read);
    assert.equal(await store.get("id"), null);
    await store.set("id", { ...read });
    assert.equal((await store.get("id")).views, 1, "a session that a program has made is another");
  }
});

test("with merge, two who have read the session themselves do not lose each other's keys", async (t) => {
  const store = sessile(t, { merge: true });
  await store.set("id", { cookie: {} });
  const [one, other] = [await store.get("id"), await store.get("id")];
  one.cart = 1;
  other.theme = "dark";
  await Promise.all([store.set("id", one), store.set("id", other)]);
  const { cart, theme } = await store.get("id");
  assert.deepEqual({ cart, theme }, { cart: 1, theme: "dark" });
});
