// The store that is being left: any store of express-session, asked with patience that ends.
//
// Owns: what is still to be deleted there. That is a courtesy: whether a session is over is not the old store's to say, so a
// deletion that fails is tried again when somebody asks there anyway, and is forgotten with the process.
"use strict";

const { failure } = require("./desk.js");

const PENDING_MAX = 10_000;
const RETRIES = 100;

class Old {
  #store;
  #patience;
  #pending = new Set();
  // How often it could not be asked.
  unreachable = 0;

  constructor(store, patience) {
    this.#store = store;
    this.#patience = patience;
  }

  // A session as the old store has it; undefined where it has none.
  async ask(id) {
    const session = await this.#reached(this.#call(true, "get", id));
    this.retry(1);
    if (session === null || session === undefined) return undefined;
    if (typeof session !== "object") throw failure("ERR_SESSILE_FALLBACK", "the fallback store gave a session that is no object");
    return session;
  }

  // Has the old store delete a session, sooner or later. Nobody waits for it.
  forget(id) {
    const failed = () => this.#pending.size < PENDING_MAX && this.#pending.add(id);
    this.#call(false, "destroy", id).catch(failed);
  }

  retry(most = RETRIES) {
    let left = most;
    for (const id of this.#pending) {
      if (left === 0) break;
      left -= 1;
      this.#pending.delete(id);
      this.forget(id);
    }
  }

  get pending() {
    return this.#pending.size;
  }

  // The ids of all its sessions; undefined where it does not tell.
  async ids() {
    for (const [method, idOf] of [["ids", (one) => one], ["all", (one) => one?.sid ?? one?.id]]) {
      if (typeof this.#store[method] !== "function") continue;
      const told = await this.#reached(this.#call(true, method)).catch((error) => {
        if (error.cause?.code !== "ERR_SESSILE_NO_IDS") throw error;
        return [undefined];
      });
      const ids = Array.isArray(told) ? told.map(idOf) : Object.keys(told ?? {});
      if (ids.every((id) => typeof id === "string")) return ids;
    }
    return undefined;
  }

  // The answer, or an error of ours that says nothing of the session, while its cause may.
  async #reached(answer) {
    try {
      return await answer;
    } catch (cause) {
      this.unreachable += 1;
      const error = failure(
        "ERR_SESSILE_FALLBACK",
        `the fallback store could not be asked${cause?.late ? ` within ${this.#patience} ms (the option fallbackTimeout)` : "; see the cause"}. ` +
          "Nobody is logged out by that: ask again when it is back, or leave the option fallback out to do without it",
      );
      error.cause = cause;
      throw error;
    }
  }

  #call(waits, method, ...values) {
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(Object.assign(new Error(`${method} has not answered in time`), { late: true })), this.#patience);
      if (!waits) late.unref();
      const answer = (error, value) => {
        clearTimeout(late);
        // express-session takes this for "no such session", and some stores say it so.
        if (error && error.code !== "ENOENT") failed(error);
        else done(error ? undefined : value);
      };
      try {
        this.#store[method](...values, answer);
      } catch (error) {
        clearTimeout(late);
        failed(error);
      }
    });
  }
}

module.exports = { Old };
