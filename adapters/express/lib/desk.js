// The desk: where a call waits, for the store to be open or for the disk, and where it gets its answer.
//
// Invariants:
// 1. Each call is answered once: by its callback, which is called by the event loop and never from inside our own code, or
//    by its promise. What a callback throws is its own affair.
// 2. Calls reach the store in the order in which they were made, also those that were made before it was open.
// 3. The event loop stays alive while somebody waits for an answer, and not otherwise.
"use strict";

const { AsyncResource } = require("node:async_hooks");
const { native } = require("./native.js");

function failure(code, message) {
  const error = new Error(message);
  error.code = code;
  return error;
}

const closed = () => failure("ERR_SESSILE_CLOSED", "the store is closed; make a new SessileStore");
const nothing = () => {};

class Desk {
  #native;
  #state = "opening";
  #failure;
  // Made before the store was open.
  #early = [];
  // Under way: by ticket, who is to hear.
  #waiting = new Map();
  #calls = 0;
  #holds = 0;
  #closing;
  #idle = nothing;
  #hear;

  constructor() {
    const { Native } = native();
    this.#native = new Native(() => this.#fetch());
  }

  // Opens the store. Nobody waits for it but those who have something to do there.
  open(directory, settings) {
    try {
      this.reply(this.#native.open(directory, settings), (error) => this.#opened(error));
    } catch (error) {
      this.#opened(error);
    }
  }

  #opened(error) {
    if (this.#state === "opening") this.#state = error ? "failed" : "open";
    this.#failure = error;
    const early = this.#early;
    this.#early = [];
    for (const begin of early) begin();
    if (this.#hear && this.#state === "open") this.#native.listen();
  }

  // Answers `callback`, or a promise where there is none. `prepare` is run at once and gives what is to be done when the
  // store is open: that is given the store and `done`. What either of them throws is the answer.
  ask(callback, prepare) {
    const { settle, later, promise } = answering(callback);
    let answered = false;
    let waits = false;
    const done = (error, value) => {
      if (answered) return;
      answered = true;
      if (waits) this.#leave();
      settle(error ?? null, value);
    };
    const attempt = (work) => {
      try {
        work();
      } catch (error) {
        // A program may throw what is no error, and nobody must take that for success.
        done(error || failure("ERR_SESSILE", `a function of the program has thrown ${String(error)}`));
      }
    };
    attempt(() => {
      const work = prepare();
      if (this.#closing || this.#state === "closed") throw closed();
      if (this.#state === "failed") throw this.#failure;
      if (this.#state === "open") return work(this.#native, done);
      this.#early.push(() => attempt(() => {
        if (this.#state === "failed") throw this.#failure;
        if (this.#state === "closed") throw closed();
        work(this.#native, done);
      }));
    });
    if (!answered) {
      waits = true;
      later();
      this.#calls += 1;
      this.#hold();
    }
    return promise;
  }

  #leave() {
    this.#calls -= 1;
    if (this.#calls === 0) this.#idle();
    this.#release();
  }

  // Hands on what the addon replies: a value, or a negative ticket under which it is told later.
  reply(reply, done) {
    if (reply < 0) this.#expect(reply, done);
    else done(null, reply);
  }

  // From now on `hear` is called when a session has ended.
  listen(hear) {
    const first = !this.#hear;
    this.#hear = hear;
    if (first && this.#state === "open" && !this.#closing) this.#native.listen();
  }

  // Answers everybody who asked before, lets the store go, and answers whoever asks from now on that it is closed.
  close(callback) {
    const { settle, later, promise } = answering(callback);
    this.#closing ??= this.#close();
    later();
    this.#hold();
    this.#closing.then((error) => {
      this.#release();
      settle(error ?? null);
    });
    return promise;
  }

  async #close() {
    // Whoever asked before is answered first. Where nobody has, an opening that still waits for its turn is given up.
    if (this.#calls > 0) await new Promise((idle) => (this.#idle = idle));
    const opened = this.#state === "open";
    this.#state = "closed";
    this.#hear = undefined;
    const reply = this.#native.close();
    return opened ? new Promise((done) => this.reply(reply, done)) : undefined;
  }

  #expect(ticket, done) {
    this.#waiting.set(-ticket, done);
  }

  #fetch() {
    for (const { ticket, failure: failed, number, report } of this.#native.drain()) {
      const done = this.#waiting.get(ticket);
      this.#waiting.delete(ticket);
      if (failed) done?.(failure(failed.code, failed.message));
      else done?.(null, report ?? number);
    }
    if (this.#hear) for (const ended of this.#native.endings()) process.nextTick(this.#hear, ended);
  }

  #hold() {
    this.#holds += 1;
    if (this.#holds === 1) this.#native.hold(true);
  }

  #release() {
    this.#holds -= 1;
    if (this.#holds === 0) this.#native.hold(false);
  }
}

// How somebody is answered. `later` is called, where he was called from, when he is not answered at once.
function answering(callback) {
  if (typeof callback === "function") {
    let bound = callback;
    return {
      settle: (error, value) => process.nextTick(bound, error, value),
      // The answer comes from another place: the caller's async context goes with it.
      later: () => (bound = AsyncResource.bind(callback)),
    };
  }
  const answer = {};
  answer.promise = new Promise((resolve, reject) => {
    answer.settle = (error, value) => (error ? reject(error) : resolve(value));
  });
  answer.later = nothing;
  // express-session calls without a callback and looks at no promise: its process must not end for that.
  answer.promise.catch(nothing);
  return answer;
}

module.exports = { Desk, failure };
