// Another store is being left: nobody is logged out by that, and nobody who has logged out comes back.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const request = require("supertest");
const { SessileStore } = require("..");
const { Ledger } = require("../lib/ledger.js");
const { HOUR_MS, at, opened, sources, staysOver, subject, withOld } = require("./support/leaving.js");
const { cookieOf, shop, sidOf } = require("./support/shop.js");
const { stepping } = require("./support/steps.js");
const { call, pause } = require("./support/stores.js");

for (const [name, make] of Object.entries(sources)) {
  test(`the day of the change: who is logged in by ${name} stays logged in, and who logs out stays out`, async (t) => {
    const store = make(t);
    if (!store) return t.skip("not checked here: better-sqlite3 is not compiled; `npm rebuild better-sqlite3` does it");
    const cookies = [];
    for (const user of ["ada", "eve"]) cookies.push(cookieOf(await request(shop(store, { cookie: { maxAge: HOUR_MS } })).get(`/login?user=${user}`)));
    const home = opened(t, { fallback: store });
    const get = (path, cookie) => request(shop(home.store, { cookie: { maxAge: HOUR_MS } })).get(path).set("Cookie", cookie);
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual((await get("/", cookies[0])).body.user, "ada");
      assert.equal((await get("/set?cart=7", cookies[0])).body.cart, "7");
      await home.again();
    }
    assert.equal((await get("/logout", cookies[1])).body, "bye");
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual((await get("/", cookies[1])).body, {});
      assert.equal((await get("/", cookies[0])).body.user, "ada");
      await home.again();
    }
    // From here on there is no old store.
    await home.store.close();
    const alone = new SessileStore({ path: home.path });
    t.after(() => alone.close());
    assert.equal((await request(shop(alone)).get("/").set("Cookie", cookies[0])).body.user, "ada");
    assert.deepEqual((await request(shop(alone)).get("/").set("Cookie", cookies[1])).body, {});
  });
}

test("a session that the old store has only touched lives, though the cookie that it gives has ended", async (t) => {
  const stale = { cookie: { originalMaxAge: HOUR_MS, maxAge: HOUR_MS, expires: new Date(Date.now() - 5_000).toISOString() }, user: "ada" };
  const store = sources["better-sqlite3-session-store"](t);
  if (!store) return t.skip("not checked here: better-sqlite3 is not compiled; `npm rebuild better-sqlite3` does it");
  await call(store, "set", "id", stale);
  assert.equal((await call(store, "get", "id")).cookie.expires, stale.cookie.expires, "as it was saved last");
  const { store: here } = opened(t, { fallback: store });
  const found = await here.get("id");
  assert.equal(found.user, "ada");
  assert.ok(Math.abs(new Date(found.cookie.expires) - Date.now() - HOUR_MS) < 2_000, "as long as a use lets it");
});

test("a session moves with its end, and what has ended there does not move", async (t) => {
  const ada = at("ada", 600_000);
  const over = { cookie: { expires: new Date(Date.now() - 1) }, user: "eve" };
  const { old, store } = await withOld(t, { ada }, {});
  old.get = (id, answer) => answer(null, id === "ada" ? JSON.parse(JSON.stringify(ada)) : over);
  assert.equal((await store.get("ada")).cookie.expires, ada.cookie.expires.toISOString());
  assert.equal(await store.get("eve"), null);
});

test("fifty first requests at once are one move", async (t) => {
  const { old, store } = await withOld(t, { id: at("ada") });
  const all = await Promise.all(Array.from({ length: 50 }, () => store.get("id")));
  assert.ok(all.every((one) => one.user === "ada"));
  assert.deepEqual([old.asked, (await store.stats()).created, (await store.stats()).fallback.moved], [1, 1, 1]);
  await store.get("id");
  assert.equal(old.asked, 1, "the new store has the word");
});

test("a logout holds while the old store is away, and when it is back", async (t) => {
  for (const moved of [true, false]) {
    const { old, home, store } = await withOld(t, { id: at("ada"), other: at("eve") });
    if (moved) assert.ok(await store.get("id"));
    old.down = true;
    await store.destroy("id");
    assert.equal(await store.get("id"), null, "without asking");
    await pause(5);
    assert.equal((await store.stats()).fallback.pendingDeletes, 1);
    old.down = false;
    if (moved) await store.get("other");
    else await store.maintain();
    await pause(20);
    assert.equal((await store.stats()).fallback.pendingDeletes, 0);
    assert.equal(await call(old.store, "get", "id"), undefined, "deleted there when it was back");
    await store.destroy("other");
    await staysOver(home, old, "id", at("ada"));
  }
});

test("who is logged out everywhere before his first use here is refused, others are not", async (t) => {
  const { old, home, store } = await withOld(t, { phone: at("ada"), laptop: at("ada"), other: at("eve") });
  assert.ok(await store.get("phone"));
  assert.equal(await store.destroySubject("ada"), 1);
  assert.equal((await store.get("other")).user, "eve");
  await store.destroy("other");
  assert.equal(await store.get("laptop"), null);
  await staysOver(home, old, "phone", at("ada"));
  await staysOver(home, old, "laptop", at("ada"));
  await home.store.set("new", at("ada"));
  assert.equal((await home.store.get("new")).user, "ada", "who logs in again is not refused");
});

test("and a session that is to be kept is kept, moved or not", async (t) => {
  const { home, store } = await withOld(t, { phone: at("ada"), laptop: at("ada") });
  await store.destroySubject("ada", { except: "phone" });
  assert.equal((await store.get("phone")).user, "ada");
  assert.equal(await store.get("laptop"), null);
  assert.equal((await (await home.again()).get("phone")).user, "ada");
});

test("after clear nobody moves any more", async (t) => {
  const { old, home, store } = await withOld(t, { one: at("ada"), two: at(undefined) });
  assert.ok(await store.get("one"));
  assert.equal(await store.clear(), 1);
  await staysOver(home, old, "two", at(undefined));
  await staysOver(home, old, "one", at("ada"));
  assert.deepEqual([(await home.store.fallbackDone()).done, (await home.store.fallbackDone()).left], [true, 0]);
});

test("what has expired here, or was ended by its handle, is not read from the old store again", async (t) => {
  const { old, home, store } = await withOld(t, { short: at("ada"), device: at("ada"), unused: at("ada") });
  const loaded = await call(store, "load", "short");
  assert.ok(await store.get("device"));
  assert.equal((await store.sessionsOf("ada")).length, 2);
  loaded.cookie.maxAge = 20;
  await store.set("short", loaded);
  for (const id of ["device", "unused"]) await store.destroyHandle(await store.handleOf(id));
  await pause(40);
  for (const id of ["short", "device", "unused"]) await staysOver(home, old, id, at("ada"));
});

test("a regenerated session's old id is over, moved or not", async (t) => {
  const { old, home, store } = await withOld(t, { id: at("ada"), here: at("ada") });
  await store.set("known", at("ada"));
  for (const id of ["id", "here", "known"]) {
    if (id === "here") await store.get(id);
    const req = { sessionID: id, sessionStore: store, headers: {}, connection: {} };
    await store.regenerate(req);
    assert.notEqual(req.sessionID, id);
    assert.ok(await store.get(req.sessionID));
    await store.destroy(req.sessionID);
  }
  for (const id of ["id", "here", "known"]) await staysOver(home, old, id, at("ada"));
});

test("a program that sets, touches or ends what has not moved has it moved first", async (t) => {
  const { old, home, store } = await withOld(t, { set: at("ada"), touched: at("ada", 60_000), ended: at("ada") });
  await store.set("set", at("eve", 30));
  assert.equal((await store.get("set")).user, "eve");
  await store.touch("touched", at("ada"));
  const touched = await store.get("touched");
  assert.ok(new Date(touched.cookie.expires) - Date.now() > HOUR_MS - 5_000);
  await store.destroy("touched");
  await pause(50);
  await staysOver(home, old, "set", at("ada"));
  await staysOver(home, old, "touched", at("ada"));
  await home.store.destroy("ended");
  for (const id of ["set", "ended"]) {
    await home.store.set(id, at("eve"));
    assert.equal((await home.store.get(id)).user, "eve", "a program may begin one of that name");
    assert.equal((await (await home.again()).get(id)).user, "eve");
    await home.store.destroy(id);
    await staysOver(home, old, id, at("ada"));
  }
});

test("while the old store is away, who has not moved gets an error and no new session, and is there when it is back", async (t) => {
  const { old, store } = await withOld(t, {});
  const agent = request(shop(old.store));
  const cookie = cookieOf(await agent.get("/login?user=ada"));
  const get = () => request(shop(store)).get("/").set("Cookie", cookie);
  old.down = true;
  const answer = await get();
  assert.deepEqual([answer.status, answer.body.code, answer.headers["set-cookie"]], [500, "ERR_SESSILE_FALLBACK", undefined]);
  await assert.rejects(store.get("a secret id"), (error) => {
    assert.equal(error.cause.message, "connect ECONNREFUSED");
    return !error.message.includes("secret");
  });
  await store.set("here", at("eve"), () => {});
  old.down = false;
  assert.equal((await get()).body.user, "ada");
});

test("an old store that does not answer is not waited for", async (t) => {
  const { old, store } = await withOld(t, { id: at("ada") }, { fallbackTimeout: 50 });
  let open;
  old.gate = new Promise((go) => (open = go));
  await assert.rejects(store.get("id"), { code: "ERR_SESSILE_FALLBACK", message: /within 50 ms.*fallbackTimeout/ });
  await store.destroy("id");
  open();
  old.gate = undefined;
  await pause(20);
  assert.equal(await store.get("id"), null);
});

test("what an old store calls ENOENT is no session, and what it throws is an error", async (t) => {
  const { old, store } = await withOld(t, {});
  old.get = (id, answer) => answer(Object.assign(new Error("no such file"), { code: "ENOENT" }));
  assert.equal(await store.get("id"), null);
  old.get = () => {
    throw new Error("not connected");
  };
  await assert.rejects(store.get("id"), { code: "ERR_SESSILE_FALLBACK" });
});

const endings = {
  destroy: (store) => store.destroy("id"),
  destroySubject: (store) => store.destroySubject("ada"),
  clear: (store) => store.clear(),
  destroyHandle: async (store) => store.destroyHandle(await store.handleOf("id")),
};
for (const [name, end] of Object.entries(endings)) {
  test(`${name} between any two steps of a move: the session is over`, async (t) => {
    let begun = true;
    for (let n = 1; begun; n += 1) {
      const { old, home, store } = await withOld(t, { id: at("ada") });
      let steps = 0;
      let ended;
      const undo = stepping(() => {
        steps += 1;
        if (steps === n) ended = end(store);
      });
      try {
        await store.get("id");
        await ended;
      } finally {
        undo();
      }
      begun = ended !== undefined;
      assert.ok(begun || n > 5, `there were ${n} steps`);
      if (begun) await staysOver(home, old, "id", at("ada"));
    }
  });
}

test("what ends sessions is durable in the ledger before any of them ends", async (t) => {
  const { store } = await withOld(t, { id: at("ada") });
  await store.set("imported", at("ada"));
  const told = [];
  const undo = stepping((name) => told.push(name));
  try {
    for (const end of [endings.destroySubject, endings.clear, () => store.destroy("imported")]) await end(store);
  } finally {
    undo();
  }
  const order = ["set", "drain", "destroySubject", "drain", "set", "drain", "clear", "set", "drain", "destroy", "replace"];
  assert.deepEqual(told.filter((name, n) => name !== "drain" || told[n - 1] === "set" || told[n - 1] === "destroySubject"), order);
});

test("a copy that a killed process left behind, and that is refused by a mark, is ended by the next opening", async (t) => {
  const { home, store } = await withOld(t, { id: at("ada"), other: at("eve") });
  const handles = await Promise.all(["id", "other"].map((id) => store.handleOf(id)));
  await store.close();
  const alone = new SessileStore({ path: home.path, subject });
  for (const [id, user] of [["id", "ada"], ["other", "eve"]]) await alone.set(id, at(user));
  await alone.close();
  const ledger = new Ledger();
  const alive = setInterval(() => {}, 1000);
  await ledger.open(join(home.path, "moving"), { lockWait: 0, durability: "synced" });
  for (const handle of handles) assert.equal(await ledger.begin(handle), true);
  assert.equal(await ledger.begin(handles[0]), false);
  await ledger.refuse("ada");
  await ledger.close();
  clearInterval(alive);
  const again = await home.again();
  assert.equal(await again.length(), 1);
  assert.equal(await again.get("id"), null);
  assert.equal((await again.get("other")).user, "eve");
});

test("a move that the ledger has no room for is undone, and begun anew by the next request", async (t) => {
  const { old, store } = await withOld(t, { id: at("ada") });
  const undo = stepping((name) => {
    if (name === "replace") throw Object.assign(new Error("no room"), { code: "ERR_SESSILE_FULL" });
  });
  await assert.rejects(store.get("id"), { code: "ERR_SESSILE_FULL" }).finally(undo);
  assert.equal(await store.length(), 0);
  assert.equal((await store.get("id")).user, "ada");
  assert.equal(old.asked, 2);
});

for (const [name, end] of Object.entries(endings)) {
  test(`${name} while the old store is being asked: the session is over`, async (t) => {
    const { old, home, store } = await withOld(t, { id: at("ada") });
    let open;
    old.gate = new Promise((go) => (open = go));
    const found = store.get("id");
    await pause(5);
    await end(store);
    open();
    old.gate = undefined;
    assert.equal(await found, null);
    await staysOver(home, old, "id", at("ada"));
  });
}

test("ids made here and ended here leave no record, and no id is on the disk", async (t) => {
  const { old, home, store } = await withOld(t, { "a-secret-id-of-the-old-store": at("ada") });
  const agent = request.agent(shop(store));
  const sid = sidOf(await agent.get("/set?cart=7"));
  await agent.get("/logout");
  await agent.get("/login?user=eve");
  await store.get("a-secret-id-of-the-old-store");
  await store.destroy("another-secret");
  const { fallback } = await store.stats();
  assert.deepEqual([fallback.endedThere, fallback.moved], [1, 1]);
  await store.flush();
  for (const where of [home.path, join(home.path, "moving")]) {
    for (const name of readdirSync(where).filter((one) => one.endsWith(".seg"))) {
      const bytes = readFileSync(join(where, name));
      for (const secret of ["a-secret-id", "another-secret", sid]) assert.equal(bytes.indexOf(secret), -1);
    }
  }
  assert.ok(old.asked <= 2);
});
