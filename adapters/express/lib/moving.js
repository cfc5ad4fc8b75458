// Moving: how the sessions of a store that is being left come here, each on its first use. DESIGN.md has the table of states and
// where a crash can fall, under "Moving from another store".
//
// Owns: which store has the word on a session, by the ledger. Invariants:
// 1. A session that was ended here, or has expired here, is not read from the old store again.
// 2. A session of the old store is in the new one only with a record in the ledger that was durable before.
// 3. Who has begun a move answers when copy and record are durable; who asks meanwhile waits for the same move.
// 4. An ending waits for the ledger, and never for the old store.
"use strict";

const { join } = require("node:path");
const { deadlineOf, endOf } = require("./cookie.js");
const { failure } = require("./desk.js");
const { Ledger, NAME } = require("./ledger.js");
const { Old } = require("./old.js");
const { isMissing } = require("./saving.js");

const PATIENCE_MS = 5_000;
// So many ids that began in this process are known to be in no other store.
const FRESH_MAX = 10_000;
const TRIES = 16;
// What is wrong then is wrong for all sessions.
const ENDS_ALL = ["ERR_SESSILE_FALLBACK", "ERR_SESSILE_LATCHED", "ERR_SESSILE_FULL", "ERR_SESSILE_CLOSED"];

class Moving {
  #desk;
  #directory;
  #settings;
  #keys;
  #ledger = new Ledger();
  #old;
  #ttl;
  #subjectOf;
  // Moves on their way, by handle.
  #under = new Map();
  #fresh = new Set();
  #stopped = false;
  #counts = { moved: 0, refused: 0, endedThere: 0 };

  constructor({ directory, settings, keys, fallback, fallbackTimeout, ttl }, desk, subjectOf) {
    this.#desk = desk;
    this.#directory = join(directory, NAME);
    const { lockWait, firstLifetime, control } = settings;
    this.#settings = { lockWait, firstLifetime, control };
    this.#keys = keys;
    this.#old = new Old(fallback, fallbackTimeout ?? PATIENCE_MS);
    this.#ttl = ttl;
    this.#subjectOf = subjectOf;
  }

  // Opens the ledger, and brings to an end what a process has left behind that died in the middle.
  async open(native) {
    const { lockWait, control } = this.#settings;
    await this.#ledger.open(this.#directory, { lockWait, control, durability: "synced", evictNothing: true }, this.#keys);
    for (const { state, handle } of this.#ledger.unfinished()) {
      const copy = native.getHandle(handle);
      if (state === "moving" && !copy) await this.#ledger.forget(handle);
      else if (state === "moving" && !this.#ledger.refuses(this.#subjectIn(copy))) await this.#ledger.write(handle, "moved");
      else await this.#over(handle, () => native.destroyHandle(handle));
    }
  }

  close() {
    return this.#ledger.close();
  }

  // An id that this process has made, and no other store knows.
  began(id) {
    if (this.#fresh.size >= FRESH_MAX) this.#fresh.delete(this.#fresh.values().next().value);
    this.#fresh.add(id);
  }

  // Calls `then`, at once where that can be, with whether the new store has the word on a session; if not, it is over.
  first(native, id, done, then) {
    const handle = handleOf(native, id);
    const known = handle === undefined || this.#known(native, id, handle);
    if (known !== undefined) return then(known);
    return this.#move(native, id, handle).then(then).catch(done);
  }

  // The same as a promise.
  #settle(native, id) {
    return new Promise((done, failed) => this.first(native, id, failed, done));
  }

  #known(native, id, handle) {
    const state = this.#ledger.of(handle)?.state;
    if (state === "moved") return true;
    if (state === "moving") return undefined;
    if (state !== undefined) return false;
    if (this.#fresh.has(id) || native.has(id)) return true;
    return this.#ledger.refusesAll ? false : undefined;
  }

  #move(native, id, handle) {
    let move = this.#under.get(handle);
    if (!move) {
      move = this.#moved(native, id, handle).finally(() => this.#under.delete(handle));
      this.#under.set(handle, move);
    }
    return move;
  }

  // Whether the new store has the word, after all has been done for that.
  async #moved(native, id, handle) {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const known = this.#known(native, id, handle);
      if (known !== undefined) return known;
      const lives = await this.#attempt(native, id, handle);
      if (lives !== undefined) return lives;
    }
    throw failure("ERR_SESSILE_FALLBACK", "somebody else is moving the same session all the time; ask again");
  }

  // One attempt to move a session. Undefined where somebody else has changed its record meanwhile.
  async #attempt(native, id, handle) {
    let put = native.has(id) ? native.get(id) : undefined;
    if (!put) {
      const session = await this.#old.ask(id);
      put = session && this.#putOf(session);
      // The old store has none: then the new one may say so.
      if (!put) return session === undefined;
      if (this.#ledger.refuses(put.subject)) return this.#refuse(native, id, handle);
      if (!this.#ledger.of(handle) && !(await this.#ledger.begin(handle))) return undefined;
      if (this.#ledger.of(handle)?.state !== "moving") return undefined;
    }
    const record = this.#ledger.of(handle);
    await this.#copy(native, id, put);
    // Who was marked before this has not ended the copy; who is marked after it finds it.
    if (this.#ledger.refuses(put.subject ?? this.#subjectIn(put))) return this.#refuse(native, id, handle);
    try {
      if (await this.#ledger.follow(handle, record, "moved")) {
        this.#counts.moved += 1;
        return true;
      }
    } catch (error) {
      // Nobody was told of it. The old store still has it.
      await this.#desk.settled(() => native.destroy(id)).catch(() => {});
      throw error;
    }
    // Who has ended it has ended the copy, unless that was another thread, between this one's look and its copy.
    if (this.#ledger.of(handle)?.state !== "moved") await this.#desk.settled(() => native.destroy(id));
    return undefined;
  }

  async #copy(native, id, { data, deadline, subject }) {
    const put = { data, deadline, subject };
    try {
      await this.#desk.settled(() => native.create(id, put));
    } catch (error) {
      // An earlier attempt has made it.
      if (error.code !== "ERR_SESSILE_DUPLICATE") throw error;
      return;
    }
    if (this.#settings.firstLifetime === undefined) return;
    // It was used before it came here. Who has ended it meanwhile has left a record.
    await this.#desk.settled(() => native.update(id, put)).catch((error) => {
      if (!isMissing(error)) throw error;
    });
  }

  // What is to be written of a session as the old store has it; undefined when that is over.
  #putOf(session) {
    const deadline = lastOf(session, this.#ttl);
    if (deadline <= Date.now()) return undefined;
    const age = endOf(session.cookie) === undefined ? Infinity : session.cookie.originalMaxAge;
    this.#ledger.lives(typeof age === "number" ? age : deadline - Date.now());
    return { data: JSON.stringify(session), deadline, subject: this.#subjectOf(session) };
  }

  #subjectIn({ data }) {
    return this.#subjectOf(JSON.parse(data));
  }

  async #refuse(native, id, handle) {
    await this.#over(handle, () => native.destroy(id));
    this.#counts.refused += 1;
    return false;
  }

  // Ends what the new store has of a session, for good.
  async #over(handle, end) {
    await this.#ledger.write(handle, "ending");
    const record = this.#ledger.of(handle);
    const ended = await this.#desk.settled(end);
    // Nobody waits for this: an opening does no harm by looking once more.
    this.#ledger.follow(handle, record, "ended").catch(() => {});
    return ended;
  }

  // A logout.
  async end(native, id) {
    const handle = handleOf(native, id);
    if (handle === undefined) return;
    const state = this.#ledger.of(handle)?.state;
    const isHere = state === "moved" || (state === undefined && this.#fresh.has(id));
    if (isHere) await this.#desk.settled(() => native.destroy(id));
    else await this.#over(handle, () => native.destroy(id));
    if (!isHere && state !== "ended") this.#counts.endedThere += 1;
    if (state !== undefined || !isHere) this.#old.forget(id);
  }

  async endHandle(native, name) {
    const handle = name.toLowerCase();
    const isHere = this.#ledger.of(handle)?.state === "moved";
    const end = () => native.destroyHandle(handle);
    return isHere ? this.#desk.settled(end) : this.#over(handle, end);
  }

  // Before a program writes a session under an id that it has not loaded: what the old store has under it is not to come back
  // when this one is over. Calls `then`, at once where that can be.
  admit(native, id, done, then) {
    const handle = handleOf(native, id);
    const state = handle && this.#ledger.of(handle)?.state;
    const isHere = state === "moved" || (state === undefined && (this.#fresh.has(id) || native.has(id) || this.#ledger.refusesAll));
    if (handle === undefined || isHere) return then();
    return this.#admit(native, id, handle).then(then).catch(done);
  }

  async #admit(native, id, handle) {
    await this.#settle(native, id);
    const record = this.#ledger.of(handle);
    if (record?.state !== "ending" && record?.state !== "ended") return;
    await this.#desk.settled(() => native.destroy(id));
    await this.#ledger.follow(handle, record, "moved");
  }

  // Before a session gets another id: the old one is to be known as one that is here. Whether there is anything to rotate.
  async leave(native, id) {
    const lives = await this.#settle(native, id);
    const handle = handleOf(native, id);
    if (lives && !this.#fresh.has(id) && native.has(id) && !this.#ledger.of(handle)) await this.#ledger.write(handle, "moved");
    return lives;
  }

  async revoke(native, subject, except) {
    if (except !== undefined) await this.#settle(native, except);
    await this.#ledger.refuse(subject);
    return this.#desk.settled(() => native.destroySubject(subject, except));
  }

  async clear(native) {
    await this.#ledger.refuseAll();
    return this.#desk.settled(() => native.clear());
  }

  // For operators.

  retry() {
    this.#old.retry();
  }

  backup(directory) {
    return this.#ledger.backup(join(directory, NAME));
  }

  get figures() {
    const { at, until } = this.#ledger.begun;
    const last = this.#ledger.refusesAll ? Date.now() : until;
    return {
      ...this.#counts,
      pendingDeletes: this.#old.pending,
      unreachable: this.#old.unreachable,
      since: new Date(at),
      switchOffAt: Number.isFinite(last) ? new Date(last) : null,
    };
  }

  // Whether the old store can be switched off: nobody is left there, or nobody can be who lives.
  async done(native) {
    const { switchOffAt } = this.figures;
    const left = (await this.#left(native))?.length;
    return { done: left === 0 || (switchOffAt !== null && switchOffAt <= new Date()), left, switchOffAt };
  }

  // Moves whoever is left there, so many each second.
  async all(native, { perSecond = 100 } = {}) {
    if (!(perSecond > 0)) throw new TypeError("connect-sessile: perSecond is a number above zero");
    const ids = await this.#left(native);
    if (!ids) throw failure("ERR_SESSILE_FALLBACK", "the fallback store does not tell its ids, neither by ids() nor by all(); each session moves on its first use");
    const counts = { moved: 0, over: 0, failed: 0 };
    for (const id of ids) {
      if (this.#stopped) throw failure("ERR_SESSILE_CLOSED", "the store was closed before all had moved; the rest moves later");
      try {
        const lives = await this.#settle(native, id);
        counts[lives && native.has(id) ? "moved" : "over"] += 1;
      } catch (error) {
        if (ENDS_ALL.includes(error.code)) throw error;
        counts.failed += 1;
      }
      await new Promise((next) => setTimeout(next, 1000 / perSecond));
    }
    return counts;
  }

  stop() {
    this.#stopped = true;
  }

  // The ids that the old store has and that have no record yet; undefined where it does not tell.
  async #left(native) {
    const ids = this.#ledger.refusesAll ? [] : await this.#old.ids();
    return ids?.filter((id) => {
      const handle = handleOf(native, id);
      return handle !== undefined && !this.#ledger.of(handle);
    });
  }
}

// What a session's record is kept by; undefined for what can be no id here.
function handleOf(native, id) {
  try {
    return native.handleOf(id);
  } catch (error) {
    if (error.code !== "ERR_SESSILE_INVALID") throw error;
    return undefined;
  }
}

// When a session ends that the old store has. It says itself whether one lives: where the end that the cookie gives has passed,
// that is as old as the last save, and a use gives it what a use gives.
function lastOf(session, ttl) {
  const end = endOf(session.cookie);
  if (end === undefined) return deadlineOf(session, ttl);
  const age = session.cookie.originalMaxAge;
  return end > Date.now() || typeof age !== "number" ? end : Date.now() + age;
}

module.exports = { Moving };
