// Carrying: how a tag goes along where a framework calls no `createSession`, and makes its own session of what was read.
//
// @fastify/session copies a session's keys one by one, and its cookie by asking it for its JSON; it spreads that copy into the
// options of the cookie, and keeps those in the session under a symbol. So the cookie of what was read has a `toJSON` whose
// copy has the tag:
// 1. Nobody sees a trace of it in what was read, and no JSON has it: `toJSON` is not enumerable, and the tag stands by a symbol.
// 2. A session that was begun may have the tag of the one before it, and that says another id.
"use strict";

const { notes } = require("./notes.js");

class Carrying {
  #sign = Symbol("sessile");
  #found = notes();
  #toJSON;

  // `tagOf` makes the tag of what was found when somebody copies its cookie.
  constructor(tagOf) {
    const [sign, found] = [this.#sign, this.#found];
    // One function for all cookies, not one for each: so those that say the same keep one shape, and reading stays quick.
    function toJSON() {
      const known = found.get(this);
      return known ? { ...this, [sign]: tagOf(this, known) } : { ...this };
    }
    this.#toJSON = { value: toJSON, writable: true, configurable: true };
  }

  load(cookie, found) {
    if (cookie === null || typeof cookie !== "object") return;
    this.#found.set(cookie, found);
    Object.defineProperty(cookie, "toJSON", this.#toJSON);
  }

  tagOf(session) {
    for (const name of Object.getOwnPropertySymbols(session)) {
      const tag = session[name]?.[this.#sign];
      if (tag) return tag;
    }
    return undefined;
  }
}

// Whether a session is of a framework that carries tags.
const isCarrier = (session) => "encryptedSessionId" in session;

module.exports = { Carrying, isCarrier };
