// The programs themselves, for a fraction of the time: every store that can be had answers every page rightly over a real socket,
// and what came of it is written.
"use strict";

const assert = require("node:assert/strict");
const { execFile } = require("node:child_process");
const { appendFileSync, mkdtempSync, readFileSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { test } = require("node:test");
const { promisify } = require("node:util");
const { PAGES } = require("../lib/load.js");
const { isInstalled } = require("../lib/services.js");
const { STORES } = require("../lib/stores.js");

const HOME = join(__dirname, "..");
const node = (...values) => promisify(execFile)(process.execPath, values, { cwd: HOME });

// `scripts/test` shows at its end what this machine did not let us check.
function notChecked(what) {
  process.stderr.write(`not checked here: ${what}\n`);
  if (process.env.SESSILE_TEST_NOTES) appendFileSync(process.env.SESSILE_TEST_NOTES, `not checked here: ${what}\n`);
}

test("every store answers every page and the report is written", async (t) => {
  if (!isInstalled("wrk")) return notChecked("the comparison of express servers: there is no wrk on this machine");
  const out = mkdtempSync(join(tmpdir(), "connect-sessile-bench-"));
  t.after(() => rmSync(out, { recursive: true, force: true }));
  await node("run.js", "--quick", "--out", out);
  const { load, beside, notBeside, memory, calls, leftOut } = JSON.parse(readFileSync(join(out, "results.json"), "utf8"));
  for (const [key, why] of Object.entries(leftOut)) notChecked(`${STORES[key].name} in the comparison of express servers: ${why}`);
  const present = Object.keys(STORES).filter((key) => !leftOut[key]);
  for (const page of PAGES) {
    assert.deepEqual(Object.keys(load[page]).sort(), [...present].sort(), page);
    for (const key of present) {
      const [{ requests, processorUs, errors }] = load[page][key];
      assert.ok(requests > 0 && processorUs > 0 && errors === 0, `${key} on ${page}`);
    }
  }
  if (notBeside) notChecked(`servers side by side in the comparison of express servers: ${notBeside}`);
  else for (const page of PAGES) assert.deepEqual(Object.keys(beside[page]).sort(), ["MemoryStore", "sessile-synced", "sessile-written"], page);
  for (const key of present) assert.ok(STORES[key].slow || memory[key].collected.rss > 0, key);
  if (isInstalled("strace")) assert.ok(calls["sessile-written"].write.pwrite64 >= 1);
  assert.match(readFileSync(join(out, "README.md"), "utf8"), /judges no goal/);
  return undefined;
});

test("calls without a server are measured for both stores", async () => {
  const { stdout } = await node("--expose-gc", "alone.js", "--quick");
  for (const call of ["get", "touch", "set", "update"]) {
    for (const store of ["MemoryStore", "connect-sessile, written", "connect-sessile, synced"]) {
      assert.match(stdout, new RegExp(`^\\| ${call} \\| ${store} \\| \\d+\\.\\d\\d \\|`, "m"));
    }
  }
});
