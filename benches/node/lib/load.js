// The load: wrk, in a process of its own, with one thread.
"use strict";

const { execFile } = require("node:child_process");
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { promisify } = require("node:util");
const { sign } = require("cookie-signature");
const { idOf } = require("./data.js");
const { SECRET } = require("./server.js");

const PATIENCE_SECONDS = 16;
const PAGES = ["read", "touch", "write", "login"];

const cookieOf = (number) => `connect.sid=${encodeURIComponent(`s:${sign(idOf(number), SECRET)}`)}`;

// The cookies of the visitors, in an order that has nothing to do with when they were stored.
function cookies(visitors, file) {
  // A number without a common divisor walks through all of them.
  let step = Math.floor(visitors * 0.618) | 1;
  const divides = (one, other) => (other === 0 ? one : divides(other, one % other));
  while (divides(visitors, step) !== 1) step += 2;
  const lines = Array.from({ length: visitors }, (_, place) => cookieOf((place * step) % visitors));
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

// Asks for a page over so many connections, each as soon as it is answered.
async function load(port, page, { connections, seconds, file }) {
  const values = [
    "-t", "1", "-c", String(connections), "-d", `${seconds}s`, "--timeout", "60s", "-s", join(__dirname, "wrk.lua"),
    `http://127.0.0.1:${port}`, "--", page, file,
  ];
  const { stdout } = await promisify(execFile)("wrk", values);
  const said = JSON.parse(stdout.trim().split("\n").at(-1));
  if (said.errors > 0) throw new Error(`${page}: ${said.errors} of ${said.requests} requests went wrong: ${stdout}`);
  // Nobody was answered in that time: a disk in a bad mood.
  if (said.requests === 0 && seconds < PATIENCE_SECONDS) return load(port, page, { connections, seconds: seconds * 2, file });
  if (said.requests === 0) throw new Error(`${page}: no request was answered in ${seconds} s`);
  return said;
}

module.exports = { PAGES, cookieOf, cookies, load };
