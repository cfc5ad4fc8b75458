// @fastify/session over this store. It asks nothing of the store but get, set and destroy, and calls no `createSession`.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const fastify = require("fastify");
const { kinds, pause, sessile } = require("./support/stores.js");

const SECRET = "a secret of more than thirty-two characters";

async function shop(t, store, settings = {}) {
  const app = fastify();
  const gates = new Map();
  app.register(require("@fastify/cookie"));
  app.register(require("@fastify/session"), {
    secret: SECRET, store, saveUninitialized: false, ...settings, cookie: { secure: false, maxAge: 60_000, ...settings.cookie },
  });
  app.get("/", async ({ session }) => ({ user: session.user, keys: Object.keys(session).filter((key) => key !== "cookie") }));
  app.get("/set", async ({ session, query }) => void Object.assign(session, query));
  app.get("/delete", async ({ session, query }) => void delete session[query.key]);
  app.get("/login", async (request) => {
    await request.session.regenerate();
    request.session.user = request.query.user;
  });
  app.get("/logout", async ({ session }) => session.destroy());
  app.get("/reload", async (request) => {
    await request.session.reload();
    request.session.reloaded = "yes";
  });
  app.get("/cookie", async ({ session, query }) => void session.options(JSON.parse(query.options)));
  // Has its session and waits, until `open` is called: a slow request.
  app.get("/slow", async ({ session, query }) => {
    Object.assign(session, query);
    await new Promise((open) => gates.set(query.gate, open));
    if (query.again) await session.save();
  });
  t.after(() => app.close());
  await app.ready();
  const gate = async (name) => {
    while (!gates.has(name)) await pause(1);
    return gates.get(name);
  };
  return { gate, visit: (url, cookie) => app.inject({ url, headers: cookie ? { cookie } : {} }) };
}

const cookieOf = (answer) => {
  const [one] = answer.cookies;
  return one && `${one.name}=${encodeURIComponent(one.value)}`;
};
const sidOf = (cookie) => decodeURIComponent(cookie.split("=")[1]).split(".")[0];
const login = async (visit, user = "ada", cookie = undefined) => cookieOf(await visit(`/login?user=${user}`, cookie));

for (const [name, make] of Object.entries(kinds)) {
  if (name === "MemoryStore") continue;
  test(`${name}: login under a new id, use, expiry and logout`, async (t) => {
    const store = make(t);
    const { visit } = await shop(t, store, { cookie: { maxAge: 500 } });
    const before = cookieOf(await visit("/set?color=red"));
    const cookie = await login(visit, "ada", before);
    assert.notEqual(cookie, before);
    assert.equal((await visit("/", before)).json().user, undefined);
    assert.equal((await visit("/", cookie)).json().user, "ada");
    for (let use = 0; use < 4; use += 1) {
      await pause(200);
      assert.equal((await visit("/", cookie)).json().user, "ada", "every use makes it longer");
    }
    await pause(600);
    assert.equal((await visit("/", cookie)).json().user, undefined);
    const again = await login(visit);
    await visit("/logout", again);
    assert.equal((await visit("/", again)).json().user, undefined);
    assert.equal(await store.length(), 0);
  });

  test(`${name}: a slow request does not undo a logout`, async (t) => {
    const store = make(t);
    const { visit, gate } = await shop(t, store);
    const cookie = await login(visit);
    const slow = visit("/slow?gate=one&late=yes&again=yes", cookie);
    const open = await gate("one");
    await visit("/logout", cookie);
    open();
    assert.equal((await slow).statusCode, 200);
    assert.equal((await visit("/", cookie)).json().user, undefined);
    assert.equal(await store.length(), 0);
    assert.ok((await store.stats()).refusedSaves > 0);
  });

  test(`${name}: nor a login elsewhere in its place, nor destroySubject, nor does a session that was reloaded`, async (t) => {
    const store = make(t);
    const { visit, gate } = await shop(t, store);
    const first = await login(visit);
    const slow = visit("/slow?gate=two&late=yes", first);
    const open = await gate("two");
    const second = await login(visit, "eve", first);
    open();
    await slow;
    assert.equal((await visit("/", first)).json().user, undefined);
    assert.equal((await visit("/", second)).json().user, "eve");
    await visit("/reload", second);
    const late = visit("/slow?gate=three&late=yes", second);
    const go = await gate("three");
    await store.destroy(sidOf(second));
    go();
    await late;
    assert.equal(await store.length(), 0);
  });

  test(`${name}: a cookie that a program changes is kept, and a program's own set is written`, async (t) => {
    const store = make(t);
    const { visit } = await shop(t, store);
    const cookie = await login(visit);
    await visit(`/cookie?options=${encodeURIComponent(JSON.stringify({ sameSite: "strict", maxAge: 5000 }))}`, cookie);
    const found = await store.get(sidOf(cookie));
    assert.deepEqual([found.cookie.sameSite, found.cookie.originalMaxAge], ["strict", 5000]);
    assert.ok(new Date(found.cookie.expires) - Date.now() <= 5000);
    await store.destroy(sidOf(cookie));
    await store.set(sidOf(cookie), found);
    assert.notEqual((await visit("/", cookie)).json().user, "ada", "it has read what has ended since");
    await store.set(sidOf(cookie), { ...found });
    assert.equal((await visit("/", cookie)).json().user, "ada");
  });

  test(`${name}: a request that changes nothing is a use, and writes nothing`, async (t) => {
    const store = make(t);
    const { visit } = await shop(t, store);
    const cookie = await login(visit);
    const before = await store.stats();
    for (let use = 0; use < 5; use += 1) await visit("/", cookie);
    const after = await store.stats();
    assert.equal(after.updated, before.updated);
    assert.equal(after.touched, before.touched + 5);
  });
}

test("with merge, twenty requests at the same time each add a key, and all are there", async (t) => {
  const { visit } = await shop(t, sessile(t, { merge: true }));
  const cookie = await login(visit);
  await Promise.all(Array.from({ length: 20 }, (_, key) => visit(`/set?key${key}=yes`, cookie)));
  assert.equal((await visit("/", cookie)).json().keys.length, 21);
  await visit("/delete?key=key7", cookie);
  assert.equal((await visit("/", cookie)).json().keys.includes("key7"), false);
});

test("a session of the browser's, without an end of its own, lives as long as ttl says, from its last use", async (t) => {
  const { visit } = await shop(t, sessile(t, { ttl: 500 }), { cookie: { maxAge: undefined } });
  const cookie = await login(visit);
  for (let use = 0; use < 4; use += 1) {
    await pause(200);
    assert.equal((await visit("/", cookie)).json().user, "ada");
  }
  await pause(600);
  assert.equal((await visit("/", cookie)).json().user, undefined);
});

test("your devices: a user's sessions are found and ended", async (t) => {
  const store = sessile(t, { subject: (one) => one.user });
  const { visit } = await shop(t, store);
  const cookies = [await login(visit), await login(visit), await login(visit, "eve")];
  assert.equal((await store.sessionsOf("ada")).length, 2);
  assert.equal(await store.destroySubject("ada"), 2);
  const users = await Promise.all(cookies.map(async (cookie) => (await visit("/", cookie)).json().user));
  assert.deepEqual(users, [undefined, undefined, "eve"]);
});

test("what is read shows no sign of what the store has noted in it", async (t) => {
  const store = sessile(t);
  await store.set("one", { cookie: { path: "/" }, user: "ada" });
  const found = await store.get("one");
  assert.deepEqual(found, { cookie: { path: "/" }, user: "ada" });
  assert.deepEqual(structuredClone(found), found);
  assert.equal(JSON.stringify(found), '{"cookie":{"path":"/"},"user":"ada"}');
});
