// A socket is let in by a session's cookie, and ends with the session.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { io } from "socket.io-client";
import { browser, serve } from "./support/server.mjs";

function open(t, server, cookie, more = {}) {
  const socket = io(server.address, { forceNew: true, reconnection: false, extraHeaders: { cookie, ...more.headers }, transports: more.transports });
  t.after(() => socket.close());
  return socket;
}

// A socket that is connected, and what will have ended it.
async function connected(t, server, who, more) {
  const socket = open(t, server, who.cookie, more);
  const ended = once(socket, "disconnect").then(([reason]) => reason);
  await once(socket, "connect");
  return { socket, ended };
}

async function member(server, name) {
  const one = browser(server);
  await one.visit("/login", { name });
  return one;
}

const BY_THE_SERVER = "io server disconnect";

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  test(`by ${transports.join(" and then ")}: a cookie lets in, and logout disconnects`, async (t) => {
    const server = await serve(t);
    const ada = await member(server, "Ada");
    const one = await connected(t, server, ada, { transports });
    const two = await connected(t, server, ada, { transports });
    await ada.visit("/logout", {});
    assert.deepEqual(await Promise.all([one.ended, two.ended]), [BY_THE_SERVER, BY_THE_SERVER]);
    const [error] = await once(open(t, server, ada.cookie, { transports }), "connect_error");
    assert.equal(error.message, "log in first");
  });
}

test("without a session, with a forged cookie and from another site nobody is let in", async (t) => {
  const server = await serve(t);
  const ada = await member(server, "Ada");
  for (const cookie of ["", ada.cookie.slice(0, -3) + "abc", "id=s%3Anobody.nothing"]) {
    const [error] = await once(open(t, server, cookie), "connect_error");
    assert.equal(error.message, "log in first", cookie);
  }
  const elsewhere = { headers: { origin: "http://elsewhere.example" } };
  await once(open(t, server, ada.cookie, elsewhere), "connect_error");
  const { socket } = await connected(t, server, ada, { headers: { origin: server.address } });
  assert.ok(socket.connected);
});

test("ending one device disconnects its socket alone, and log out everywhere all of the user's, and nobody else's", async (t) => {
  const server = await serve(t);
  const [laptop, phone, tablet, eve] = await Promise.all(["Ada", "Ada", "Ada", "Eve"].map((name) => member(server, name)));
  const [first, second, third, other] = await Promise.all([laptop, phone, tablet, eve].map((who) => connected(t, server, who)));
  const told = once(first.socket, "changed");
  const { handle } = (await phone.me()).devices.find((one) => one.this);
  await laptop.visit("/devices/end", { handle });
  assert.equal(await second.ended, BY_THE_SERVER);
  await told;
  assert.ok(first.socket.connected && third.socket.connected);
  await laptop.visit("/logout/everywhere", {});
  assert.deepEqual(await Promise.all([first.ended, third.ended]), [BY_THE_SERVER, BY_THE_SERVER]);
  assert.ok(other.socket.connected);
});

test("a session whose time is up takes its socket with it", async (t) => {
  const server = await serve(t, { IDLE_SECONDS: "2" });
  const ada = await member(server, "Ada");
  const { ended } = await connected(t, server, ada);
  assert.equal(await ended, BY_THE_SERVER);
  assert.equal((await ada.me()).user, null);
});

test("another login in the same browser is another session: the socket of the old one ends", async (t) => {
  const server = await serve(t);
  const ada = await member(server, "Ada");
  const { ended } = await connected(t, server, ada);
  await ada.visit("/login", { name: "Eve" });
  assert.equal(await ended, BY_THE_SERVER);
});

test("a session that ends while its socket connects leaves no socket behind", async (t) => {
  const server = await serve(t);
  const left = [];
  for (let round = 0; round < 20; round += 1) {
    const ada = await member(server, `Ada ${round}`);
    const sockets = Array.from({ length: 5 }, () => open(t, server, ada.cookie, { transports: ["websocket"] }));
    await new Promise((later) => setTimeout(later, round));
    await ada.visit("/logout", {});
    left.push(...sockets);
  }
  const until = Date.now() + 5000;
  while (left.some((one) => one.connected) && Date.now() < until) await new Promise((later) => setTimeout(later, 50));
  assert.equal(left.filter((one) => one.connected).length, 0);
});
