// Operators act on the store while a Node.js process holds it. What the commands are is tested in `control/` and `cli/`.
"use strict";

const assert = require("node:assert/strict");
const { existsSync, mkdirSync, statSync } = require("node:fs");
const { createConnection } = require("node:net");
const { join } = require("node:path");
const { once } = require("node:events");
const { test } = require("node:test");
const { SessileStore } = require("..");
const { directory } = require("./support/stores.js");

const session = { cookie: {}, user: "ada" };

// Asks as the command `sessile` does: one line, and the lines that are answered.
async function asked(path, request) {
  const socket = createConnection(join(path, "control.sock"));
  socket.end(`${JSON.stringify({ sessile: 1, request })}\n`);
  const said = (await socket.setEncoding("utf8").toArray()).join("");
  return said.trim().split("\n").map((line) => JSON.parse(line)).slice(1);
}

test("operators see the store and end sessions while the process holds it", async () => {
  const path = directory();
  const store = new SessileStore({ path, subject: (one) => one.user });
  await store.set("phone", session);
  await store.set("laptop", session);
  assert.equal(statSync(join(path, "control.sock")).mode & 0o777, 0o600);
  const [{ answer: { stats } }] = await asked(path, "stats");
  assert.equal(stats.held_by.pid, process.pid);
  assert.equal(stats.ahead.sessions, 2);
  const handle = await store.handleOf("phone");
  assert.deepEqual(await asked(path, { destroy: { name: { handle } } }), [{ answer: { destroyed: true } }]);
  assert.equal(await store.get("phone"), null);
  assert.ok(await store.get("laptop"));
  const subject = Buffer.from("ada").toString("base64");
  assert.deepEqual(await asked(path, { "destroy-subject": { subject } }), [{ answer: { revoked: 1 } }]);
  await store.close();
  assert.equal(existsSync(join(path, "control.sock")), false);
});

test("`control: false` serves nobody", async () => {
  const path = directory();
  const store = new SessileStore({ path, control: false });
  await store.set("a", session);
  assert.equal(existsSync(join(path, "control.sock")), false);
  await store.close();
  assert.throws(() => new SessileStore({ path, control: "no" }), /control must be true or false/);
});

test("a store that cannot serve them warns and works", async () => {
  const path = directory();
  const first = new SessileStore({ path });
  await first.close();
  // Nothing can take the place of this.
  mkdirSync(join(path, "control.sock", "something"), { recursive: true });
  const warned = once(process, "warning");
  const store = new SessileStore({ path });
  await store.set("a", session);
  assert.ok(await store.get("a"));
  const [warning] = await warned;
  assert.equal(warning.code, "SESSILE_UNSERVED");
  assert.match(warning.message, /control\.sock/);
  await store.close();
});
