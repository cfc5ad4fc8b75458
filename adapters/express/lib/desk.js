// The desk: where a call waits, for the store to be open or for the disk, and where it gets its answer.
//
// Invariants:
// 1. Each call is answered once: by its callback, which is called by the event loop and never from inside our own code, or
//    by its promise. What a callback throws is its own affair. Callbacks come in the order in which their answers were known,
//    and `ended` among them: all in the event loop's next turn, as MemoryStore does it. So requests that came together go
//    through the program together, step by step, for less of the processor than one after the other (benches/node, side by
//    side); and the loop takes one new connection a turn.
// 2. Calls reach the store in the order in which they were made, also those that were made before it was open.
// 3. The event loop stays alive while somebody waits for an answer, and not otherwise.
"use strict";

const { AsyncResource } = require("node:async_hooks");
// As it is now, and not what a test's clock puts in its place.
const { setImmediate } = require("node:timers");
const { native } = require("./native.js");

function failure(code, message) {
  const error = new Error(message);
  error.code = code;
  return error;
}

const closed = () => failure("ERR_SESSILE_CLOSED", "the store is closed; make a new SessileStore");
// A program may throw what is no error, and nobody must take that for success.
const thrown = (error) => error || failure("ERR_SESSILE", `a function of the program has thrown ${String(error)}`);
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
  #companion;
  #warns;
  // Where the addon writes when the session ends that it has given last.
  #slate;

  // `warns` says whether a store that cannot be opened is told to the process.
  constructor({ warns = true } = {}) {
    this.#warns = warns;
    const { Native } = native();
    const memory = Buffer.alloc(Float64Array.BYTES_PER_ELEMENT);
    this.#slate = new Float64Array(memory.buffer, memory.byteOffset, 1);
    this.#native = new Native(() => this.#fetch(), memory);
  }

  // When the session ends that the store has just given.
  get deadline() {
    return this.#slate[0];
  }

  // Opens the store, and then its companion, if it has one, which is closed after it. Nobody waits for that but those who have
  // something to do there.
  open(directory, settings, keys, companion) {
    this.#companion = companion;
    const opened = (error) => {
      if (error || !companion || this.#state !== "opening") return this.#opened(error);
      companion.open(this.#native).then(() => this.#opened(), (failed) => this.#giveUp(failed));
    };
    try {
      this.reply(this.#native.open(directory, settings, keys), opened);
    } catch (error) {
      opened(error);
    }
  }

  // Without its companion the store serves nobody, and must not look as if it did.
  #giveUp(failed) {
    this.settled(() => this.#native.close()).catch(nothing).then(() => this.#opened(failed));
  }

  #opened(error) {
    if (this.#state === "opening") this.#state = error ? "failed" : "open";
    this.#failure = error;
    // Whoever asks is told; a server that is asked nothing yet would look as if all were well.
    if (error && this.#warns && !this.#closing) {
      process.emitWarning(`the session store cannot be opened, so every request that needs it fails: ${error.message}`, { type: "SessileWarning", code: "SESSILE_NOT_OPENED" });
    }
    const unserved = this.#native.unserved();
    // The store works without; whoever is on call must know before he needs it.
    if (unserved) process.emitWarning(unserved, { type: "SessileWarning", code: "SESSILE_UNSERVED" });
    const early = this.#early;
    this.#early = [];
    for (const begin of early) begin();
    if (this.#hear && this.#state === "open") this.#native.listen();
  }

  // Answers `callback`, or a promise where there is none. `prepare` is run at once and gives what is to be done when the
  // store is open: that is given the store and `done`. What either of them throws is the answer.
  ask(callback, prepare) {
    const answer = answering(callback);
    let answered = false;
    let waits = false;
    const done = (error, value) => {
      if (answered) return;
      answered = true;
      if (waits) this.#leave();
      answer.settle(error ?? null, value);
    };
    try {
      const work = prepare();
      if (this.#closing || this.#state === "closed") throw closed();
      if (this.#state === "failed") throw this.#failure;
      if (this.#state === "open") work(this.#native, done);
      else this.#early.push(() => this.#catchUp(work, done));
    } catch (error) {
      done(thrown(error));
    }
    if (!answered) {
      waits = true;
      answer.later();
      this.#calls += 1;
      this.#hold();
    }
    return answer.promise;
  }

  // Does what was asked before the store was open.
  #catchUp(work, done) {
    try {
      if (this.#state === "failed") throw this.#failure;
      if (this.#state === "closed") throw closed();
      work(this.#native, done);
    } catch (error) {
      done(thrown(error));
    }
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

  // What `begin` comes to, for who has more than one step to do.
  settled(begin) {
    return new Promise((done, failed) => this.reply(begin(), (error, value) => (error ? failed(error) : done(value))));
  }

  // From now on `hear` is called when a session has ended.
  listen(hear) {
    const first = !this.#hear;
    this.#hear = hear;
    if (first && this.#state === "open" && !this.#closing) this.#native.listen();
  }

  // Answers everybody who asked before, lets the store go, and answers whoever asks from now on that it is closed.
  close(callback) {
    const answer = answering(callback);
    this.#closing ??= this.#close();
    answer.later();
    this.#hold();
    this.#closing.then((error) => {
      this.#release();
      answer.settle(error ?? null);
    });
    return answer.promise;
  }

  async #close() {
    // Whoever asked before is answered first. Where nobody has, an opening that still waits for its turn is given up.
    if (this.#calls > 0) await new Promise((idle) => (this.#idle = idle));
    this.#state = "closed";
    this.#hear = undefined;
    const failed = await this.settled(() => this.#native.close()).then(nothing, (error) => error);
    return failed ?? this.#companion?.close().then(nothing, (error) => error);
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
    if (this.#hear) for (const ended of this.#native.endings()) setImmediate(this.#hear, ended);
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
const answering = (callback) => (typeof callback === "function" ? new ByCallback(callback) : new ByPromise());

class ByCallback {
  #callback;
  #caller;
  promise = undefined;

  constructor(callback) {
    this.#callback = callback;
  }

  // The answer comes from another place: the caller's async context goes with it.
  later() {
    this.#caller = new AsyncResource("SESSILE");
  }

  settle(error, value) {
    if (this.#caller) this.#caller.runInAsyncScope(setImmediate, undefined, this.#callback, error, value);
    else setImmediate(this.#callback, error, value);
  }
}

class ByPromise {
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.settle = (error, value) => (error ? reject(error) : resolve(value));
    });
    // express-session calls without a callback and looks at no promise: its process must not end for that.
    this.promise.catch(nothing);
  }

  later() {}
}

module.exports = { Desk, failure };
