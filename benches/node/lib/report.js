// The report: what a run came to, as Markdown.
"use strict";

const os = require("node:os");
const { readFileSync } = require("node:fs");
const { spawnSync } = require("node:child_process");
const { judged, median, perSecond, ratio, serverUs, serviceUs } = require("./goals.js");
const { STORES } = require("./stores.js");

const nameOf = (key) => STORES[key].name;

function table(head, rows) {
  const lines = [head, head.map((_, column) => (column === 0 ? "---" : "--:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

// wrk tells its version and ends with 1.
const wrkVersion = () => /[\d.]+/.exec(spawnSync("wrk", ["-v"], { encoding: "utf8" }).stdout)?.[0];

function machine(outcome) {
  const [cpu] = os.cpus();
  const distribution = /PRETTY_NAME="(.*)"/.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  return (
    `${outcome.began.slice(0, 16).replace("T", " ")} UTC, ${outcome.seconds} s, ${os.cpus().length} cores of ${cpu.model.trim()}, ` +
    `${Math.round(os.totalmem() / 2 ** 30)} GiB of memory, Linux ${os.release()}, ${distribution}, Node.js ${process.versions.node}, wrk ${wrkVersion()}.`
  );
}

const fixed = (number, digits = 2) => number.toFixed(digits);
const range = ({ median: middle, least, most }) => `${fixed(middle)} (${fixed(least)} to ${fixed(most)})`;
const reached = (yes) => (yes ? "met" : "**not met**");

function goals(outcome) {
  const all = judged(outcome);
  if (outcome.quick) return "So short a run judges no goal.";
  const rows = all.map((goal) => (goal.page
    ? [goal.page, `${nameOf(goal.ours)}: requests a second at least ${goal.atLeast} times ${nameOf(goal.theirs)}`, range(goal.speed), `processor time ${range(goal.processor)}${goal.turns ? `; in turns ${range(goal.turns)}` : ""}`, reached(goal.reached)]
    : ["memory", `${nameOf(goal.ours)}: resident below ${goal.atMost} times ${nameOf(goal.theirs)}`, fixed(goal.rss), `without mapped files ${fixed(goal.anonymous)}`, reached(goal.reached)]));
  const met = all.filter((goal) => goal.reached).length;
  return `## Goals: ${met} of ${all.length} met\n\n${table(["", "goal", "measured", "beside it", ""], rows)}`;
}

function loads({ load }) {
  return Object.entries(load).map(([page, stores]) => {
    const rows = Object.entries(stores).map(([key, samples]) => {
      const of = (what) => median(samples.map(what));
      const speeds = samples.map(perSecond);
      const beside = stores.MemoryStore ? [ratio(samples, stores.MemoryStore, perSecond), ratio(samples, stores.MemoryStore, serverUs)] : [];
      return [
        nameOf(key), STORES[key].survives, fixed(of(perSecond), 0), beside[0] ? fixed(beside[0].median) : "",
        fixed(of(({ p50Us }) => p50Us) / 1000, 1), fixed(of(({ p99Us }) => p99Us) / 1000, 1),
        fixed(of(serverUs), 1), beside[1] ? fixed(beside[1].median) : "", STORES[key].needs ? fixed(of(serviceUs), 0) : "",
        fixed(of(({ delayP99Ms }) => delayP99Ms), 1), fixed(of(({ delayMaxMs }) => delayMaxMs), 1),
        `${fixed(Math.max(...speeds) / Math.min(...speeds))}x`,
      ];
    });
    const head = ["store", "survives", "/s", "of MemoryStore", "p50 ms", "p99 ms", "server us", "of MemoryStore", "service us", "delay p99 ms", "delay max ms", "spread"];
    return `### ${page}\n\n${table(head, rows)}`;
  }).join("\n\n");
}

// Our stores and MemoryStore on one processor at the same time.
function sideBySide({ beside, notBeside, scale }) {
  if (notBeside) return `## Side by side\n\nNot measured: ${notBeside}.`;
  const rows = Object.entries(beside).flatMap(([page, stores]) => Object.entries(stores).filter(([key]) => key !== "MemoryStore" && stores.MemoryStore).map(([key, samples]) => [
    page, nameOf(key), range(ratio(samples, stores.MemoryStore, perSecond)), range(ratio(samples, stores.MemoryStore, serverUs)),
    fixed(median(samples.map(({ p99Us }) => p99Us)) / 1000, 1), fixed(median(stores.MemoryStore.map(({ p99Us }) => p99Us)) / 1000, 1),
  ]));
  if (rows.length === 0) return "";
  const head = ["page", "store", "requests a second, of MemoryStore", "processor time, of MemoryStore", "p99 ms", "MemoryStore's p99 ms"];
  return `## Side by side on one processor, medians of ${scale.beside.rounds} rounds of ${scale.beside.seconds} s\n\n${table(head, rows)}`;
}

function memories({ memory, scale }) {
  const mb = (bytes) => fixed(bytes / 1e6, 0);
  const rows = Object.entries(memory).map(([key, { empty, stored, served, collected }]) => [
    nameOf(key), mb(empty.rss), mb(stored.rss), mb(served.rss), mb(served.anonymous), mb(served.file), mb(collected.rss), mb(collected.anonymous), mb(collected.heap),
  ]);
  const head = ["store", "empty", "stored", "served", "of it anonymous", "of it files", "collected", "of it anonymous", "of it V8's heap"];
  return `## Memory of the server with ${scale.stored} sessions, MB\n\n${table(head, rows)}`;
}

function calls({ calls: counted }) {
  const keys = Object.keys(counted);
  if (keys.length === 0) return "";
  const rows = keys.flatMap((key) => Object.entries(counted[key]).map(([page, made]) => {
    const all = Object.values(made).reduce((sum, number) => sum + number, 0);
    const named = Object.entries(made).filter(([, number]) => number >= 0.05).sort((one, other) => other[1] - one[1]);
    return [nameOf(key), page, fixed(all), named.map(([name, number]) => `${name} ${fixed(number)}`).join(", ")];
  }));
  return `## System calls a request, one request after the other\n\n${table(["store", "page", "calls", "which"], rows)}`;
}

function settings({ settings: said, leftOut }) {
  const lines = Object.entries(said).map(([key, text]) => `- **${nameOf(key)}** (${STORES[key].code()}): ${text}`);
  const absent = Object.entries(leftOut).map(([key, why]) => `- **${nameOf(key)}** took no part: ${why}`);
  return `## Settings\n\n${[...lines, ...absent].join("\n")}`;
}

// All of it.
function reported(outcome) {
  const { visitors, connections, rounds } = outcome.scale;
  const parts = [
    "# Sessions in an express server, by the store behind it",
    `\`node benches/node/run.js --out benches/node/report\`, ${machine(outcome)} ${visitors} visitors over ${connections} connections; medians of ${rounds} rounds of a second. What the columns mean: [\`../README.md\`](../README.md).`,
    goals(outcome),
    sideBySide(outcome),
    "## Requests",
    loads(outcome),
    memories(outcome),
    calls(outcome),
    settings(outcome),
  ];
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

module.exports = { reported };
