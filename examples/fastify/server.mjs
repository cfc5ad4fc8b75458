#!/usr/bin/env node
// A Fastify server that remembers you: `SESSION_SECRET=$(openssl rand -hex 32) npm start`, then
// curl -c jar -b jar -d name=Ada http://127.0.0.1:3000/login and curl -b jar http://127.0.0.1:3000

import cookies from "@fastify/cookie";
import forms from "@fastify/formbody";
import sessions from "@fastify/session";
import { SessileStore } from "connect-sessile";
import fastify from "fastify";

const { HOST = "127.0.0.1", PORT = "3000", IDLE_SECONDS = "1800", SESSILE_DIR = "sessions", SESSION_SECRET = "", NODE_ENV } = process.env;
const STOPPING_MS = 5000; // What asks for a stop often kills after ten seconds.
const production = NODE_ENV === "production"; // Behind a proxy that speaks HTTPS.

if (SESSION_SECRET.length < 32) {
  console.error("not started: SESSION_SECRET needs 32 characters, and the same ones at each start: openssl rand -hex 32");
  process.exit(1);
}

const store = new SessileStore({ path: SESSILE_DIR, merge: true, subject: (one) => one.user, lockWait: 5000 });
const app = fastify({ trustProxy: production });

app.register(forms);
app.register(cookies);
app.register(sessions, {
  store,
  secret: SESSION_SECRET,
  cookieName: production ? "__Host-id" : "id",
  cookie: { path: "/", httpOnly: true, sameSite: "lax", secure: production, maxAge: Number(IDLE_SECONDS) * 1000 },
  saveUninitialized: false,
});

// Yours checks a password first. An id that somebody knew before the login is worth nothing after it.
const form = { body: { type: "object", required: ["name"], properties: { name: { type: "string", minLength: 1 } } } };
app.post("/login", { schema: form }, async (request, reply) => {
  await request.session.regenerate();
  request.session.user = request.body.name;
  request.session.device = request.headers["user-agent"];
  return reply.redirect("/", 303);
});

app.get("/", async ({ session }) => {
  if (!session.user) return { user: null };
  session.visits = (session.visits ?? 0) + 1;
  const mine = await store.handleOf(session.sessionId);
  const devices = await store.sessionsOf(session.user);
  return {
    user: session.user,
    visits: session.visits,
    devices: devices.map((one) => ({ handle: one.handle, name: one.session.device, this: one.handle === mine })),
  };
});

app.post("/logout", async (request, reply) => {
  await request.session.destroy();
  return reply.redirect("/", 303);
});

// One record ends them all, however many they are.
app.post("/logout/everywhere", async (request, reply) => {
  if (request.session.user) await store.destroySubject(request.session.user);
  await request.session.destroy();
  return reply.redirect("/", 303);
});

app.addHook("onReady", () => store.ready());
app.addHook("onClose", () => store.close());
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    // Requests end in their own time. A browser has also connections on which it has asked nothing, and closes none of them.
    setTimeout(() => app.server.closeAllConnections(), STOPPING_MS).unref();
    app.close();
  });
}

console.log(`listening on ${await app.listen({ host: HOST, port: Number(PORT) })}`);
