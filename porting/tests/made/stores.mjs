// The real stores, each as its README says to make it, with options that applications set: `open` gives a store, the address
// that `sessile import` is given for it, and how to close it.
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

import { missing, postgres, redis } from "./servers.mjs";

const require = createRequire(import.meta.url);
const session = require("express-session");

// A store of connect-sqlite3 on a file.
async function connectSqlite3(dir, db) {
  const Store = require("connect-sqlite3")(session);
  const store = new Store({ dir, db, table: "user_sessions", concurrentDb: true });
  await new Promise((resolve) => store.client.once("connect", resolve));
  const address = `connect-sqlite3:${join(dir, db)}?table=user_sessions`;
  return { store, address, close: () => promisify(store.db.close.bind(store.db))() };
}

// One of better-sqlite3-session-store.
async function betterSqlite3(dir, db) {
  const Store = require("better-sqlite3-session-store")(session);
  const client = new (require("better-sqlite3"))(join(dir, db));
  // Its timer would keep the process: there is no option that turns it off.
  const { setInterval } = globalThis;
  globalThis.setInterval = (...args) => setInterval(...args).unref();
  const store = new Store({ client });
  globalThis.setInterval = setInterval;
  return { store, address: `better-sqlite3-session-store:${join(dir, db)}`, close: async () => client.close() };
}

async function connectRedis(path, prefix) {
  const { RedisStore } = require("connect-redis");
  const client = await require("redis").createClient({ socket: { path } }).connect();
  const address = `connect-redis:redis+unix://${path}?prefix=${prefix}`;
  return { store: new RedisStore({ client, prefix }), address, client, close: () => client.close() };
}

async function connectPgSimple(host, schemaName, tableName) {
  const Store = require("connect-pg-simple")(session);
  const { Pool } = require("pg");
  const pool = new Pool({ host, user: "app", database: "postgres" });
  await pool.query(`CREATE SCHEMA IF NOT EXISTS "${schemaName}"`);
  const store = new Store({ pool, schemaName, tableName, createTableIfMissing: true });
  const address = `connect-pg-simple:postgres://app@${encodeURIComponent(host)}/postgres?schema=${schemaName}&table=${tableName}`;
  return { store, address, pool, close: async () => (await store.close(), await pool.end()) };
}

// Each with `back`, which gives an address to export to, and the real store on what was exported.
export const stores = {
  "connect-sqlite3": {
    async open(dir) {
      const to = `connect-sqlite3:${join(dir, "back.db")}?table=user_sessions`;
      return { ...(await connectSqlite3(dir, "app.db")), back: { to, open: () => connectSqlite3(dir, "back.db") } };
    },
  },
  "better-sqlite3-session-store": {
    async open(dir) {
      const to = `better-sqlite3-session-store:${join(dir, "back.db")}`;
      return { ...(await betterSqlite3(dir, "app.db")), back: { to, open: () => betterSqlite3(dir, "back.db") } };
    },
  },
  "session-file-store": {
    async open(dir) {
      const path = join(dir, "sessions");
      const Store = require("session-file-store")(session);
      return { store: new Store({ path, logFn() {} }), address: `session-file-store:${path}`, async close() {} };
    },
  },
  "connect-redis": {
    missing: missing.redis,
    async open(dir) {
      const { path, close: end } = await redis(dir);
      const old = await connectRedis(path, "shop:[1]:");
      await old.client.set("another:key", "of the application");
      await old.client.hSet("shop:[1]:hash", "of", "another type");
      const to = `connect-redis:redis+unix://${path}?prefix=back:`;
      return { ...old, skipped: 1, end, back: { to, open: () => connectRedis(path, "back:") } };
    },
  },
  "connect-pg-simple": {
    missing: missing.postgres,
    async open(dir) {
      const { host, close: end } = await postgres(dir);
      const to = `connect-pg-simple:postgres://app@${encodeURIComponent(host)}/postgres?schema=shop&table=back`;
      return { ...(await connectPgSimple(host, "shop", "user_sessions")), end, back: { to, open: () => connectPgSimple(host, "shop", "back") } };
    },
  },
  // There is no MongoDB here: connect-mongo writes into a map, and its documents are printed by the serialiser of MongoDB's own
  // driver, as mongoexport prints them.
  "connect-mongo": { open: (dir) => mongo(dir, { relaxed: true }) },
  "connect-mongo, canonical, as documents": { open: (dir) => mongo(dir, { relaxed: false }, { stringify: false }) },
};

async function mongo(dir, json, options) {
  const { MongoStore } = require("connect-mongo");
  const { EJSON } = require("bson");
  const documents = new Map();
  const collection = {
    createIndex: async () => {},
    findOne: async ({ _id }) => documents.get(_id) ?? null,
    deleteOne: async ({ _id }) => ({ deletedCount: Number(documents.delete(_id)) }),
    async updateOne({ _id }, { $set }) {
      documents.set(_id, { _id, ...documents.get(_id), ...$set });
      return { matchedCount: 1 };
    },
  };
  const client = { db: () => ({ collection: () => collection }), async close() {} };
  const store = MongoStore.create({ client, autoRemove: "disabled", ...options });
  const file = join(dir, "sessions.json");
  const close = async () => writeFileSync(file, [...documents.values()].map((one) => `${EJSON.stringify(one, json)}\n`).join(""));
  return { store, address: `connect-mongo:${file}`, close };
}

export const fresh = (parent, name) => {
  const dir = join(parent, name.replace(/\W+/g, "-"));
  mkdirSync(dir);
  return dir;
};
