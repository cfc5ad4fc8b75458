// A process that moves sessions is killed between any two of its steps. Nobody is logged out by that, nobody who was told that he
// is logged out comes back, and what is over after the next opening stays over.
"use strict";

const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const { join } = require("node:path");
const { test } = require("node:test");
const { SessileStore } = require("..");
const { at, files } = require("./support/leaving.js");
const { call, directory, pause } = require("./support/stores.js");

const STEPS_MAX = 40;
// Those after which an opening may have anything to do.
const IN_THE_OPENING = ["get", "get and destroy", "get and destroySubject"];

// Runs a process that is killed at its step `n`; says what it had told before.
function run(home, what, n, ...early) {
  const mover = [join(__dirname, "support/mover.js"), home.path, home.folder, what, String(n), ...early];
  const { stdout, stderr, signal, status } = spawnSync(process.execPath, mover, { encoding: "utf8", timeout: 60_000 });
  assert.ok(signal === "SIGKILL" || status === 0, stderr);
  return { answered: stdout.includes("answered"), whole: stdout.includes("whole") };
}

// A session that is here without having moved, though the old store has it too.
async function imported(home) {
  const store = new SessileStore({ path: home.path });
  await store.set("id", at("as it came here"));
  await store.close();
}

function open(home) {
  return new SessileStore({ path: home.path, subject: (one) => one.user, fallback: home.old });
}

// Who is over stays so, also when the old store was never told, and leaves nothing behind.
async function staysOver(home, store) {
  await call(home.old, "set", "id", at("ada"));
  assert.equal(await store.get("id"), null);
  await store.close();
  const again = open(home);
  assert.equal(await again.get("id"), null);
  await again.close();
}

const overOrNot = async (home, store, answered) => {
  const found = await store.get("id");
  if (answered) assert.equal(found, null, "who was told that it is over");
  assert.equal(await store.length(), found ? 1 : 0);
  if (found) await store.destroy("id");
  await staysOver(home, store);
};

const checks = {
  get: async (home, store) => {
    assert.equal((await store.get("id")).user, "ada");
    assert.equal(await store.length(), 1);
    await store.destroy("id");
    await staysOver(home, store);
  },
  destroy: overOrNot,
  destroySubject: overOrNot,
  clear: overOrNot,
  destroyHandle: overOrNot,
  "get and destroy": overOrNot,
  "get and destroySubject": overOrNot,
  "destroy imported": async (home, store, answered) => {
    const found = await store.get("id");
    assert.ok(!answered || !found);
    if (found) assert.equal(found.user, "as it came here");
    await overOrNot(home, store, answered);
  },
  set: async (home, store, answered) => {
    const { user } = await store.get("id");
    assert.ok(answered ? user === "eve" : ["ada", "eve"].includes(user));
    await store.destroy("id");
    await staysOver(home, store);
  },
  regenerate: async (home, store, answered) => {
    const found = await store.get("id");
    assert.ok(!answered || !found);
    assert.equal(await store.length(), 1, "the old one or the new one, and never both");
    if (found) await store.destroy("id");
    await staysOver(home, store);
  },
};

for (const [what, check] of Object.entries(checks)) {
  test(`killed at each step of: ${what}`, async () => {
    let whole = false;
    let n = 0;
    while (!whole) {
      n += 1;
      assert.ok(n < STEPS_MAX);
      const home = { path: join(directory(), "sessions"), folder: join(directory(), "files") };
      home.old = files(home.folder);
      await call(home.old, "set", "id", at("ada"));
      if (what === "destroy imported") await imported(home);
      const ran = run(home, what, n);
      whole = ran.whole;
      if (!ran.answered && IN_THE_OPENING.includes(what)) run(home, "open", 1 + (n % 4), "early");
      try {
        await check(home, open(home), ran.answered);
      } catch (error) {
        error.message = `killed at step ${n}: ${error.message}`;
        throw error;
      }
      await pause(0);
    }
    assert.ok(n > 3, `there were ${n} steps`);
  });
}
