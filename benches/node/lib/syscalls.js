// System calls a request, which no noise can touch: strace counts them while requests come one after the other.
"use strict";

const { spawn } = require("node:child_process");
const http = require("node:http");
const { cookieOf } = require("./load.js");

// Asks once, and gives the cookie that the answer sets.
function ask(agent, port, page, cookie) {
  const method = page === "write" || page === "login" ? "POST" : "GET";
  return new Promise((done, failed) => {
    const request = http.request({ agent, port, method, host: "127.0.0.1", path: `/${page}`, headers: { cookie } }, (answer) => {
      answer.resume();
      answer.once("end", () => {
        if (answer.statusCode !== 200) failed(new Error(`${page} answers ${answer.statusCode}`));
        else done(answer.headers["set-cookie"]?.[0].split(";", 1)[0]);
      });
    });
    request.once("error", failed);
    request.end();
  });
}

// How often each system call was made while `during` ran, all threads together.
async function traced(pid, during) {
  const strace = spawn("strace", ["-f", "-c", "-p", String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const attached = new Promise((done) => strace.stderr.on("data", (text) => {
    said += text;
    if (said.includes("attached")) done();
  }));
  const ended = new Promise((done) => strace.once("close", done));
  await Promise.race([attached, ended]);
  await during();
  strace.kill("SIGINT");
  await ended;
  // % time, seconds, usecs/call, calls, errors if there were any, name
  const lines = said.split("\n").map((line) => line.trim().split(/\s+/)).filter((fields) => /^\d+\.\d+$/.test(fields[0]) && fields.at(-1) !== "total");
  if (lines.length === 0) throw new Error(`strace counted nothing: ${said}`);
  return Object.fromEntries(lines.map((fields) => [fields.at(-1), Number(fields[3])]));
}

// Calls a request for each page, by their names.
async function syscalls(contender, pages, { traced: requests, visitors }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const counted = {};
  for (const page of pages) {
    let cookie = cookieOf(0);
    const several = async (from, to) => {
      for (let number = from; number < to; number += 1) {
        // Who logs in goes on with the cookie that he got.
        const given = await ask(agent, contender.port, page, page === "login" ? cookie : cookieOf(number % visitors));
        cookie = given ?? cookie;
      }
    };
    await several(0, requests);
    const made = await traced(contender.pid, () => several(requests, 2 * requests));
    counted[page] = Object.fromEntries(Object.entries(made).map(([name, number]) => [name, number / requests]));
  }
  agent.destroy();
  return counted;
}

module.exports = { syscalls };
