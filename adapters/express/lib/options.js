// Options: what `new SessileStore(options)` takes, checked before anything is opened. A mistake here is the programmer's, and
// is thrown; what goes wrong later is told to who asks.
"use strict";

const { resolve } = require("node:path");
const { fileURLToPath } = require("node:url");

const LOCK_WAIT_MS = 30_000;

const isTime = (value) => typeof value === "number" && value >= 0;
const isCount = (value) => Number.isSafeInteger(value) && value > 0;
const isFunction = (value) => typeof value === "function";
const isBoolean = (value) => typeof value === "boolean";

// Each option: what it must be, in words and as a test.
const RULES = {
  path: ["the directory of the store, as a string or a file: URL", (value) => (typeof value === "string" ? value !== "" : value instanceof URL && value.protocol === "file:")],
  ttl: ["a number of milliseconds, or a function of the session", (value) => isFunction(value) || (typeof value === "number" && value > 0)],
  touchAfter: ["a number of milliseconds", isTime],
  durability: ["'synced' or 'written'", (value) => ["synced", "written"].includes(value)],
  merge: ["true or false", isBoolean],
  onConflict: ["a function of key, base, mine and theirs", isFunction],
  subject: ["a function of the session", isFunction],
  lockWait: ["a number of milliseconds", isTime],
  absolute: ["a number of milliseconds", (value) => isTime(value) && value > 0],
  firstLifetime: ["a number of milliseconds", (value) => isTime(value) && value > 0],
  keepIds: ["true or false", isBoolean],
  sessionsMax: ["a whole number", isCount],
  sessionBytesMax: ["a whole number", isCount],
  diskBytesMax: ["a whole number", isCount],
  recovery: ["'strict' or 'salvage'", (value) => ["strict", "salvage"].includes(value)],
};
// What the addon is told when it opens the store.
const OF_THE_STORE = ["touchAfter", "durability", "absolute", "firstLifetime", "keepIds", "sessionsMax", "sessionBytesMax", "diskBytesMax", "recovery"];

function checked(options) {
  if (options === null || typeof options !== "object") {
    throw new TypeError("connect-sessile: new SessileStore({ path: 'sessions' }) needs the directory of the store");
  }
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !Object.hasOwn(RULES, name)) throw new TypeError(`connect-sessile: there is no option ${name}`);
  }
  for (const [name, [words, holds]] of Object.entries(RULES)) {
    const missing = options[name] === undefined;
    if (missing ? name === "path" : !holds(options[name])) throw new TypeError(`connect-sessile: ${name} must be ${words}`);
  }
  if (options.onConflict && !options.merge) throw new TypeError("connect-sessile: onConflict needs merge: true");
  const settings = { lockWait: options.lockWait ?? LOCK_WAIT_MS };
  for (const name of OF_THE_STORE) if (options[name] !== undefined) settings[name] = options[name];
  // Now: it is opened on another thread, and the program may go elsewhere meanwhile.
  const directory = resolve(options.path instanceof URL ? fileURLToPath(options.path) : options.path);
  return { ...options, directory, settings };
}

module.exports = { checked };
