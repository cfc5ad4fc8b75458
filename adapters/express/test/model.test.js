// Random lives of sessions, in MemoryStore and here, and on the way from there to here: whatever is done, all show the same. A failing one prints its seed;
// `SEED=7 node --test test/model.test.js` lives it again.
"use strict";

const assert = require("node:assert/strict");
const { join } = require("node:path");
const { test } = require("node:test");
const session = require("express-session");
const { SessileStore } = require("..");
const { call, directory, kinds, sessile } = require("./support/stores.js");

const LIVES = Number(process.env.LIVES ?? 12);
const STEPS = 120;
const HOUR_MS = 3_600_000;
const IDS = ["a", "b", "c"];

// mulberry32: numbers that a seed decides.
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const expiries = [
  () => null, () => false, () => new Date(Date.now() + HOUR_MS), () => new Date(Date.now() + 2 * HOUR_MS),
  () => new Date(Date.now() - 1000),
];
const attributes = [{}, { sameSite: "lax" }, { secure: true }, { path: "/shop" }];

// One step of a life, decided before it is done to any store.
function step(next) {
  const id = IDS[next(IDS.length)];
  const cookie = new session.Cookie(attributes[next(attributes.length)]);
  cookie.expires = expiries[next(expiries.length)]();
  const [key, value] = [`key${next(3)}`, next(1000)];
  // With a loaded session, as a request has it.
  const request = (act, end) => async (store) => {
    const loaded = await call(store, "load", id);
    if (!loaded) return;
    act(loaded);
    loaded.touch();
    await call(store, end, id, loaded);
  };
  const steps = [
    (store) => call(store, "set", id, { cookie, [key]: value }),
    (store) => call(store, "set", id, { cookie, [key]: value }),
    (store) => call(store, "touch", id, { cookie, [key]: "what a touch says is not saved" }),
    (store) => call(store, "destroy", id),
    request((loaded) => (loaded[key] = value), "set"),
    request((loaded) => delete loaded[key], "set"),
    request(() => {}, "set"),
    request(() => {}, "touch"),
    request((loaded) => (loaded.cookie.maxAge = HOUR_MS * (1 + next(3))), "touch"),
    request((loaded) => (loaded.cookie.maxAge = null), "touch"),
    request((loaded) => (loaded.cookie.sameSite = "strict"), "touch"),
    request((loaded) => (loaded.cookie.maxAge = -1), next(2) ? "touch" : "set"),
    (store) => (next(10) ? call(store, "length") : call(store, "clear")),
  ];
  return { name: next(steps.length), steps };
}

// What a program sees of a session; of times, what is not a matter of milliseconds.
function seen(found) {
  if (!found) return null;
  const { expires, originalMaxAge, ...cookie } = found.cookie;
  const rounded = (ms) => (typeof ms === "number" ? Math.round(ms / 60_000) : ms);
  const ends = typeof expires === "string" ? rounded(new Date(expires).getTime() - Date.now()) : expires;
  return JSON.parse(JSON.stringify({ ...found, cookie: { ...cookie, ends, age: rounded(originalMaxAge) } }));
}

// `change` may give another store before a step; what is shown is looked at where `looks` says so, since that is a use, too.
async function live(seed, first, shown, { change = (n, store) => store, looks = () => true } = {}) {
  let store = first;
  const next = random(seed);
  for (let n = 0; n < STEPS; n += 1) {
    store = await change(n, store);
    session({ secret: "s", store, resave: false, saveUninitialized: false });
    const { name, steps } = step(next);
    await steps[name](store);
    if (!looks(n)) continue;
    const all = [];
    for (const id of IDS) all.push(seen(await call(store, "get", id)));
    shown.push({ n, step: name, all, length: await call(store, "length") });
  }
}

const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: LIVES }, (_, n) => n + 1);
for (const seed of seeds) {
  test(`life ${seed}`, async (t) => {
    const expected = [];
    await live(seed, kinds.MemoryStore(t), expected);
    assert.ok(expected.some((one) => one.length > 0));
    for (const options of [{ durability: "written" }, { durability: "written", merge: true }]) {
      const shown = [];
      await live(seed, sessile(t, options), shown);
      for (const [n, one] of shown.entries()) assert.deepEqual(one, expected[n], `seed ${seed}, merge: ${options.merge === true}`);
    }
  });
}

// Lives that begin in MemoryStore and go on here; then the store is opened again, now and then.
const CHANGE = 25;
for (const seed of seeds) {
  test(`life ${seed}, moving`, async (t) => {
    const looks = (n) => n < CHANGE || n % 9 === 0;
    const expected = [];
    await live(seed, kinds.MemoryStore(t), expected, { looks });
    for (const merge of [false, true]) {
      const [path, old] = [join(directory(), "sessions"), kinds.MemoryStore(t)];
      let here;
      const change = async (n, store) => {
        if (n < CHANGE || n % CHANGE > 0) return store;
        await here?.close();
        here = new SessileStore({ path, merge, durability: "written", fallback: old });
        return here;
      };
      const shown = [];
      await live(seed, old, shown, { change, looks });
      await here.close();
      for (const [n, one] of shown.entries()) assert.deepEqual(one.all, expected[n].all, `seed ${seed}, merge: ${merge}, step ${one.n}`);
      assert.equal(shown.length, expected.length);
    }
  });
}
