// The ledger: what has become of the sessions of a store that is being left. It is a store like any other, in the directory
// `moving` of the new one, and it is the authority: who it says has ended stays ended, whatever the old store still has.
//
// Owns: the records and their words. A record is kept by the session's handle in the new store, which is no id, and has no
// deadline, since nobody can know how long the old store keeps a session. The states:
//   moving   a move has begun; the new store may have a copy, and nobody was told of it
//   moved    the new store has the word
//   ending   it is over, and the new store may still have a copy
//   ended    it is over
// Invariants:
// 1. What a promise of the ledger has kept is on the disk. What was written is seen by everybody at once.
// 2. Nothing is evicted: a ledger without room refuses, and what wanted to write there fails.
// 3. What an opening has to look at, `moving` and `ending`, is found without looking at anything else.
"use strict";

const { Desk, failure } = require("./desk.js");

const NAME = "moving";
// The subject of what an opening must look at.
const UNFINISHED = "unfinished";
const ALL = "all";
const BEGUN = "begun";
const ofSubject = (subject) => `subject ${subject}`;

class Ledger {
  #desk = new Desk({ warns: false });
  #native;
  // When moving began, and the longest that a session could live unused of those that have moved.
  #begun;

  async open(directory, settings, keys) {
    this.#desk.open(directory, settings, keys);
    try {
      await this.#desk.ask(undefined, () => (native, done) => {
        this.#native = native;
        done();
      });
    } catch (error) {
      // There are two stores, and whoever is to do something must know with which.
      throw failure(error.code, `${error.message} (this is about ${directory}, which knows what has ended of the store that is being left)`);
    }
    const begun = this.#native.get(BEGUN);
    this.#begun = begun ? JSON.parse(begun.data) : { at: Date.now(), longest: 0 };
    if (!begun) await this.#keepBegun();
  }

  // What has become of a session, and which record says so; undefined where there is none.
  of(handle) {
    const found = this.#native.get(handle);
    return found ? { state: found.data.split(" ", 1)[0], version: found.version } : undefined;
  }

  // Notes that a move begins. False where there is a record already.
  begin(handle) {
    return this.#unless(["ERR_SESSILE_DUPLICATE"], () => this.#native.create(handle, putOf("moving", handle)));
  }

  // Writes a state in the place of one record, and no other. False where that is not there any more.
  follow(handle, { version }, state) {
    const overtaken = ["ERR_SESSILE_CONFLICT", "ERR_SESSILE_UNKNOWN", "ERR_SESSILE_ENDED", "ERR_SESSILE_EXPIRED"];
    return this.#unless(overtaken, () => this.#native.replace(handle, version, putOf(state, handle)));
  }

  // Writes a state whatever was there.
  write(handle, state) {
    return this.#desk.settled(() => this.#native.set(handle, putOf(state, handle)));
  }

  forget(handle) {
    return this.#desk.settled(() => this.#native.destroy(handle));
  }

  // The handles and states that a process left behind which died in the middle.
  unfinished() {
    const walk = this.#native.walk(UNFINISHED);
    const left = [];
    for (let some = walk.next(100); some.length > 0; some = walk.next(100)) {
      for (const { data } of some) {
        const [state, handle] = data.split(" ");
        left.push({ state, handle });
      }
    }
    return left;
  }

  // Marks: who has not moved is refused, all of them or those of a subject.

  refuseAll() {
    return this.write(ALL, "refused");
  }

  refuse(subject) {
    return this.write(ofSubject(subject), "refused");
  }

  get refusesAll() {
    return this.#native.has(ALL);
  }

  refuses(subject) {
    return this.refusesAll || (Boolean(subject) && this.#native.has(ofSubject(subject)));
  }

  // When moving began, and until when a session can live that was not used since, as far as those show that have moved.
  get begun() {
    return { at: this.#begun.at, until: this.#begun.longest > 0 ? this.#begun.at + this.#begun.longest : undefined };
  }

  // Notes how long a session that has moved could live unused; infinite where nobody knows.
  lives(ms) {
    const known = this.#begun.longest ?? Infinity;
    if (ms <= known) return;
    // In JSON, infinite is null.
    this.#begun.longest = ms;
    this.#keepBegun().catch(() => {});
  }

  #keepBegun() {
    return this.#desk.settled(() => this.#native.set(BEGUN, { data: JSON.stringify(this.#begun), deadline: Infinity, subject: "" }));
  }

  backup(directory) {
    return this.#desk.settled(() => this.#native.backup(directory));
  }

  close() {
    return this.#desk.close();
  }

  async #unless(codes, begin) {
    try {
      await this.#desk.settled(begin);
      return true;
    } catch (error) {
      if (codes.includes(error.code)) return false;
      throw error;
    }
  }
}

function putOf(state, handle) {
  const unfinished = state === "moving" || state === "ending";
  return { data: unfinished ? `${state} ${handle}` : state, deadline: Infinity, subject: unfinished ? UNFINISHED : "" };
}

module.exports = { Ledger, NAME };
