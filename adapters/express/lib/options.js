// Options: what `new SessileStore(options)` takes, checked before anything is opened. A mistake here is the programmer's, and
// is thrown; what goes wrong later is told to who asks.
"use strict";

const { keysIn, placeOf } = require("./place.js");

const LOCK_WAIT_MS = 30_000;
// A longer timer goes off at once.
const TIMER_MAX_MS = 2 ** 31 - 1;

// What a record has room for.
const SESSION_BYTES_MAX = 15 << 20;

const isTime = (value) => typeof value === "number" && value >= 0;
const isCount = (value) => Number.isSafeInteger(value) && value > 0;
const isFunction = (value) => typeof value === "function";
const isBoolean = (value) => typeof value === "boolean";

// Each option: what it must be, in words and as a test.
const RULES = {
  path: ["the directory of the store, as a string or a file: URL", (value) => (typeof value === "string" ? value !== "" : value instanceof URL && value.protocol === "file:")],
  url: ["where the store is, as in 'sessile:./sessions?durability=written'", (value) => typeof value === "string" || value instanceof URL],
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
  sessionBytesMax: ["a whole number of bytes, up to 15 MiB", (value) => isCount(value) && value <= SESSION_BYTES_MAX],
  diskBytesMax: ["a whole number", isCount],
  atLimit: ["'reject' or 'evict-anonymous'", (value) => ["reject", "evict-anonymous"].includes(value)],
  control: ["true or false", isBoolean],
  keys: ["where the keys are, as in 'file:/etc/shop/keys' or 'env:SHOP_KEYS'", (value) => typeof value === "string"],
  recovery: ["'strict' or 'salvage'", (value) => ["strict", "salvage"].includes(value)],
  fallback: ["the store of express-session that is being left", (value) => isFunction(value?.get) && isFunction(value.destroy)],
  fallbackTimeout: ["a number of milliseconds", (value) => isTime(value) && value > 0 && value <= TIMER_MAX_MS],
};
// What the addon is told when it opens the store.
const OF_THE_STORE = ["touchAfter", "durability", "absolute", "firstLifetime", "keepIds", "sessionsMax", "sessionBytesMax", "diskBytesMax", "control", "recovery", "url"];

function checked(options = {}) {
  if (options === null || typeof options !== "object") throw new TypeError("connect-sessile: options are an object");
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !Object.hasOwn(RULES, name)) throw new TypeError(`connect-sessile: there is no option ${name}`);
  }
  for (const [name, [words, holds]] of Object.entries(RULES)) {
    if (options[name] !== undefined && !holds(options[name])) throw new TypeError(`connect-sessile: ${name} must be ${words}`);
  }
  for (const [name, needed] of [["onConflict", "merge"], ["fallbackTimeout", "fallback"]]) {
    if (options[name] && !options[needed]) throw new TypeError(`connect-sessile: ${name} needs ${needed}`);
  }
  // Now: it is opened on another thread, and the program may go elsewhere meanwhile.
  const { directory, said } = placeOf(options);
  const meant = { ...options, ...said };
  const settings = { lockWait: meant.lockWait ?? LOCK_WAIT_MS, evictNothing: meant.atLimit === "reject" };
  for (const name of OF_THE_STORE) if (meant[name] !== undefined) settings[name] = meant[name];
  return { ...meant, directory, settings, keys: keysIn(options, meant.keys) };
}

module.exports = { checked };
