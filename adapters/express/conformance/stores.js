// Each store as its README says to make it: a function of what `express-session` is and of a directory, that gives a function
// which makes another store of its kind, empty; and `packages`, what it is made of.
"use strict";

const { join } = require("node:path");
const { postgres, redis } = require("./servers.js");

const SCHEMAS = 200;

const kinds = {
  "connect-sessile": {
    packages: [],
    async open(session, directory) {
      const { SessileStore } = require("..");
      return { make: (number) => new SessileStore({ path: join(directory, String(number)), merge: process.env.MERGE === "1" }) };
    },
  },
  MemoryStore: {
    packages: [],
    open: async ({ MemoryStore }) => ({ make: () => new MemoryStore() }),
  },
  memorystore: {
    packages: ["memorystore"],
    async open(session) {
      const Store = require("memorystore")(session);
      return { make: () => new Store({ checkPeriod: 86_400_000 }) };
    },
  },
  "connect-sqlite3": {
    packages: ["connect-sqlite3", "sqlite3"],
    async open(session, directory) {
      const Store = require("connect-sqlite3")(session);
      return { make: (number) => new Store({ dir: directory, db: `${number}.db` }) };
    },
  },
  "better-sqlite3-session-store": {
    packages: ["better-sqlite3-session-store", "better-sqlite3"],
    async open(session, directory) {
      const Store = require("better-sqlite3-session-store")(session);
      const Database = require("better-sqlite3");
      return { make: (number) => new Store({ client: new Database(join(directory, `${number}.db`)) }) };
    },
  },
  "session-file-store": {
    packages: ["session-file-store"],
    async open(session, directory) {
      const Store = require("session-file-store")(session);
      return { make: (number) => new Store({ path: join(directory, String(number)), logFn() {} }) };
    },
  },
  "connect-redis": {
    packages: ["connect-redis", "redis"],
    server: ["Redis", "redis-server --version"],
    async open(session, directory) {
      const { RedisStore } = require("connect-redis");
      const { createClient } = require("redis");
      const { path, close } = await redis(directory);
      const client = await createClient({ socket: { path } }).connect();
      return { make: (number) => new RedisStore({ client, prefix: `sess${number}:` }), close: () => client.close().then(close) };
    },
  },
  "connect-pg-simple": {
    packages: ["connect-pg-simple", "pg"],
    server: ["PostgreSQL", "postgres --version"],
    async open(session, directory) {
      const Store = require("connect-pg-simple")(session);
      const { Pool } = require("pg");
      const { host, close } = await postgres(directory);
      const pool = new Pool({ host, user: "sessile", database: "postgres" });
      // What it makes beside the table has one name in a schema, so each store has its own.
      const schemas = Array.from({ length: SCHEMAS }, (_, number) => `CREATE SCHEMA of${number};`);
      await pool.query(schemas.join(" "));
      const make = (number) => new Store({ pool, schemaName: `of${number}`, createTableIfMissing: true });
      return { make, close: () => pool.end().then(close) };
    },
  },
};

module.exports = { kinds };
