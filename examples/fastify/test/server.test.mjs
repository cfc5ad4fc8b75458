// The server as it is run: who has logged in stays so through kill -9, and who has logged out stays out.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../server.mjs", import.meta.url));
const SECRET = "a secret of more than thirty-two characters";

function run(environment) {
  const env = { ...process.env, PORT: "0", SESSION_SECRET: SECRET, ...environment };
  return spawn(process.execPath, [PROGRAM], { env, stdio: ["ignore", "pipe", "pipe"] });
}

async function serve(t, environment = {}) {
  const directory = mkdtempSync(join(tmpdir(), "sessile-fastify-"));
  let child;
  let address;
  const start = async () => {
    child = run({ SESSILE_DIR: join(directory, "sessions"), ...environment });
    child.stderr.pipe(process.stderr);
    [, address] = /(http:\S+)/.exec(String((await once(child.stdout, "data"))[0]));
  };
  const end = async (signal) => {
    const ended = once(child, "exit");
    child.kill(signal);
    return (await ended)[0];
  };
  const visit = (path, cookie = "", form = undefined, headers = {}) =>
    fetch(address + path, { method: form ? "POST" : "GET", body: form && new URLSearchParams(form), headers: { ...headers, cookie }, redirect: "manual" });
  const login = async (name, ...more) => {
    const answer = await visit("/login", "", { name }, ...more);
    return { line: answer.headers.get("set-cookie"), cookie: answer.headers.get("set-cookie")?.split(";")[0] };
  };
  const me = async (cookie) => (await visit("/", cookie)).json();
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  await start();
  const silent = async () => {
    const { hostname, port } = new URL(address);
    const socket = connect(port, hostname).on("error", () => {});
    await once(socket, "connect");
  };
  return { start, end, visit, login, me, silent };
}

test("a login survives kill -9 and a clean stop, a logout too", async (t) => {
  const { start, end, visit, login, me } = await serve(t);
  const { cookie, line } = await login("Ada");
  assert.match(line, /^id=.*; Path=\/; .*HttpOnly; SameSite=Lax$/);
  for (let visits = 1; visits < 4; visits += 1) {
    const { user, visits: counted, devices } = await me(cookie);
    assert.deepEqual([user, counted, devices.length, devices[0].this], ["Ada", visits, 1, true]);
    await end("SIGKILL");
    await start();
  }
  await visit("/logout", cookie, {});
  await end("SIGKILL");
  await start();
  assert.deepEqual(await me(cookie), { user: null });
  assert.equal(await end("SIGTERM"), 0);
});

test("a stop does not wait for a browser's connection on which nothing was asked", async (t) => {
  const { end, silent } = await serve(t);
  await silent();
  assert.equal(await end("SIGTERM"), 0);
});

test("log out everywhere ends all of a user's sessions and nobody else's", async (t) => {
  const { visit, login, me, end, start } = await serve(t);
  const [laptop, phone, eve] = await Promise.all(["Ada", "Ada", "Eve"].map((name) => login(name)));
  assert.equal((await me(laptop.cookie)).devices.length, 2);
  await visit("/logout/everywhere", laptop.cookie, {});
  await end("SIGKILL");
  await start();
  const users = await Promise.all([laptop, phone, eve].map(async ({ cookie }) => (await me(cookie)).user));
  assert.deepEqual(users, [null, null, "Eve"]);
});

test("a session ends when it is not used, and use makes it longer, also over a restart", async (t) => {
  const { login, me, end, start } = await serve(t, { IDLE_SECONDS: "4" });
  const { cookie } = await login("Ada");
  const begun = Date.now();
  while (Date.now() - begun < 5000) {
    assert.equal((await me(cookie)).user, "Ada");
    await new Promise((later) => setTimeout(later, 500));
  }
  await end("SIGTERM");
  await start();
  assert.equal((await me(cookie)).user, "Ada");
  await new Promise((later) => setTimeout(later, 4100));
  assert.equal((await me(cookie)).user, null);
});

test("it does not start with a weak secret, and takes no login without a name", async (t) => {
  const child = run({ SESSION_SECRET: "swordfish" });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.equal(code, 1);
  assert.match(said, /^not started: SESSION_SECRET needs 32 characters/);
  const { visit } = await serve(t);
  assert.equal((await visit("/login", "", { name: "" })).status, 400);
});

test("in production the cookie is of this host alone, over HTTPS", async (t) => {
  const { login } = await serve(t, { NODE_ENV: "production" });
  assert.equal((await login("Ada")).line, null, "over plain HTTP there is none");
  const { line } = await login("Ada", { "x-forwarded-proto": "https" });
  assert.match(line, /^__Host-id=.*; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/);
});
