// Processes as the kernel sees them: processor time and memory of one and of all that it has started.
"use strict";

const { readFileSync, readdirSync } = require("node:fs");

// Fields of /proc/PID/stat behind the name of the program, which may contain anything.
function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

// Ticks are a hundredth of a second on every Linux that Node.js runs on.
const TICK_US = 10_000;

// A process and its children, for PostgreSQL has one for each connection.
function family(pid) {
  const children = readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && stat(name)[1] === String(pid);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
  return [pid, ...children.map(Number)];
}

// Microseconds of processor time so far: of a process, its threads and its children, those that have ended included.
function processorUs(pid) {
  let ticks = 0;
  for (const one of family(pid)) {
    try {
      const fields = stat(one);
      for (const field of one === pid ? [11, 12, 13, 14] : [11, 12]) ticks += Number(fields[field]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks * TICK_US;
}

// Resident memory in bytes, and what of it has a file behind it and what has none.
function memory(pid) {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { rss: of("VmRSS"), anonymous: of("RssAnon"), file: of("RssFile") + of("RssShmem") };
}

// The kernel's count of idle and of all ticks.
function ticks() {
  const fields = readFileSync("/proc/stat", "utf8").split("\n", 1)[0].split(/\s+/).slice(1, 9).map(Number);
  return { idle: fields[3] + fields[4], all: fields.reduce((sum, field) => sum + field) };
}

// Waits until for 100 ms nobody has used more than a twelfth of the processors, or until `atMost` ms have passed.
async function rest(atMost) {
  const { setTimeout: pause } = require("node:timers/promises");
  for (let waited = 0; waited < atMost; waited += 100) {
    const before = ticks();
    await pause(100);
    const after = ticks();
    if (after.idle - before.idle >= (after.all - before.all) * (11 / 12)) return;
  }
}

module.exports = { memory, processorUs, rest };
