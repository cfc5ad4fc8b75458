// express-session's own tests against this store, or another, in the place of its MemoryStore:
//
//     git clone https://github.com/expressjs/session
//     (cd session && git checkout 2c9512fb790e4bf80b3b62305eb8078028607785 && npm install && sh test/support/gencert.sh)
//     node conformance/run.js session [STORE]
//
// They are not in its package, so they come from a checkout; each of their stores is a new one here. After them come two
// races that they have no test of. STORE is a name in stores.js, whose packages `npm ci --prefix conformance` fetches;
// compare.js runs them all.
"use strict";

const { mkdtempSync, rmSync } = require("node:fs");
const Module = require("node:module");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");

const checkout = resolve(process.argv[2] ?? ".");
const name = process.argv[3] ?? "connect-sessile";
const from = Module.createRequire(join(checkout, "index.js"));

// A store extends the Store of the checkout, not that of its own dependency.
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (asked, ...rest) {
  return resolveFilename.call(this, asked === "express-session" ? join(checkout, "index.js") : asked, ...rest);
};
process.env.NO_DEPRECATION = "express-session";
const { kinds } = require("./stores.js");
const { races } = require("./races.js");

// Puts the store where express-session has its own.
function replace(make) {
  const memory = from.resolve("./session/memory.js");
  require.cache[memory].exports = function MemoryStore() {
    return make();
  };
  delete require.cache[from.resolve("./index.js")];
}

function suite() {
  const Mocha = from("mocha");
  const mocha = new Mocha({ reporter: process.send ? "min" : "dot", timeout: 3000 });
  process.chdir(checkout);
  for (const file of ["cookie", "session"]) mocha.addFile(join(checkout, `test/${file}.js`));
  return new Promise((over) => {
    const passed = new Set();
    const failed = new Map();
    const shown = () => [...failed].map(([test, error]) => ({ test: test.fullTitle(), why: error.message.split("\n")[0] }));
    const runner = mocha.run(() => over({ passed: passed.size, failed: shown() }));
    runner.on("pass", (test) => passed.add(test));
    // One that called back twice may have passed before.
    runner.on("fail", (test, error) => {
      passed.delete(test);
      if (!failed.has(test)) failed.set(test, error);
    });
  });
}

async function run() {
  const directory = mkdtempSync(join(tmpdir(), "sessile-conformance-"));
  const { make, close } = await kinds[name].open(from("./index.js"), directory);
  const stores = [];
  const another = () => stores[stores.push(make(stores.length)) - 1];
  replace(another);
  const result = await suite();
  Object.assign(result, await races(from, another));
  const failures = result.failed.length;
  console.log(`${name}: ${result.passed} of ${result.passed + failures}; ${result.kept} of 20 keys kept, logged out and back: ${result.back}`);
  if (name === "connect-sessile") await account(stores);
  process.send?.(result);
  await close?.();
  rmSync(directory, { recursive: true, force: true });
  process.exit(failures > 0 ? 1 : 0);
}

// What this store did in all that.
async function account(stores) {
  const stats = await Promise.all(stores.map((store) => store.stats()));
  await Promise.all(stores.map((store) => store.close()));
  const sum = (figure) => stats.reduce((all, one) => all + one[figure], 0);
  console.log(`${stores.length} stores, ${sum("created")} created, ${sum("updated")} updated, ${sum("touched")} touched, ${sum("refusedSaves")} refused`);
}

run();
