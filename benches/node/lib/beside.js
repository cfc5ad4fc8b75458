// Side by side: servers on one processor, asked at the same time by loads on the other. What slows that processor slows all of
// them alike, so that ratios are far steadier than of turns; and since they share it fairly, who needs less of it for a request
// answers more of them.
"use strict";

const { execFileSync } = require("node:child_process");
const os = require("node:os");
const { load } = require("./load.js");
const { isInstalled } = require("./services.js");

// Why it cannot be here; undefined where it can.
function impossible() {
  if (!isInstalled("taskset")) return "there is no taskset, which puts a process on a processor";
  return os.availableParallelism() < 2 ? "there is one processor, and it takes two" : undefined;
}

const pin = (pid, processor) => execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", String(processor), String(pid)], { stdio: "ignore" });

// Has all contenders answer a page at the same time, so many rounds after some that do not count; the samples by contender.
async function besides(contenders, page, { warmUps, rounds, ...scale }) {
  const samples = Object.fromEntries(contenders.map(({ key }) => [key, []]));
  for (let round = 1 - warmUps; round <= rounds; round += 1) {
    const made = await Promise.all(contenders.map((contender) => contender.measure(() => load(contender.port, page, scale))));
    if (round > 0) contenders.forEach(({ key }, place) => samples[key].push(made[place]));
  }
  return samples;
}

// This process, and so the loads that it starts, go to one processor, and the contenders to the other.
function apart(contenders) {
  pin(process.pid, 1);
  for (const { pid } of contenders) pin(pid, 0);
}

module.exports = { apart, besides, impossible };
