// Stores in new directories, closed when their test is over, and removed when all tests of the file are.
"use strict";

const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { after } = require("node:test");
const { MemoryStore } = require("express-session");
const { SessileStore } = require("../..");

// What a test has said first to do after it is done first, and a store that is not closed yet may make a file at any time:
// so no test removes its own.
const directories = [];
after(() => directories.forEach((made) => rmSync(made, { recursive: true, force: true, maxRetries: 5 })));

function directory() {
  const made = mkdtempSync(join(tmpdir(), "connect-sessile-"));
  directories.push(made);
  return made;
}

function sessile(t, options = {}) {
  const store = new SessileStore({ path: join(directory(), "sessions"), ...options });
  t.after(() => store.close());
  return store;
}

// Every store that a program may rely on in the same way, the one that express-session comes with first.
const kinds = {
  MemoryStore: () => new MemoryStore(),
  SessileStore: (t) => sessile(t),
  "SessileStore with merge": (t) => sessile(t, { merge: true }),
  "SessileStore, written": (t) => sessile(t, { durability: "written" }),
};

// A callback's answer as a promise, for stores that know only callbacks.
const call = (store, method, ...values) =>
  new Promise((done, failed) => store[method](...values, (error, value) => (error ? failed(error) : done(value))));

const pause = (ms) => new Promise((over) => setTimeout(over, ms));

module.exports = { call, directory, kinds, pause, sessile };
