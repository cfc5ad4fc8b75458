// What the server refuses to start with, and the cookie that it sets.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { browser, run, serve } from "./support/server.mjs";

async function refused(environment) {
  const child = run(environment);
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.equal(code, 1);
  return said;
}

test("without a secret, and with one that is too short, it does not start, and opens nothing", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "sessile-express-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const SESSILE_DIR = join(directory, "sessions");
  assert.match(await refused({ SESSION_SECRET: "", SESSILE_DIR }), /^not started: SESSION_SECRET is not set.*openssl rand -hex 32\n$/);
  const short = await refused({ SESSION_SECRET: "swordfish", SESSILE_DIR });
  assert.match(short, /^not started: SESSION_SECRET has 9 characters.*needs 32/);
  assert.doesNotMatch(short, /swordfish/);
  assert.match(await refused({ IDLE_SECONDS: "soon", SESSILE_DIR }), /IDLE_SECONDS/);
  assert.match(await refused({ ADDR: "here", SESSILE_DIR }), /ADDR/);
  assert.equal(existsSync(SESSILE_DIR), false);
});

test("in production the cookie is of this host alone, over HTTPS, and there is no provider of our own", async (t) => {
  const server = await serve(t, { NODE_ENV: "production" });
  const plain = browser(server);
  await plain.visit("/login", { name: "Ada" });
  assert.equal(plain.line, "", "over plain HTTP there is none");
  const ada = browser(server, { "x-forwarded-proto": "https" });
  await ada.visit("/login", { name: "Ada" });
  assert.match(ada.line, /^__Host-id=.*; Path=\/; Expires=.*; HttpOnly; Secure; SameSite=Lax$/);
  assert.equal((await ada.me()).user, "Ada");
  assert.equal((await ada.visit("/provider/authorize")).status, 404);
  await ada.visit("/logout", {});
  assert.match(ada.line, /^__Host-id=; Path=\/; Expires=Thu, 01 Jan 1970 .*; HttpOnly; Secure; SameSite=Lax$/);
});

test("a form of another site is refused", async (t) => {
  const server = await serve(t);
  const ada = browser(server);
  await ada.visit("/login", { name: "Ada" });
  const elsewhere = browser(server, { origin: "https://elsewhere.example" });
  elsewhere.cookie = ada.cookie;
  assert.equal((await elsewhere.visit("/logout", {})).status, 403);
  assert.equal((await ada.me()).user, "Ada");
});

test("what two pages put into one cart at the same time is both there, and is kept at login", async (t) => {
  const server = await serve(t);
  const ada = browser(server);
  await ada.visit("/cart", { item: "tea" });
  const items = Array.from({ length: 12 }, (_, number) => `cup ${number}`);
  await Promise.all(items.map((item) => ada.visit("/cart", { item })));
  await ada.visit("/login", { name: "Ada" });
  assert.deepEqual((await ada.me()).cart.sort(), [...items, "tea"].sort());
});
