// Services that stores need beside the server, real ones and private: Redis and PostgreSQL, over Unix sockets.
//
// Owns: their processes and their directories. What is not installed is said, and whoever needs it takes no part.
"use strict";

const { execFileSync, spawn } = require("node:child_process");
const { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { setTimeout: pause } = require("node:timers/promises");

const WAIT_MS = 20_000;

function output(command, values, options = {}) {
  return execFileSync(command, values, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], ...options }).trim();
}

function isInstalled(command) {
  try {
    return output("which", [command]);
  } catch {
    return undefined;
  }
}

// Starts a program and waits until `isReady`. What it has said is in the error if it ends before.
async function started(command, values, options, isReady) {
  const child = spawn(command, values, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said = (said + text).slice(-2000)));
  let over = false;
  child.once("error", (error) => ([over, said] = [true, error.message]));
  child.once("exit", () => (over = true));
  for (let waited = 0; !isReady(); waited += 20) {
    if (over || waited > WAIT_MS) throw new Error(`${command} does not start: ${said}`);
    await pause(20);
  }
  const stop = (signal) => new Promise((ended) => {
    if (over) return ended();
    child.once("exit", ended);
    return child.kill(signal);
  });
  return { pid: child.pid, stop };
}

async function redis(directory, fsync) {
  const socket = join(directory, "redis.sock");
  const version = /v=(\S+)/.exec(output("redis-server", ["--version"]))?.[1];
  const values = [
    "--port", "0", "--unixsocket", socket, "--dir", directory, "--save", "", "--appendonly", "yes", "--appendfsync", fsync,
  ];
  const { pid, stop } = await started("redis-server", values, {}, () => existsSync(socket));
  return { socket, pid, settings: `redis-server ${version}, appendonly yes, appendfsync ${fsync}, save ""`, stop: () => stop("SIGTERM") };
}

// Where PostgreSQL's programs are: Debian keeps them out of the path.
function postgresPrograms() {
  const debian = "/usr/lib/postgresql";
  const newest = existsSync(debian) ? readdirSync(debian).sort((one, other) => Number(other) - Number(one))[0] : undefined;
  const places = [newest && join(debian, newest, "bin"), isInstalled("initdb")?.replace(/\/initdb$/, "")];
  return places.find((place) => place && existsSync(join(place, "initdb")));
}

// PostgreSQL does not run as root: then it runs as its own user, who must be there.
function postgresUser() {
  if (process.getuid() !== 0) return {};
  const line = readFileSync("/etc/passwd", "utf8").split("\n").find((user) => user.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

async function postgres(directory) {
  const programs = postgresPrograms();
  const user = postgresUser();
  const data = join(directory, "data");
  if (user.uid) chownSync(directory, user.uid, user.gid);
  const options = { ...user, cwd: directory };
  output(join(programs, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], options);
  const values = ["-D", data, "-c", "listen_addresses=", "-c", `unix_socket_directories=${directory}`];
  const { pid, stop } = await started(join(programs, "postgres"), values, options, () => {
    // It says so in its own file when it takes connections.
    const file = join(data, "postmaster.pid");
    return existsSync(file) && readFileSync(file, "utf8").includes("ready");
  });
  const version = output(join(programs, "postgres"), ["--version"]).replace(/^.*?(\d\S*).*$/, "$1");
  return { socket: directory, pid, settings: `PostgreSQL ${version} as it comes (fsync=on, synchronous_commit=on)`, stop: () => stop("SIGINT") };
}

const SERVICES = {
  "redis-everysec": { absent: () => !isInstalled("redis-server") && "there is no redis-server on this machine", start: (directory) => redis(directory, "everysec") },
  "redis-always": { absent: () => !isInstalled("redis-server") && "there is no redis-server on this machine", start: (directory) => redis(directory, "always") },
  postgres: {
    absent: () => (postgresPrograms() ? !postgresUser() && "there is no user postgres, and PostgreSQL does not run as root" : "there is no PostgreSQL on this machine"),
    start: postgres,
  },
};

// Why a service cannot be had here, or false.
const absent = (name) => SERVICES[name].absent();

async function start(name, directory) {
  mkdirSync(directory, { recursive: true });
  return SERVICES[name].start(directory);
}

module.exports = { absent, isInstalled, start };
