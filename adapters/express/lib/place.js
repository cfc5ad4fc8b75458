// The place: where the store is, said by the program (`path`, `url`) or by the operator (SESSION_STORE in the environment). A
// place that cannot be is an error, and never a store in memory.
//
// What the URL says is the operator's word: it counts, whatever the program's options say. No URL is repeated in an error,
// since one of another kind may hold a password.
"use strict";

const { resolve } = require("node:path");
const { fileURLToPath } = require("node:url");
const { failure } = require("./desk.js");
const { native } = require("./native.js");

const VARIABLE = "SESSION_STORE";
const SERVER = "this package opens directories; for sessions on a server give express-session the store of the package";
const OTHERS = [
  [/^(redis|rediss|valkey|valkeys)(\+[a-z]+)?:/i, `${SERVER} connect-redis`],
  [/^(postgres|postgresql):/i, `${SERVER} connect-pg-simple`],
  [/^(mongodb)(\+srv)?:/i, `${SERVER} connect-mongo`],
  [/^(memory):/i, "sessions in memory are lost with the process, and this package keeps none there; for a test, leave the option store of express-session out"],
];

// As a path it would be a directory of that name.
const IS_URL = /^(sessile:|[a-z][a-z\d+.-]+:\/\/)/i;

// Where the store is, and what of the options the URL says.
function placeOf({ path, url }) {
  if (path !== undefined && url !== undefined) throw new TypeError("connect-sessile: path or url, and not both");
  if (typeof path === "string" && IS_URL.test(path)) throw new TypeError("connect-sessile: path is a directory, and this is a URL; give it as the option url (or, of a file: URL, as an object)");
  if (path !== undefined) return { directory: resolve(path instanceof URL ? fileURLToPath(path) : path), said: {} };
  if (url !== undefined) return read(String(url), "the option url");
  // Empty is as not set.
  if (process.env[VARIABLE]) return read(process.env[VARIABLE], `${VARIABLE} in the environment`);
  throw new TypeError(
    `connect-sessile: new SessileStore({ path: 'sessions' }) needs the directory of the store, or the option url, or ${VARIABLE} in the environment`,
  );
}

function read(url, where) {
  const other = OTHERS.find(([scheme]) => scheme.test(url));
  if (other) throw failure("ERR_SESSILE_PLACE", `${where} begins with ${other[0].exec(url)[1].toLowerCase()}: ${other[1]}`);
  try {
    const { directory, ...said } = native().placeOf(url);
    return { directory: resolve(directory), said: { ...said, url } };
  } catch (error) {
    throw failure(error.code === "ERR_SESSILE_INVALID" ? "ERR_SESSILE_PLACE" : error.code, `${where}: ${error.message}`);
  }
}

// The keys in a place, `file:PATH` or `env:NAME`, read once and now. Whoever names a place that is undefined means a store that is
// encrypted, and must not get one that is not.
function keysIn(options, place = options?.keys) {
  if (place !== undefined) return native().keysAt(place);
  if (options && Object.hasOwn(options, "keys")) throw new TypeError("connect-sessile: keys is undefined; leave it out for a store that is not encrypted");
  return undefined;
}

module.exports = { keysIn, placeOf };
