// express-session's own tests against this store, in the place of its MemoryStore:
//
//     git clone https://github.com/expressjs/session && (cd session && npm install && sh test/support/gencert.sh)
//     node conformance/run.js session
//
// They are not in its package, so they come from a checkout; each of their stores is a new directory here.
"use strict";

const { mkdtempSync, rmSync } = require("node:fs");
const Module = require("node:module");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");

const checkout = resolve(process.argv[2] ?? ".");
const from = Module.createRequire(join(checkout, "index.js"));

// The store extends the Store of the checkout, not that of its own dependency.
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (name, ...rest) {
  return resolveFilename.call(this, name === "express-session" ? join(checkout, "index.js") : name, ...rest);
};
const { SessileStore } = require("..");

const directory = mkdtempSync(join(tmpdir(), "sessile-conformance-"));
const stores = [];
class MemoryStore extends SessileStore {
  constructor() {
    super({ path: join(directory, String(stores.length)), merge: process.env.MERGE === "1" });
    stores.push(this);
  }
}
const memory = from.resolve("./session/memory.js");
require.cache[memory].exports = MemoryStore;
delete require.cache[from.resolve("./index.js")];

process.env.NO_DEPRECATION = "express-session";
const Mocha = from("mocha");
const mocha = new Mocha({ reporter: "dot", timeout: 3000 });
process.chdir(checkout);
mocha.addFile(join(checkout, "test/cookie.js"));
mocha.addFile(join(checkout, "test/session.js"));
let passed = 0;
const runner = mocha.run(async (failed) => {
  const stats = await Promise.all(stores.map((store) => store.stats()));
  await Promise.all(stores.map((store) => store.close()));
  rmSync(directory, { recursive: true, force: true });
  const sum = (name) => stats.reduce((all, one) => all + one[name], 0);
  console.log(`${passed} of ${passed + failed}; ${stores.length} stores, ${sum("created")} created, ${sum("updated")} updated, ${sum("touched")} touched, ${sum("refusedSaves")} refused`);
  process.exit(failed > 0 ? 1 : 0);
});
runner.on("pass", () => (passed += 1));
