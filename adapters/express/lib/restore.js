// Restoring: a store of a backup, before anybody opens it.
"use strict";

const { existsSync, rmSync } = require("node:fs");
const { join } = require("node:path");
const { failure } = require("./desk.js");
const { NAME } = require("./ledger.js");
const { native } = require("./native.js");
const { keysIn } = require("./place.js");

// Makes a store in the directory `path` of the backup in `from`; says how many sessions were in it.
function restore(from, path, choice = {}) {
  const { keep, end } = choice;
  if (Boolean(keep) === Boolean(end)) {
    throw failure(
      "ERR_SESSILE_INVALID",
      "say { keep: true }, and whoever logged out after the backup was made is logged in again, or { end: true }, and everybody logs in again",
    );
  }
  const keys = keysIn(choice);
  const moving = join(path, NAME);
  // What is known of a store that is being left is kept in any case: who was ended there must not be asked for.
  const moves = existsSync(join(from, NAME, "BACKUP"));
  // Of a restore that was cut short, which is run again.
  if (moves && existsSync(join(path, "RESTORE"))) rmSync(moving, { recursive: true, force: true });
  if (moves) native().restore(join(from, NAME), moving, true, keys);
  try {
    return native().restore(String(from), String(path), Boolean(keep), keys);
  } catch (error) {
    // It was made a moment ago, and would be in the way of the next attempt.
    if (moves) rmSync(moving, { recursive: true, force: true });
    throw error;
  }
}

module.exports = { restore };
