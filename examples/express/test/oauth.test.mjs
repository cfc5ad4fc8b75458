// A login at a provider waits in a session of ten minutes, which is over when the user has come back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, serve } from "./support/server.mjs";

const seconds = (line) => (Date.parse(/Expires=([^;]+)/.exec(line)[1]) - Date.now()) / 1000;
const to = (answer) => answer.headers.get("location");

test("there and back: logged in under another id, with the cart, for as long as any login", async (t) => {
  const server = await serve(t);
  const ada = browser(server);
  await ada.visit("/cart", { item: "tea" });
  const start = await ada.visit("/oauth/start", {});
  assert.ok(seconds(ada.line) > 590 && seconds(ada.line) <= 600, ada.line);
  const waiting = ada.cookie;
  const back = to(await ada.visit(to(start)));
  assert.equal((await ada.me()).user, null, "who only waits is nobody");
  await server.end("SIGKILL"); // The user takes his time, and the server starts again meanwhile.
  const { port } = new URL(server.address);
  await server.start();
  const moved = back.replace(`:${port}/`, `:${new URL(server.address).port}/`);
  assert.equal((await ada.visit(moved)).status, 400, "the provider of before has died with its codes");
  const again = to(await ada.visit(to(await ada.visit("/oauth/start", {}))));
  assert.equal((await ada.visit(again)).status, 303);
  const me = await ada.me();
  assert.deepEqual([me.user, me.cart, me.devices.length], ["Ada", ["tea"], 1]);
  assert.notEqual(ada.cookie, waiting);
  assert.ok(seconds(ada.line) > 1700, ada.line);
  assert.equal((await ada.visit(again)).status, 400, "what was used once is over");
});

test("another's answer, a changed state and a code of somebody else are refused", async (t) => {
  const server = await serve(t);
  const [ada, mallory] = [browser(server), browser(server)];
  const hers = to(await ada.visit(to(await ada.visit("/oauth/start", {}))));
  const his = to(await mallory.visit(to(await mallory.visit("/oauth/start", {}))));
  assert.equal((await ada.visit(his)).status, 400, "his state is not hers");
  const mixed = new URL(hers);
  mixed.searchParams.set("code", new URL(his).searchParams.get("code"));
  assert.equal((await ada.visit(mixed)).status, 400, "her verifier does not open his code");
  assert.equal((await browser(server).visit(hers)).status, 400, "nothing was begun in this browser");
  assert.equal((await ada.me()).user, null);
});

test("the time of a login is not made longer by use, nor is it by the cookie", async (t) => {
  const server = await serve(t, { LOGIN_SECONDS: "2" });
  const ada = browser(server);
  await ada.visit("/cart", { item: "tea" });
  const begun = Date.now();
  const back = to(await ada.visit(to(await ada.visit("/oauth/start", {}))));
  const first = ada.cookie;
  while ((await ada.me()).cart.length > 0) {
    assert.ok(Date.now() - begun < 10_000, "it goes on for ever");
    await new Promise((later) => setTimeout(later, 100));
  }
  assert.ok(Date.now() - begun >= 2000);
  ada.cookie = first;
  assert.equal((await ada.visit(back)).status, 400);
});
