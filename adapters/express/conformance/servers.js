// Servers for the stores that need one: each private, on a Unix socket in a directory that goes with it.
"use strict";

const { execFileSync, spawn } = require("node:child_process");
const { once } = require("node:events");
const { chmodSync, chownSync, existsSync, mkdirSync } = require("node:fs");
const { join } = require("node:path");
const { setTimeout: pause } = require("node:timers/promises");

async function server(program, args, up, options) {
  const child = spawn(program, args, { stdio: "ignore", ...options });
  // However this process ends by itself.
  process.once("exit", () => child.kill("SIGKILL"));
  const failed = once(child, "error").then(([error]) => {
    throw new Error(`${program} does not run here: ${error.message}`);
  });
  await Promise.race([failed, ready(child, program, up)]);
  failed.catch(() => {});
  return async () => {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
}

async function ready(child, program, up) {
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) throw new Error(`${program} ended at once, with ${child.exitCode}`);
    if (up()) return;
    await pause(50);
  }
  throw new Error(`${program} was not ready within ten seconds`);
}

async function redis(directory) {
  const path = join(directory, "redis.sock");
  const close = await server("redis-server", ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory], () => existsSync(path));
  return { path, close };
}

// PostgreSQL refuses to be root, so it is the user that its package has made.
function postgresUser(directory) {
  if (process.getuid() !== 0) return {};
  const of = (kind) => Number(execFileSync("id", [kind, "postgres"], { encoding: "utf8" }));
  const user = { uid: of("-u"), gid: of("-g") };
  chownSync(directory, user.uid, user.gid);
  return user;
}

async function postgres(directory) {
  const home = join(directory, "postgres");
  mkdirSync(home);
  chmodSync(directory, 0o755);
  const user = postgresUser(home);
  const options = { ...user, cwd: home };
  const data = join(home, "data");
  execFileSync("initdb", ["-D", data, "-U", "sessile", "-A", "trust", "--no-sync"], { ...options, stdio: "ignore" });
  const args = ["-D", data, "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"];
  const isUp = () => {
    try {
      execFileSync("pg_isready", ["-h", home], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };
  const close = await server("postgres", args, isUp, options);
  return { host: home, close };
}

module.exports = { postgres, redis };
