// The stores that are compared, each as its own documentation sets it up, with no timer of its own falling into a run.
//
// Owns: what a store is called, what a save that was answered survives, and how it is opened in a directory. `needs` names a
// service that runs beside the server (see `services.js`); `unsynced` makes filling quick where a run is not about it; `slow` is one
// that takes minutes to be given 100,000 sessions all the same, and has none of them in memory.
"use strict";

const { mkdirSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { promisify } = require("node:util");
const session = require("express-session");
const { LIFETIME_MS } = require("./data.js");

const POWER = "power loss";
const PROCESS = "the process";
const NOTHING = "nothing";

// From the file: not every package lets its own be asked for.
function version(name) {
  const file = join(__dirname, "..", "node_modules", name, "package.json");
  return `${name} ${JSON.parse(readFileSync(file, "utf8")).version}`;
}

function sessile(durability) {
  return async (directory) => {
    const { SessileStore } = require("../../../adapters/express");
    const store = new SessileStore({ path: directory, durability });
    await store.ready();
    return { store, settings: `default options, durability: "${durability}"`, close: () => store.close() };
  };
}

async function redis(directory, { socket, settings }) {
  const { RedisStore } = require("connect-redis");
  const { createClient } = require("redis");
  const client = createClient({ socket: { path: socket } });
  await client.connect();
  const store = new RedisStore({ client });
  return { store, settings: `${version("redis")} over a Unix socket, ${settings}`, close: () => client.close() };
}

const STORES = {
  MemoryStore: {
    name: "MemoryStore",
    code: () => version("express-session"),
    survives: NOTHING,
    open: async () => ({ store: new session.MemoryStore(), settings: "a plain object of JSON" }),
  },
  "sessile-written": { name: "connect-sessile, written", code: () => "this repository", survives: PROCESS, open: sessile("written") },
  "sessile-synced": { name: "connect-sessile, synced", code: () => "this repository", survives: POWER, open: sessile("synced") },
  "connect-sqlite3": {
    name: "connect-sqlite3",
    code: () => `${version("connect-sqlite3")}, ${version("sqlite3")}`,
    survives: POWER,
    async open(directory) {
      const Store = require("connect-sqlite3")(session);
      const store = new Store({ dir: directory, db: "sessions.db" });
      await new Promise((ready) => store.client.once("connect", ready));
      const get = promisify(store.db.get.bind(store.db));
      const run = promisify(store.db.run.bind(store.db));
      const { journal_mode: journal } = await get("PRAGMA journal_mode");
      const { synchronous } = await get("PRAGMA synchronous");
      return {
        store,
        settings: `as it comes: journal_mode=${journal}, synchronous=${synchronous}`,
        unsynced: (on) => run(`PRAGMA synchronous = ${on ? 0 : synchronous}`),
        close: promisify(store.db.close.bind(store.db)),
      };
    },
  },
  "better-sqlite3": {
    name: "better-sqlite3-session-store",
    code: () => `${version("better-sqlite3-session-store")}, ${version("better-sqlite3")}`,
    survives: POWER,
    async open(directory) {
      const client = require("better-sqlite3")(join(directory, "sessions.db"));
      const Store = require("better-sqlite3-session-store")(session);
      const store = new Store({ client });
      const asked = (name) => client.pragma(name, { simple: true });
      const synchronous = asked("synchronous");
      return {
        store,
        settings: `as it comes: journal_mode=${asked("journal_mode")}, synchronous=${synchronous}`,
        unsynced: async (on) => void client.pragma(`synchronous = ${on ? 0 : synchronous}`),
        close: async () => void client.close(),
      };
    },
  },
  memorystore: {
    name: "memorystore",
    code: () => version("memorystore"),
    survives: NOTHING,
    async open() {
      const Store = require("memorystore")(session);
      const store = new Store({ checkPeriod: 24 * 60 * 60 * 1000 });
      return { store, settings: "checkPeriod of a day, as in its README", close: async () => void store.stopInterval() };
    },
  },
  "redis-everysec": { name: "connect-redis, everysec", code: () => version("connect-redis"), survives: PROCESS, needs: "redis-everysec", open: redis },
  "redis-always": { name: "connect-redis, always", code: () => version("connect-redis"), survives: POWER, needs: "redis-always", open: redis },
  postgres: {
    name: "connect-pg-simple",
    code: () => `${version("connect-pg-simple")}, ${version("pg")}`,
    survives: POWER,
    needs: "postgres",
    async open(directory, { socket, settings }) {
      const { Pool } = require("pg");
      const pool = new Pool({ host: socket, user: "postgres", database: "postgres" });
      const Store = require("connect-pg-simple")(session);
      const store = new Store({ pool, createTableIfMissing: true });
      // The first call makes the table; two at once would both.
      await promisify(store.get.bind(store))("nobody");
      return {
        store,
        settings: `a pool of 10 over a Unix socket, ${settings}`,
        async close() {
          await store.close();
          await pool.end();
        },
      };
    },
  },
  files: {
    name: "session-file-store",
    slow: true,
    code: () => version("session-file-store"),
    survives: POWER,
    async open(directory) {
      const Store = require("session-file-store")(session);
      const store = new Store({ path: directory, ttl: LIFETIME_MS / 1000, logFn: () => {} });
      return { store, settings: "a file for each session, synced before it is renamed" };
    },
  },
};

// Opens a store in a directory of its own.
async function open(key, directory, service) {
  mkdirSync(directory, { recursive: true });
  const opened = await STORES[key].open(directory, service);
  return { unsynced: async () => {}, close: async () => {}, ...opened };
}

module.exports = { STORES, open };
