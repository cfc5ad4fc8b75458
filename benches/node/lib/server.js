// The server: express 5 and express-session over one store, in a process of its own. What is to be done beside answering requests
// is told by messages: { ask, ...values }, one at a time.
"use strict";

const { monitorEventLoopDelay } = require("node:perf_hooks");
const { promisify } = require("node:util");
const express = require("express");
const session = require("express-session");
const { LIFETIME_MS, idOf, sessionOf, userOf } = require("./data.js");
const { memory } = require("./process.js");
const { open } = require("./stores.js");

const SECRET = "a secret that is the same in every run";
const RESOLUTION_MS = 5;
const AT_ONCE = 64;

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

function pages(store) {
  const app = express();
  app.disable("x-powered-by");
  const settings = { store, secret: SECRET, resave: false, saveUninitialized: false, cookie: { maxAge: LIFETIME_MS, sameSite: "lax" } };
  const plain = session(settings);
  const rolling = session({ ...settings, rolling: true });
  // Who has no session is no visitor of ours, and a run in which that happens is void.
  const known = (req, res, next) => (req.session.passport ? next() : res.sendStatus(401));
  const answer = (req, res) => res.send(`${req.session.passport.user} ${req.session.views}`);

  app.get("/read", plain, known, answer);
  app.get("/touch", rolling, known, answer);
  app.post("/write", plain, known, (req, res) => {
    req.session.views += 1;
    answer(req, res);
  });
  let logins = 0;
  app.post("/login", plain, (req, res, next) => req.session.regenerate((error) => {
    if (error) return next(error);
    logins += 1;
    Object.assign(req.session, { passport: { user: userOf(logins) }, views: 0 });
    return answer(req, res);
  }));
  return app;
}

// Does `one` for each number below `end`, so many at once.
async function each(end, one) {
  let next = 0;
  const worker = async () => {
    while (next < end) await one(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function tasks({ store, unsynced, settings, close }) {
  const set = promisify(store.set.bind(store));
  const get = promisify(store.get.bind(store));
  let before;
  return {
    settings: async () => settings,
    // Stores so many visitors.
    async fill({ visitors }) {
      await unsynced(true);
      await each(visitors, (number) => set(idOf(number), sessionOf(number)));
      await unsynced(false);
    },
    // Reads every visitor as a request would.
    async readAll({ visitors }) {
      await each(visitors, async (number) => {
        const req = { sessionID: idOf(number), sessionStore: store };
        store.createSession(req, await get(req.sessionID));
      });
    },
    // How many views all visitors have together.
    async views({ visitors }) {
      let views = 0;
      await each(visitors, async (number) => {
        const found = await get(idOf(number));
        views += found.views;
      });
      return views;
    },
    async begin() {
      delay.enable();
      delay.reset();
      before = process.cpuUsage();
    },
    async end() {
      const { user, system } = process.cpuUsage(before);
      delay.disable();
      // The interval itself is no delay.
      const beyond = (ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
      return { processorUs: user + system, delayP99Ms: beyond(delay.percentile(99)), delayMaxMs: beyond(delay.max) };
    },
    async collect() {
      for (let turn = 0; turn < 3; turn += 1) {
        global.gc();
        await new Promise(setImmediate);
      }
    },
    memory: async () => ({ ...memory(process.pid), heap: process.memoryUsage().heapUsed }),
    async close() {
      await close();
      setImmediate(() => process.exit());
    },
  };
}

async function serve(key, directory, service) {
  const opened = await open(key, directory, service);
  const doing = tasks(opened);
  process.on("message", ({ ask, ...values }) => {
    doing[ask](values).then(
      (done) => process.send({ done }),
      (error) => process.send({ failed: error.stack }),
    );
  });
  const server = pages(opened.store).listen(0, "127.0.0.1", () => process.send({ done: server.address().port }));
}

if (require.main === module) {
  const [key, directory, service] = process.argv.slice(2);
  serve(key, directory, JSON.parse(service)).catch((error) => process.send({ failed: error.stack }, () => process.exit(1)));
}

module.exports = { SECRET };
