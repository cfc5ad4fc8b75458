#!/usr/bin/env node
// An Express server that remembers you: `npm install`, `SESSION_SECRET=$(openssl rand -hex 32) npm start`, then
// http://127.0.0.1:3000 in two browsers. In production (NODE_ENV=production) it stands behind HTTPS.

import { createServer } from "node:http";
import express from "express";
import { account } from "./account.mjs";
import { oauth } from "./oauth.mjs";
import { provider } from "./provider.mjs";
import { sessions, store } from "./sessions.mjs";
import { settings } from "./settings.mjs";
import { sockets } from "./socket.mjs";

// Whether a request comes from our own page, as browsers say of forms and of sockets. The proxy passes on `Host`.
function isOurs(req) {
  const { origin, host } = req.headers;
  return origin === undefined || origin === `${settings.production ? "https" : "http"}://${host}`;
}

const STOPPING_MS = 5000; // What asks for a stop often kills after ten seconds.

const app = express();
const server = createServer(app);
const { changed, close } = sockets(server, isOurs);

if (settings.production) app.set("trust proxy", 1);
app.disable("x-powered-by");
const web = (path, file) => app.get(path, (req, res) => res.sendFile(new URL(file, import.meta.url).pathname));
web("/", "../web/index.html");
web("/style.css", "../web/style.css");
web("/page.js", "../web/page.js");
web("/wire.js", "wire.js");

app.use((req, res, next) => (isOurs(req) ? next() : res.status(403).send("This form is not of this site.\n")));
app.use(express.urlencoded());
if (!settings.production) app.use(provider());
app.use(sessions);
app.use(account(changed));
app.use(oauth({ authorize: "/provider/authorize", token: "/provider/token", changed }));

await store.ready(); // A directory that cannot be opened ends the server here, with the reason.
server.listen(settings.port, settings.host, () => {
  console.log(`listening on http://${server.address().address}:${server.address().port}`);
});

async function stop() {
  // Requests end in their own time. A browser has also connections on which it has asked nothing, and closes none of them.
  setTimeout(() => server.closeAllConnections(), STOPPING_MS).unref();
  await close(); // The server, with its sockets.
  await store.close();
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
