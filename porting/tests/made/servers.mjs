// Private servers: each on a Unix socket in a directory that goes with it, ended with the test.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const runs = (command, ...args) => {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
};

// What of the servers is here, and what to say where one is not.
export const missing = {
  redis: runs("redis-server", "--version") ? undefined : "redis-server; on Debian: apt-get install redis-server",
  postgres: runs("postgres", "--version") && runs("initdb", "--version") ? undefined : "PostgreSQL; on Debian: apt-get install postgresql",
};

async function server(command, args, ready, options = {}) {
  const child = spawn(command, args, { stdio: "ignore", ...options });
  const ended = once(child, "exit");
  // However this process ends by itself.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  for (let tries = 0; !(await ready()); tries += 1) {
    if (child.exitCode !== null || tries > 200) throw new Error(`${command} did not start`);
    await pause(50);
  }
  return async () => {
    process.removeListener("exit", kill);
    child.kill("SIGTERM");
    await ended;
  };
}

export async function redis(directory) {
  const path = join(directory, "redis.sock");
  const close = await server("redis-server", ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory], () => existsSync(path));
  return { path, close };
}

// PostgreSQL refuses to be root: then it is the user that its package has made, or nobody.
function somebody() {
  if (process.getuid() !== 0) return {};
  const name = runs("id", "-u", "postgres") ? "postgres" : "nobody";
  return { uid: Number(runs("id", "-u", name)), gid: Number(runs("id", "-g", name)) };
}

export async function postgres(directory) {
  const home = join(directory, "postgres");
  mkdirSync(home);
  chmodSync(directory, 0o755);
  const user = somebody();
  if (user.uid !== undefined) chownSync(home, user.uid, user.gid);
  const options = { ...user, cwd: home };
  const data = join(home, "data");
  execFileSync("initdb", ["-D", data, "-U", "app", "-A", "trust", "--no-sync"], { ...options, stdio: "ignore" });
  const args = ["-D", data, "-k", home, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=Asia/Kolkata"];
  const close = await server("postgres", args, () => runs("psql", "-h", home, "-U", "app", "-d", "postgres", "-c", "select 1"), options);
  return { host: home, close };
}
