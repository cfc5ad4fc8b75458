// One table of what programs do with sessions. express-session's own MemoryStore says what must come out; this store must not
// differ. What it does better than that one has files of its own.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const session = require("express-session");
const request = require("supertest");
const { cookieOf, shop, sidOf } = require("./support/shop.js");
const { call, kinds, pause } = require("./support/stores.js");

const setsCookie = (response) => response.headers["set-cookie"] !== undefined;

// Each is given a store, and gives what a person or a program could have seen.
const SCENARIOS = {
  "a session is remembered": async (store) => {
    const agent = request.agent(shop(store));
    const [first, second] = [await agent.get("/set?cart=7"), await agent.get("/")];
    return [first.body, setsCookie(first), second.body, setsCookie(second), await call(store, "length")];
  },

  "a login gets another id, and the old one is void": async (store) => {
    const agent = request.agent(shop(store));
    const before = await agent.get("/set?cart=7");
    const login = await agent.get("/login?user=ada");
    const old = await request(shop(store)).get("/").set("Cookie", cookieOf(before));
    assert.notEqual(sidOf(before), sidOf(login));
    return [login.body, (await agent.get("/")).body, old.body, await call(store, "length")];
  },

  "a login without a session before": async (store) => {
    const agent = request.agent(shop(store));
    const login = await agent.get("/login?user=ada");
    return [login.body, setsCookie(login), (await agent.get("/")).body, await call(store, "length")];
  },

  "a logout is one": async (store) => {
    const agent = request.agent(shop(store));
    await agent.get("/login?user=ada");
    const out = await agent.get("/logout");
    return [out.body, (await agent.get("/")).body, await call(store, "length")];
  },

  "resave: true saves what has not changed": async (store) => {
    const agent = request.agent(shop(store, { resave: true }));
    const first = await agent.get("/set?cart=7");
    const sid = sidOf(first);
    await agent.get("/");
    return [(await agent.get("/")).body, (await call(store, "get", sid)).cart];
  },

  "rolling: true sends the cookie each time": async (store) => {
    const agent = request.agent(shop(store, { rolling: true, cookie: { maxAge: 60_000 } }));
    await agent.get("/set?cart=7");
    const again = await agent.get("/");
    return [setsCookie(again), again.body];
  },

  "saveUninitialized: true keeps a session with nothing in it": async (store) => {
    const agent = request.agent(shop(store, { saveUninitialized: true }));
    const first = await agent.get("/");
    return [setsCookie(first), await call(store, "length"), (await call(store, "get", sidOf(first))).cookie.httpOnly];
  },

  "saveUninitialized: false keeps none": async (store) => {
    const first = await request(shop(store)).get("/");
    return [setsCookie(first), await call(store, "length")];
  },

  "unset: 'destroy' ends what is set to null": async (store) => {
    const agent = request.agent(shop(store, { unset: "destroy" }));
    await agent.get("/set?cart=7");
    return [(await agent.get("/unset")).body, await call(store, "length"), (await agent.get("/")).body];
  },

  "unset: 'keep' does not": async (store) => {
    const agent = request.agent(shop(store));
    await agent.get("/set?cart=7");
    return [(await agent.get("/unset")).body, await call(store, "length"), (await agent.get("/")).body];
  },

  "a use moves the end of a session": async (store) => {
    const agent = request.agent(shop(store, { cookie: { maxAge: 60_000 } }));
    const sid = sidOf(await agent.get("/set?cart=7"));
    const ends = async () => new Date((await call(store, "get", sid)).cookie.expires).getTime();
    const before = await ends();
    await pause(30);
    await agent.get("/");
    const after = await ends();
    return [after - before >= 25, after - before < 20_000];
  },

  "a touch leaves the data that another has saved": async (store) => {
    const data = (value) => ({ cookie: { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000), httpOnly: true, path: "/" }, value });
    const stale = data("old");
    await call(store, "set", "id", stale);
    await call(store, "set", "id", data("new"));
    await call(store, "touch", "id", stale);
    return [(await call(store, "get", "id")).value];
  },

  "a touch of what is not there changes nothing": async (store) => {
    await call(store, "touch", "id", { cookie: { expires: new Date(Date.now() + 60_000) } });
    return [await call(store, "length"), (await call(store, "get", "id")) ?? null];
  },

  "a touch of what has run out does not bring it back": async (store) => {
    const cookie = { originalMaxAge: 40, expires: new Date(Date.now() + 40) };
    await call(store, "set", "id", { cookie });
    await pause(60);
    await call(store, "touch", "id", { cookie: { ...cookie, expires: new Date(Date.now() + 60_000) } });
    return [(await call(store, "get", "id")) ?? null];
  },

  "reload gives what is stored": async (store) => {
    const agent = request.agent(shop(store));
    await agent.get("/set?cart=7");
    return [(await agent.get("/reload")).body, (await agent.get("/")).body];
  },

  "reload of a session that is in no store says so": async (store) => {
    return [(await request(shop(store)).get("/reload")).body];
  },

  "two saves in one request": async (store) => {
    const agent = request.agent(shop(store));
    await agent.get("/save-twice");
    return [(await agent.get("/")).body];
  },

  "a session ends after its time": async (store) => {
    const agent = request.agent(shop(store, { cookie: { maxAge: 400 } }));
    const first = await agent.get("/set?cart=7");
    const sid = sidOf(first);
    const alive = (await call(store, "get", sid)).cart;
    await pause(420);
    const later = await request(shop(store)).get("/").set("Cookie", cookieOf(first));
    return [alive, later.body, (await call(store, "get", sid)) ?? null, await call(store, "length")];
  },

  "another maxAge alone reaches the store": async (store) => {
    const agent = request.agent(shop(store, { cookie: { maxAge: 60_000 } }));
    const sid = sidOf(await agent.get("/set?cart=7"));
    await agent.get("/max-age?ms=600000");
    const longer = await call(store, "get", sid);
    await agent.get("/max-age?ms=30000");
    const shorter = await call(store, "get", sid);
    const left = (one) => Math.round((new Date(one.cookie.expires).getTime() - Date.now()) / 10_000);
    return [Math.round(longer.cookie.originalMaxAge / 1000), left(longer), Math.round(shorter.cookie.originalMaxAge / 1000), left(shorter), shorter.cart];
  },

  "another sameSite alone reaches the store": async (store) => {
    const agent = request.agent(shop(store, { cookie: { maxAge: 60_000 } }));
    const sid = sidOf(await agent.get("/set?cart=7"));
    await agent.get("/same-site?as=strict");
    const stored = await call(store, "get", sid);
    return [stored.cookie.sameSite, stored.cart];
  },

  "a cookie that ends with the browser stays one": async (store) => {
    const agent = request.agent(shop(store));
    const sid = sidOf(await agent.get("/set?cart=7"));
    const cookie = async () => (await call(store, "get", sid)).cookie;
    const before = await cookie();
    await agent.get("/");
    return [before, await cookie()];
  },

  "a hundred sets of one id": async (store) => {
    const sets = Array.from({ length: 100 }, (_, n) => call(store, "set", "id", { cookie: {}, n }));
    const done = await Promise.allSettled(sets);
    return [done.filter((one) => one.status === "fulfilled").length, (await call(store, "get", "id")).n, await call(store, "length")];
  },

  "keys that are added one after the other": async (store) => {
    const agent = request.agent(shop(store));
    await agent.get("/set?cart=7");
    for (let n = 0; n < 5; n += 1) await agent.get(`/set?key${n}=${n}`);
    return [(await agent.get("/")).body];
  },

  "what programs do with the store by themselves": async (store) => {
    const seen = [];
    await call(store, "set", "a", { cookie: {}, n: 1 });
    await call(store, "set", "a", { cookie: {}, n: 2 });
    await call(store, "set", "b", { cookie: {}, n: 3 });
    const all = await call(store, "all");
    seen.push(Object.values(all).map((one) => one.n).sort(), (await call(store, "get", "a")).n);
    await call(store, "destroy", "a");
    await call(store, "destroy", "never there");
    seen.push((await call(store, "get", "a")) ?? null, await call(store, "length"));
    await call(store, "set", "a", { cookie: {}, n: 4 });
    seen.push((await call(store, "get", "a")).n);
    await call(store, "clear");
    seen.push(await call(store, "length"));
    return seen;
  },

  "a session without a cookie is kept as it is": async (store) => {
    await call(store, "set", "id", { n: 1 });
    return [await call(store, "get", "id")];
  },

  "load makes a session of what is stored": async (store) => {
    session({ secret: "s", store, resave: false, saveUninitialized: false });
    await call(store, "set", "id", { cookie: { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) }, n: 1 });
    const loaded = await call(store, "load", "id");
    return [loaded.n, loaded.id, loaded.cookie.expires instanceof Date, (await call(store, "load", "not there")) ?? null];
  },
};

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(name, async (t) => {
    const expected = await scenario(kinds.MemoryStore(t));
    for (const [kind, make] of Object.entries(kinds).slice(1)) {
      await t.test(kind, async (inner) => assert.deepEqual(await scenario(make(inner)), expected));
    }
  });
}
