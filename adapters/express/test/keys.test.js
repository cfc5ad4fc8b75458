// Encryption at rest: with keys nothing that a session says is on the disk, and without them nothing is told or written.
"use strict";

const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const { MemoryStore } = require("express-session");
const { SessileStore, restore } = require("..");
const { directory } = require("./support/stores.js");

const subject = (session) => session.user;
const SAID = { cookie: {}, user: "ada-lovelace", cart: "twelve-analytical-engines" };

// A file with a key of this name, as its option says it.
function keys(name = "2026") {
  const file = join(directory(), "keys");
  writeFileSync(file, `${name} ${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  return `file:${file}`;
}

// Which of these words stand in a file of the store.
function found(path, words) {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = Buffer.concat(files.map((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name))));
  return words.filter((word) => bytes.includes(word));
}

// Opens, and says what came of it.
async function opened(options) {
  const store = new SessileStore({ subject, ...options });
  try {
    await store.ready();
    return await store.get("id");
  } finally {
    await store.close().catch(() => {});
  }
}

const WORDS = ["ada-lovelace", "twelve-analytical-engines"];

test("what a session says is on the disk where there are no keys, and is not where there are", async () => {
  const given = keys();
  for (const [options, expected] of [[{}, WORDS], [{ keys: given }, []]]) {
    const path = join(directory(), "sessions");
    const store = new SessileStore({ path, subject, ...options });
    await store.set("id", SAID);
    assert.equal((await store.sessionsOf("ada-lovelace")).length, 1);
    assert.deepEqual(found(path, WORDS), expected);
    await store.close();
    assert.deepEqual(found(path, WORDS), expected);
    assert.equal((await opened({ path, ...options })).cart, SAID.cart);
  }
});

test("without its keys, or with others, a store is not opened, and is opened with them afterwards", async () => {
  const path = join(directory(), "sessions");
  const given = keys();
  const store = new SessileStore({ path, subject, keys: given });
  await store.set("id", SAID);
  await store.close();
  for (const [other, told] of [
    [undefined, /needs the key named 2026/],
    [keys("2027"), /needs the key named 2026/],
    [keys("2026"), /is not the one/],
    ["file:/nowhere/keys", /nowhere/],
    ["env:SESSILE_NO_SUCH_VARIABLE", /SESSILE_NO_SUCH_VARIABLE/],
    ["c2VjcmV0", /write file:/],
  ]) {
    await assert.rejects(opened({ path, ...(other && { keys: other }) }), (error) => {
      assert.equal(error.code, "ERR_SESSILE_KEYS");
      assert.match(error.message, told);
      assert.ok(!error.message.includes("c2VjcmV0"), "it may be a key");
      return true;
    });
  }
  assert.equal((await opened({ path, keys: given })).user, "ada-lovelace");
  assert.equal((await opened({ url: `sessile:${path}?keys=${given}` })).user, "ada-lovelace");
});

test("a plain store is not opened with keys as if it were encrypted", async () => {
  const path = join(directory(), "sessions");
  assert.equal(await opened({ path }), null);
  await assert.rejects(opened({ path, keys: keys() }), { code: "ERR_SESSILE_KEYS", message: /sessile encrypt/ });
  assert.throws(() => new SessileStore({ path, keys: 7 }), /keys must be where the keys are/);
});

test("keys from the environment, and a file that is named from where the process began", async () => {
  const given = keys();
  const path = join(directory(), "sessions");
  process.env.SESSILE_TEST_KEYS = readFileSync(given.slice("file:".length), "utf8");
  const store = new SessileStore({ path, subject, keys: "env:SESSILE_TEST_KEYS" });
  await store.set("id", SAID);
  await store.close();
  delete process.env.SESSILE_TEST_KEYS;
  const cwd = process.cwd();
  process.chdir(join(given.slice("file:".length), ".."));
  const again = opened({ path, keys: "file:keys" });
  process.chdir(cwd);
  assert.equal((await again).user, "ada-lovelace");
});

test("what is known of a store that is being left is sealed too", async () => {
  const given = keys();
  const path = join(directory(), "sessions");
  const fallback = new MemoryStore();
  await new Promise((done) => fallback.set("id", SAID, done));
  const options = { path, subject, fallback, keys: given };
  const store = new SessileStore(options);
  assert.equal((await store.get("id")).cart, SAID.cart);
  await store.destroySubject("ada-lovelace");
  await store.close();
  assert.deepEqual(found(path, WORDS), []);
  await assert.rejects(opened({ path: join(path, "moving") }), { code: "ERR_SESSILE_KEYS" });
  assert.equal(await opened(options), null, "it stays ended");
});

test("a backup of an encrypted store is sealed, and restored with its keys", async () => {
  const given = keys();
  const home = directory();
  const store = new SessileStore({ path: join(home, "sessions"), subject, keys: given });
  await store.set("id", SAID);
  await store.backup(join(home, "backup"));
  await store.close();
  assert.deepEqual(found(join(home, "backup"), WORDS), []);
  assert.throws(() => restore(join(home, "backup"), join(home, "no"), { keep: true }), { code: "ERR_SESSILE_KEYS" });
  assert.equal(restore(join(home, "backup"), join(home, "again"), { keep: true, keys: given }), 1);
  assert.equal((await opened({ path: join(home, "again"), keys: given })).user, "ada-lovelace");
});

test("keys are read once, by who makes the store: the ledger has the same, whatever the place holds by then", async () => {
  const given = keys();
  const other = keys();
  const home = directory();
  const cwd = process.cwd();
  const inPlaceOf = (file) => join(file.slice("file:".length), "..");
  const make = (options) => new SessileStore({ subject, fallback: new MemoryStore(), ...options });
  process.chdir(inPlaceOf(given));
  process.env.SESSILE_TEST_KEYS = readFileSync("keys", "utf8");
  const stores = [
    make({ path: join(home, "option"), keys: "file:keys" }),
    make({ url: `sessile:${join(home, "url")}?keys=file:keys` }),
    make({ path: join(home, "variable"), keys: "env:SESSILE_TEST_KEYS" }),
  ];
  delete process.env.SESSILE_TEST_KEYS;
  process.chdir(inPlaceOf(other));
  try {
    await Promise.all(stores.map((store) => store.set("id", SAID)));
  } finally {
    process.chdir(cwd);
  }
  await Promise.all(stores.map((store) => store.close()));
  for (const name of ["option", "url", "variable"]) {
    for (const path of [join(home, name), join(home, name, "moving")]) {
      await assert.rejects(opened({ path, keys: other }), { code: "ERR_SESSILE_KEYS" });
      await opened({ path, keys: given });
    }
  }
});

test("a place that is undefined is refused, and makes no plain store", () => {
  const path = join(directory(), "sessions");
  const told = { name: "TypeError", message: /keys is undefined/ };
  assert.throws(() => new SessileStore({ path, keys: process.env.SESSILE_NO_SUCH_VARIABLE }), told);
  assert.throws(() => restore(path, `${path}-again`, { keep: true, keys: undefined }), told);
  assert.ok(!existsSync(path));
});

test("keys that cannot be read are told when the store is made, with where that was said, and are never repeated", () => {
  const path = join(directory(), "sessions");
  const key = "5a".repeat(32);
  for (const place of [`file:${key}`, `file:2026 ${key}`, `env:2026 ${key}`, `env:2026:${key}`, key]) {
    for (const options of [{ path, keys: place }, { url: `sessile:${path}?keys=${encodeURIComponent(place)}` }]) {
      assert.throws(() => new SessileStore(options), (error) => error.code.startsWith("ERR_SESSILE_") && !error.message.includes("5a5a"), place);
    }
  }
  assert.throws(() => new SessileStore({ url: `sessile:${path}?keys=file:/nowhere` }), { code: "ERR_SESSILE_KEYS", message: /^the option url: .*nowhere/ });
});

test("where the ledger cannot be opened it is named, and the store is let go", async () => {
  const given = keys();
  const path = join(directory(), "sessions");
  await opened({ path, fallback: new MemoryStore() });
  rmSync(path, { recursive: true });
  await opened({ path: join(path, "moving") });
  const store = new SessileStore({ path, keys: given, fallback: new MemoryStore() });
  await assert.rejects(store.get("id"), (error) => error.code === "ERR_SESSILE_KEYS" && error.message.includes(join(path, "moving")));
  // In this process nobody would wait for the lock.
  assert.ok(!existsSync(join(path, "control.sock")));
  await store.close();
});
