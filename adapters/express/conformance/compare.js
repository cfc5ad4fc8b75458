// The same tests against every store of stores.js, as a table: node conformance/compare.js CHECKOUT [RUNS]
//
// A store that does not answer the same each time is shown with its worst and its best run.
"use strict";

const { execSync, fork } = require("node:child_process");
const { once } = require("node:events");
const { join } = require("node:path");
const { kinds } = require("./stores.js");

const [checkout = ".", runs = "3"] = process.argv.slice(2);

async function runOnce(name, environment) {
  const child = fork(join(__dirname, "run.js"), [checkout, name], { silent: true, env: { ...process.env, ...environment } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said = (said + text).slice(-2000)));
  const result = new Promise((told) => child.once("message", told));
  const ended = once(child, "exit").then(() => undefined);
  const found = await Promise.race([result, ended]);
  await ended;
  return found ?? { died: said };
}

const range = (numbers) => [...new Set([Math.min(...numbers), Math.max(...numbers)])].join(" to ");

async function row(name, title, environment) {
  const results = [];
  for (let run = 0; run < Number(runs); run += 1) results.push(await runOnce(name, environment));
  const whole = results.filter((one) => !one.died);
  const { packages, server } = kinds[name];
  const versions = packages.map((one) => `${one} ${require(join(__dirname, "node_modules", one, "package.json")).version}`);
  if (server) versions.push(`${server[0]} ${/\d+\.\d+(\.\d+)?/.exec(execSync(server[1], { encoding: "utf8" }))[0]}`);
  const failed = new Map(whole.flatMap((one) => one.failed.map(({ test, why }) => [test, why])));
  const cells = [title, versions.join(", "), range(whole.map((one) => one.passed)), range(whole.map((one) => one.kept)), whole.some((one) => one.back) ? "yes" : "no"];
  console.log(`| ${cells.join(" | ")} |`);
  for (const [test, why] of failed) console.error(`${title}: ${test}: ${why}`);
  for (const one of results) if (one.died) console.error(`${title}: a run ended by itself:\n${one.died}`);
}

async function compare() {
  console.log("| store | versions | of 160 tests | of 20 keys | logged out, and back |\n|---|---|---|---|---|");
  for (const name of Object.keys(kinds)) {
    await row(name, name, {});
    if (name === "connect-sessile") await row(name, "connect-sessile, merge", { MERGE: "1" });
  }
}

compare();
