// The tests of memorystore and of connect-redis, from their npm packages, against this store, as far as they are for any
// store: `npm ci --prefix conformance`, then node conformance/borrowed.js
//
// What stands between is what express-session's middleware would do, and the shape of an answer that the contract leaves open.
// What does not apply is listed here with the reason, and what is listed must be there.
"use strict";

const { existsSync, mkdtempSync, readFileSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { Cookie } = require("express-session");
const { SessileStore } = require("..");

const directory = mkdtempSync(join(tmpdir(), "sessile-borrowed-"));
let stores = 0;
const another = (options) => ({ path: join(directory, String((stores += 1))), keepIds: true, ...options });

// ---------------------------------------------------------------- memorystore

const NOT_OF_ANY_STORE = {
  "constructor should use default options": "its own options",
  "should set options": "its own options",
  "should preserve falsy numeric options": "its own options",
  "should not set the interval to check for expired entries by default": "its own timer",
  "should allow custom serializers": "this store writes JSON",
  "automatic check for expired entries should be disabled": "here `length` never counts what has expired",
  "should only contain 10 items": "here up to 32 make room at once for those that come",
  "should delete the first item": "the same",
  "should fetch all entries Ids": "it expects the order of an LRU list",
};

// Its tests hand over a plain `{ maxAge }`, where the middleware hands over a Cookie; they take `undefined` for "none", and an
// object by id for `all`. They wait for no answer, since memorystore has answered by then: here each call waits for the one before.
class LikeMemorystore {
  #store;
  #before = Promise.resolve();

  constructor({ max } = {}) {
    this.#store = new SessileStore(another(max ? { sessionsMax: max } : {}));
  }

  #ask(callback, method, ...values) {
    this.#before = this.#before.then(() => new Promise((done) => {
      this.#store[method](...values, (error, value) => {
        done();
        callback?.(error, value ?? undefined);
      });
    }));
  }

  get(sid, callback) {
    this.#ask(callback, "get", sid);
  }
  set(sid, session, callback) {
    this.#ask(callback, "set", sid, withCookie(session));
  }
  touch(sid, session, callback) {
    this.#ask(callback, "touch", sid, withCookie(session));
  }
  destroy(sid, callback) {
    this.#ask(callback, "destroy", sid);
  }
  length(callback) {
    this.#ask(callback, "length");
  }
  clear(callback) {
    this.#ask(callback, "clear");
  }
  all(callback) {
    this.#ask((error, all) => callback(error, all && Object.fromEntries(all.map((one) => [one.id, one]))), "all");
  }
  stopInterval() {
    this.#store.close();
  }
}

function withCookie(session) {
  return Object.assign(session, { cookie: new Cookie(session.cookie) });
}

function memorystore() {
  const entry = require.resolve("memorystore");
  require.cache[entry] = { id: entry, filename: entry, loaded: true, exports: () => LikeMemorystore };
  const { Mocha } = require("mocha");
  const mocha = new Mocha({ reporter: "dot" });
  mocha.addFile(join(entry, "../test/store.js"));
  mocha.loadFiles();
  const [{ tests }] = mocha.suite.suites;
  const listed = tests.filter(({ title }) => NOT_OF_ANY_STORE[title]);
  for (const test of listed) test.pending = true;
  return new Promise((over) => {
    mocha.run((failed) => over({ tests: tests.length - listed.length, failed, unknown: Object.keys(NOT_OF_ANY_STORE).length - listed.length }));
  });
}

// ---------------------------------------------------------------- connect-redis

// Of its four, one is about options and two about its server. What it asks of a Redis client is answered from this store.
const LIFECYCLE = "redis";
// It expects that a touch leaves the cookie that `all` gives as it was. express-session's own tests expect the new one.
const CONTRADICTS = ["expires: expires.toISOString()", "expires: expires2.toISOString()"];

class LikeRedis extends SessileStore {
  constructor() {
    super(another({ subject: () => "everybody" }));
  }
  async all() {
    return (await super.all()).map((one) => ({ id: one.id, ...one }));
  }
  async ttl(key) {
    const handle = await this.handleOf(key.replace("sess:", ""));
    const found = (await this.sessionsOf("everybody")).find((one) => one.handle === handle);
    return (found.expires - Date.now()) / 1000;
  }
}

async function connectRedis() {
  const file = join(require.resolve("connect-redis"), "../../index_test.ts");
  const source = readFileSync(file, "utf8");
  if (source.split(CONTRADICTS[0]).length !== 2) throw new Error(`${file} is not what it was`);
  const { transpileModule } = require("typescript");
  const { outputText } = transpileModule(source.replace(...CONTRADICTS), { compilerOptions: { module: "commonjs", target: "es2022" } });
  const tests = new Map();
  const store = new LikeRedis();
  const given = {
    vitest: { expect: require("expect").expect, test: (name, act) => tests.set(name, act) },
    redis: { createClient: () => ({ connect() {}, destroy() {}, ttl: (key) => store.ttl(key) }) },
    "./": { RedisStore: function RedisStore() { return store; } },
    "./testdata/server": {},
    "express-session": { Cookie },
  };
  new Function("require", "exports", outputText)((name) => given[name], {});
  await tests.get(LIFECYCLE)();
  await store.close();
}

async function run() {
  if (!existsSync(join(__dirname, "node_modules"))) throw new Error("its packages are not here: npm ci --prefix conformance");
  const { tests, failed, unknown } = await memorystore();
  console.log(`memorystore: ${tests - failed} of the ${tests} that are for any store`);
  for (const [title, why] of Object.entries(NOT_OF_ANY_STORE)) console.log(`  not: ${title}: ${why}`);
  if (unknown > 0) console.log(`  ${unknown} of these are not in its tests any more`);
  await connectRedis();
  console.log("connect-redis: its lifecycle, a thousand sessions included, with one expectation turned round");
  rmSync(directory, { recursive: true, force: true });
  process.exit(failed + unknown > 0 ? 1 : 0);
}

run().catch((error) => {
  console.error(error);
  process.exit(1);
});
