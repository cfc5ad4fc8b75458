// Stores that are being left: real ones, and what may be wrong with one while it is.
"use strict";

const assert = require("node:assert/strict");
const { join } = require("node:path");
const express = require("express-session");
const { SessileStore } = require("../..");
const { call, directory } = require("./stores.js");

function sqlite(t) {
  let Database;
  try {
    Database = require("better-sqlite3");
    new Database(":memory:").close();
  } catch {
    return undefined;
  }
  const Store = require("better-sqlite3-session-store")(express);
  const client = new Database(join(directory(), "sessions.db"));
  // It sweeps on a timer that would keep this process alive.
  const { setInterval } = globalThis;
  globalThis.setInterval = (...values) => setInterval(...values).unref();
  try {
    return new Store({ client });
  } finally {
    globalThis.setInterval = setInterval;
    t.after(() => client.close());
  }
}

const files = (path) => new (require("session-file-store")(express))({ path, retries: 0, logFn: () => {}, reapInterval: -1 });

// Each gives a store, or nothing where this machine has not what it needs.
const sources = {
  MemoryStore: () => new express.MemoryStore(),
  "session-file-store": (t) => files(join(directory(), "files")),
  "better-sqlite3-session-store": sqlite,
};

// A store before which a test stands: it can be away (`down`), or slow (`gate`, a promise), and counts who asks.
function leaving(store = new express.MemoryStore()) {
  const hooked = { down: false, gate: undefined, asked: 0, store };
  for (const method of ["get", "destroy", "all", "length"]) {
    hooked[method] = async (...values) => {
      hooked.asked += method === "get" ? 1 : 0;
      const answer = values.at(-1);
      if (hooked.down) return process.nextTick(answer, new Error("connect ECONNREFUSED"));
      await hooked.gate;
      return store[method](...values);
    };
  }
  return hooked;
}

const HOUR_MS = 3_600_000;
const at = (user, ms = HOUR_MS) => ({ cookie: { originalMaxAge: ms, expires: new Date(Date.now() + ms), path: "/", httpOnly: true }, user });

const subject = (one) => one.user;

// A store that can be opened again, with the old one still there.
function opened(t, options) {
  const path = join(directory(), "sessions");
  const home = { path };
  const open = () => {
    home.store = new SessileStore({ path, subject, ...options });
    express({ secret: "s", store: home.store, resave: false, saveUninitialized: false });
    return home.store;
  };
  home.again = async () => {
    await home.store.close();
    return open();
  };
  open();
  t.after(() => home.store.close());
  return home;
}

async function withOld(t, sessions, options) {
  const old = leaving();
  for (const [id, one] of Object.entries(sessions)) await call(old.store, "set", id, one);
  const home = opened(t, { fallback: old, ...options });
  await home.store.ready();
  return { old, home, store: home.store };
}

// Whoever is over stays so: now, after the store was opened again, and when the old store says again that it has him.
async function staysOver(home, old, id, had) {
  assert.equal(await home.store.get(id), null);
  await call(old.store, "set", id, had);
  assert.equal(await home.store.get(id), null);
  const again = await home.again();
  assert.equal(await again.get(id), null, "after an opening");
  assert.equal(await again.length(), 0);
}

module.exports = { HOUR_MS, at, files, leaving, opened, sources, staysOver, subject, withOld };
