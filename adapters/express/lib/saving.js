// Saving: what becomes of a session that express hands back.
//
// Owns: the tags. express-session gives the store the very object that `createSession` has made of what was read, so a tag on
// it tells a session that this request has loaded from one that it has begun:
// 1. One that was loaded, or saved before, is written only while it lives. Who has logged out meanwhile stays logged out.
// 2. One that was begun is created.
// 3. A plain object, as a program hands it to `set` by itself, is written whatever was there.
"use strict";

const { cookieOf, deadlineOf, fillIn, isSame, isSooner } = require("./cookie.js");
const { failure } = require("./desk.js");
const { changesOf, merged, partsOf } = require("./merge.js");

const MISSING = new Set(["ERR_SESSILE_UNKNOWN", "ERR_SESSILE_EXPIRED", "ERR_SESSILE_ENDED"]);

// Whether an error says that there is no such session any more.
const isMissing = (error) => MISSING.has(error?.code);

// Whether an object is one of express-session's own, of whatever copy of it.
const isSession = (session) => Object.hasOwn(session, "req") && typeof session.regenerate === "function";

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw failure("ERR_SESSILE_DATA", `the session's data is no JSON (${error.message}); who else writes to this store?`);
  }
}

// A user's name as the store is told it. An object without a name of its own would be everybody.
function named(subject) {
  const isNamed = typeof subject === "object" && subject !== null && subject.toString !== Object.prototype.toString;
  if (!isNamed && !["string", "number", "bigint"].includes(typeof subject)) {
    throw new TypeError("connect-sessile: a subject is a string or a number");
  }
  return String(subject);
}

class Saving {
  #desk;
  #ttl;
  #merge;
  #onConflict;
  #subject;
  #read = new WeakMap();
  #tags = new WeakMap();
  // How often a session was saved that had ended, and stayed so.
  refused = 0;

  constructor({ ttl, merge, onConflict, subject }, desk) {
    this.#desk = desk;
    this.#ttl = ttl;
    this.#merge = merge === true;
    this.#onConflict = onConflict;
    this.#subject = subject;
  }

  // What was found, as express-session takes it.
  read(found) {
    const session = this.show(found);
    if (session !== null && typeof session === "object") this.#read.set(session, found);
    return session;
  }

  // The same for somebody who only looks.
  show({ data, deadline }) {
    const session = parsed(data);
    fillIn(session, deadline);
    return session;
  }

  // Notes of a session what it was read as, and what its cookie says as express-session takes it: with its defaults.
  load(id, plain, createSession) {
    const read = this.#read.get(plain);
    const json = this.#merge ? (read?.data ?? JSON.stringify(plain)) : undefined;
    const stored = plain.cookie;
    const session = createSession();
    this.tag(session, { id, cookie: cookieOf(session), stored, deadline: read?.deadline ?? Number.NaN, json });
    return session;
  }

  tag(session, tag) {
    this.#tags.set(session, tag);
  }

  #tagFor(id, session) {
    const tag = session !== null && typeof session === "object" ? this.#tags.get(session) : undefined;
    return tag?.id === id ? tag : undefined;
  }

  #subjectOf(session) {
    const subject = this.#subject?.(session);
    if (subject === undefined || subject === null) return this.#subject ? "" : undefined;
    return named(subject);
  }

  // What is to be written of a session as it is now.
  #snapshot(id, session, subject) {
    const json = JSON.stringify(session);
    if (json === undefined) throw new TypeError("connect-sessile: a session is an object");
    const put = { data: json, deadline: deadlineOf(session, this.#ttl), subject };
    const cookie = cookieOf(session);
    const tag = { id, cookie, stored: cookie, deadline: put.deadline, json: this.#merge ? json : undefined };
    return { put, tag };
  }

  set(id, session) {
    const before = this.#tagFor(id, session);
    const now = this.#snapshot(id, session, this.#subjectOf(session));
    if (!before) return this.#create(id, session, now);
    return (native, done) => {
      let failed = false;
      const heard = (error) => {
        failed ||= Boolean(error);
        return isMissing(error) ? this.#refuse(done) : done(error);
      };
      if (this.#merge) this.#join(native, id, before, now, heard);
      else this.#reply(() => native.update(id, now.put), heard);
      // What is in the log is saved as far as the request's next save goes, though the disk may not have it yet.
      if (!failed) Object.assign(before, now.tag, { parts: undefined });
    };
  }

  #create(id, session, { put, tag }) {
    const begun = session !== null && typeof session === "object" && isSession(session);
    // Who saves it once more saves what is there by then.
    if (begun) this.#tags.set(session, tag);
    return (native, done) => this.#reply(() => native.set(id, put), (error) => {
      if (error && begun) this.#tags.delete(session);
      done(error);
    });
  }

  // Puts what this request has changed beside what others have.
  #join(native, id, before, now, done) {
    const base = (before.parts ??= partsOf(before.json));
    const mine = partsOf(now.put.data);
    const sameCookie = isSame(before.cookie, now.tag.cookie);
    if (sameCookie && changesOf(base, mine).length === 0 && !isSooner(now.put.deadline, before.deadline)) {
      return this.#reply(() => native.touch(id, now.put.deadline), done);
    }
    this.#amend(native, id, (theirs, found) => {
      const session = merged(theirs, base, mine, this.#onConflict);
      let { deadline } = now.put;
      session.cookie = now.tag.cookie;
      if (sameCookie) {
        // The cookie is not what this request has changed, so another's cookie stays, and nobody's time gets shorter.
        session.cookie = theirs.cookie;
        deadline = isSame(before.stored, theirs.cookie) ? Math.max(deadline, found.deadline) : found.deadline;
      }
      if (typeof this.#ttl === "function") deadline = deadlineOf({ ...session, cookie: now.tag.cookie }, this.#ttl);
      return { data: JSON.stringify(session), deadline, subject: this.#subjectOf(session) };
    }, done);
  }

  touch(id, session) {
    const deadline = deadlineOf(session, this.#ttl);
    const cookie = cookieOf(session);
    const tag = this.#tagFor(id, session);
    const isUse = (known, until) => !cookie || (isSame(known, cookie) && !isSooner(deadline, until));
    return (native, done) => {
      const heard = (error) => {
        if (!error && tag && !isUse(tag.cookie, tag.deadline)) Object.assign(tag, { cookie, stored: cookie, deadline });
        return done(isMissing(error) || error?.code === "ERR_SESSILE_INVALID" ? null : error);
      };
      const use = () => this.#reply(() => native.touch(id, deadline), heard);
      if (!cookie || (tag && isUse(tag.cookie, tag.deadline))) return use();
      this.#amend(native, id, (stored, found) => {
        if (!tag && isUse(stored.cookie, found.deadline)) return use();
        return { data: JSON.stringify({ ...stored, cookie }), deadline };
      }, heard);
    };
  }

  // A new session in the place of another. It stays whose that was until it is saved: who logs that user out everywhere in
  // between means this one, too.
  rotate(native, from, to, session) {
    const { put, tag } = this.#snapshot(to, session, undefined);
    return { reply: native.rotate(from, to, put), tag };
  }

  // Writes what `make` makes of what is stored, in one step: where somebody was faster, it is asked again. It may give nothing
  // to write.
  #amend(native, id, make, done) {
    for (;;) {
      const found = native.get(id);
      if (!found) return done(failure("ERR_SESSILE_UNKNOWN", "there is no such session"));
      const put = make(parsed(found.data), found);
      if (!put) return undefined;
      try {
        return this.#desk.reply(native.replace(id, found.version, put), done);
      } catch (error) {
        if (error.code !== "ERR_SESSILE_CONFLICT") return done(error);
      }
    }
  }

  #reply(begin, done) {
    let reply;
    try {
      reply = begin();
    } catch (error) {
      return done(error);
    }
    return this.#desk.reply(reply, done);
  }

  // The request is not at fault, and its answer is on its way.
  #refuse(done) {
    this.refused += 1;
    done();
  }
}

module.exports = { Saving, isMissing, named };
