// A process that leaves a folder of session-file-store and is killed before its N-th call that changes anything, of the new store
// or of the ledger, or before it hears of the N-th sync:
// node mover.js DIRECTORY FOLDER WHAT N [FROM THE OPENING ON]
"use strict";

const { writeSync } = require("node:fs");
const { SessileStore } = require("../..");
const { at: session, files } = require("./leaving.js");
const { stepping } = require("./steps.js");

const [path, folder, what, at, early] = process.argv.slice(2);
let left = early ? Number(at) : Infinity;

stepping(() => {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
});

const store = new SessileStore({ path, subject: (one) => one.user, fallback: files(folder) });
require("express-session")({ secret: "s", store, resave: false, saveUninitialized: false });

const acts = {
  open: () => {},
  get: () => store.get("id"),
  destroy: () => store.destroy("id"),
  "destroy imported": () => store.destroy("id"),
  destroySubject: () => store.destroySubject("ada"),
  clear: () => store.clear(),
  destroyHandle: async () => store.destroyHandle(await store.handleOf("id")),
  "get and destroy": () => Promise.all([store.get("id"), store.destroy("id")]),
  "get and destroySubject": () => Promise.all([store.get("id"), store.destroySubject("ada")]),
  set: () => store.set("id", session("eve")),
  regenerate: () => store.regenerate({ sessionID: "id", sessionStore: store, headers: {}, connection: {} }),
};

async function act() {
  await store.ready();
  if (!early) left = Number(at);
  await acts[what]();
  writeSync(1, "answered\n");
  left = Infinity;
  await store.close();
  writeSync(1, "whole\n");
}

act();
