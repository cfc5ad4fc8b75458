// When sessions end: every form in which a cookie says so, and those in which it does not.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const session = require("express-session");
const { call, pause, sessile } = require("./support/stores.js");

const DAY_MS = 24 * 60 * 60 * 1000;
const SOON_MS = 60_000;
const soon = () => Date.now() + SOON_MS;

// In how many milliseconds the store ends a session; what its cookie says is not asked.
async function endsIn(store, sid = "id") {
  const [{ expires }] = await store.sessionsOf("somebody");
  assert.ok(await store.get(sid));
  return expires === null ? Infinity : expires.getTime() - Date.now();
}

const near = (ms, expected) => assert.ok(Math.abs(ms - expected) < 10_000, `${ms} is not near ${expected}`);
const owned = (t, options) => sessile(t, { subject: () => "somebody", ...options });

const SAID = {
  "a Date": () => new Date(soon()),
  "an ISO string": () => new Date(soon()).toISOString(),
  "a number": soon,
};

for (const [form, expires] of Object.entries(SAID)) {
  test(`expires as ${form} ends the session then`, async (t) => {
    const store = owned(t);
    const at = expires();
    await store.set("id", { cookie: { expires: at } });
    near(await endsIn(store), SOON_MS);
    assert.equal((await store.get("id")).cookie.expires, new Date(at).toISOString(), "to the millisecond");
  });
}

for (const expires of [null, false, undefined, "no date", new Date(Number.NaN)]) {
  test(`expires as ${String(expires)} says nothing: then the ttl counts`, async (t) => {
    const store = owned(t);
    await store.set("id", { cookie: { expires } });
    near(await endsIn(store), DAY_MS);
    assert.deepEqual((await store.get("id")).cookie, JSON.parse(JSON.stringify({ expires })), "as it was");
    const other = owned(t, { ttl: 5 * SOON_MS });
    await other.set("id", { cookie: { expires } });
    near(await endsIn(other), 5 * SOON_MS);
  });
}

test("a session without a cookie lives for the ttl", async (t) => {
  const store = owned(t, { ttl: SOON_MS });
  await store.set("id", { n: 1 });
  near(await endsIn(store), SOON_MS);
});

for (const past of [0, -1, -DAY_MS]) {
  test(`what ended ${-past} ms ago is gone at once, and whatever was there`, async (t) => {
    const store = owned(t);
    await store.set("id", { cookie: {} });
    await store.set("id", { cookie: { expires: new Date(Date.now() + past) } });
    assert.equal(await store.get("id"), null);
    assert.equal(await store.length(), 0);
  });
}

test("maxAge: 0 ends the session, as a touch and as a save", async (t) => {
  for (const save of ["set", "touch"]) {
    const store = owned(t);
    session({ secret: "s", store, resave: false, saveUninitialized: false });
    await store.set("id", { cookie: { originalMaxAge: SOON_MS, expires: new Date(soon()) } });
    const loaded = await call(store, "load", "id");
    loaded.cookie.maxAge = 0;
    await call(store, save, "id", loaded);
    assert.equal(await store.get("id"), null, save);
  }
});

test("a session lives to its last millisecond, and not longer", async (t) => {
  const store = owned(t);
  const at = Date.now() + 200;
  await store.set("id", { cookie: { expires: new Date(at) } });
  let seen = 0;
  for (;;) {
    const before = Date.now();
    const found = await store.get("id");
    const after = Date.now();
    if (found) assert.ok(before < at, `alive at ${before}, ${before - at} ms after its end`);
    else assert.ok(after >= at, `gone at ${after}, ${at - after} ms before its end`);
    if (!found) break;
    seen += 1;
  }
  assert.ok(seen > 10);
  assert.deepEqual([await store.length(), (await store.all()).length], [0, 0]);
});

test("a ttl that is a function decides for each session, and may leave it to the cookie", async (t) => {
  const ttl = (one) => (one.remember ? 30 * DAY_MS : one.short ? 30_000 : undefined);
  const store = owned(t, { ttl });
  const endings = [];
  for (const more of [{ remember: true }, { short: true }, {}]) {
    await store.set("id", { cookie: { expires: new Date(soon()) }, ...more });
    endings.push(await endsIn(store));
    await store.destroy("id");
  }
  near(endings[0], 30 * DAY_MS);
  near(endings[1], 30_000);
  near(endings[2], SOON_MS);
});

test("a ttl without end, and one that is no number", async (t) => {
  const store = owned(t, { ttl: () => Infinity });
  await store.set("id", { cookie: { expires: null } });
  assert.equal(await endsIn(store), Infinity);
  const wrong = owned(t, { ttl: () => "a day" });
  await assert.rejects(wrong.set("id", { cookie: {} }), TypeError);
  await assert.rejects(wrong.touch("id", { cookie: {} }), TypeError);
});

test("a date beyond four hundred days is kept", async (t) => {
  const store = owned(t);
  await store.set("id", { cookie: { expires: new Date(Date.now() + 3650 * DAY_MS) } });
  near(await endsIn(store), 3650 * DAY_MS);
});

test("a touch moves the end, writes nothing for it, and get shows it", async (t) => {
  const store = owned(t);
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: { originalMaxAge: SOON_MS, expires: new Date(soon()) }, n: 1 });
  const first = (await store.get("id")).cookie.expires;
  for (let n = 0; n < 5; n += 1) {
    await pause(5);
    const loaded = await call(store, "load", "id");
    loaded.touch();
    await store.touch("id", loaded);
    const { expires } = (await store.get("id")).cookie;
    const later = new Date(expires) - loaded.cookie.expires;
    assert.ok(later >= 0 && later < 100, `what the browser is told, or the moment that the call took later: ${later} ms`);
    assert.ok(expires > first);
  }
  const { touched, coalesced, updated } = await store.stats();
  assert.equal(touched, 5);
  assert.equal(updated, 0);
  assert.ok(coalesced >= 3, `${coalesced} of 5 touches stayed in memory`);
});

test("a touch that is computed a moment earlier does not shorten what another has moved", async (t) => {
  const store = owned(t);
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: { originalMaxAge: SOON_MS, expires: new Date(soon()) } });
  const [slow, quick] = [await call(store, "load", "id"), await call(store, "load", "id")];
  slow.touch();
  await pause(20);
  quick.touch();
  await store.touch("id", quick);
  await store.touch("id", slow);
  assert.ok(new Date((await store.get("id")).cookie.expires) >= quick.cookie.expires);
});

test("a cookie that becomes one of the browser's session, and back, by a touch", async (t) => {
  const store = owned(t, { ttl: 5 * SOON_MS });
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: { originalMaxAge: SOON_MS, expires: new Date(soon()) }, n: 1 });
  const loaded = await call(store, "load", "id");
  loaded.cookie.maxAge = null;
  await store.touch("id", loaded);
  assert.equal((await store.get("id")).cookie.expires, null);
  near(await endsIn(store), 5 * SOON_MS);
  const again = await call(store, "load", "id");
  again.cookie.maxAge = 2 * SOON_MS;
  await store.touch("id", again);
  near(await endsIn(store), 2 * SOON_MS);
  assert.equal((await store.get("id")).n, 1);
});

test("a touch keeps whose the session is", async (t) => {
  const store = sessile(t, { subject: (one) => one.user });
  session({ secret: "s", store, resave: false, saveUninitialized: false });
  await store.set("id", { cookie: { originalMaxAge: SOON_MS, expires: new Date(soon()) }, user: "ada" });
  await store.touch("id", { cookie: { expires: new Date(soon()), sameSite: "lax" } });
  assert.equal((await store.sessionsOf("ada")).length, 1);
  assert.equal((await store.get("id")).cookie.sameSite, "lax");
});

test("a program's own touch may bring the end closer, or leave it to the browser", async (t) => {
  const store = owned(t, { ttl: 5 * SOON_MS });
  await store.set("id", { cookie: { expires: new Date(soon() + DAY_MS) } });
  await store.touch("id", { cookie: { expires: new Date(soon()) } });
  near(await endsIn(store), SOON_MS);
  await store.touch("id", { cookie: { expires: null } });
  assert.equal((await store.get("id")).cookie.expires, null);
  near(await endsIn(store), 5 * SOON_MS);
});
