// What a store remembers of an object that is not its own.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { notes } = require("../lib/notes.js");
const { call, sessile } = require("./support/stores.js");

test("a note is on the object, and neither in its copies nor in its JSON", () => {
  const mine = notes();
  const session = { user: "ada" };
  assert.equal(mine.get(session), undefined);
  mine.set(session, 1);
  mine.set(session, 2);
  assert.equal(mine.get(session), 2);
  assert.equal(mine.get({ ...session }), undefined);
  assert.equal(mine.get(structuredClone(session)), undefined);
  assert.deepEqual(Reflect.ownKeys(session), ["user"]);
  assert.equal(JSON.stringify(session), '{"user":"ada"}');
});

test("notes of two kinds know nothing of each other, and what is no object has none", () => {
  const [one, other] = [notes(), notes()];
  const session = {};
  one.set(session, "one");
  assert.equal(other.get(session), undefined);
  for (const value of [null, undefined, "text", 1]) {
    one.set(value, "note");
    assert.equal(one.get(value), undefined);
  }
});

test("a session that was loaded from one store is new to another", async (t) => {
  const [from, to] = [sessile(t), sessile(t)];
  await from.set("id", { cookie: {}, user: "ada" });
  const loaded = from.createSession({ sessionID: "id", sessionStore: from }, await from.get("id"));
  await call(to, "set", "id", loaded);
  assert.equal((await to.get("id")).user, "ada");
  assert.equal((await to.stats()).refusedSaves, 0);
});
