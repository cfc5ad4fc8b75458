// Saving: what becomes of a session that express hands back.
//
// Owns: the tags. express-session gives the store the very object that `createSession` has made of what was read, so a tag on
// it tells a session that this request has loaded from one that it has begun:
// 1. One that was loaded, or saved before, is written only while it lives. Who has logged out meanwhile stays logged out.
// 2. One that was begun is created.
// 3. What `get` has given is one that was loaded, also where a program hands it to `set` by itself.
// 4. Any other plain object is written whatever was there.
// Where a framework calls no `createSession`, its session carries the tag: see `carrying`.
"use strict";

const { Carrying, isCarrier } = require("./carrying.js");
const { cookieOf, deadlineOf, fillIn, isSame, isSooner } = require("./cookie.js");
const { failure } = require("./desk.js");
const { changesOf, merged, partsOf } = require("./merge.js");
const { notes } = require("./notes.js");

// How long a session lives at most that regenerate has begun, until it is saved.
const UNSAVED_MS = 10 * 60 * 1000;

const atOnce = (native, done, then) => then();

const MISSING = new Set(["ERR_SESSILE_UNKNOWN", "ERR_SESSILE_EXPIRED", "ERR_SESSILE_ENDED"]);

// Whether an error says that there is no such session any more.
const isMissing = (error) => MISSING.has(error?.code);

// Whether an object is one of express-session's own, of whatever copy of it, or of a framework's that carries tags.
const isSession = (session) => typeof session.regenerate === "function" && (Object.hasOwn(session, "req") || isCarrier(session));

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

// Whether a save says nothing new, but that the session is in use.
function saysNothing(before, now) {
  if (before.json === undefined || !isSame(before.cookie, now.tag.cookie) || isSooner(now.put.deadline, before.deadline)) return false;
  return changesOf(partsFor(before), partsFor(now.tag)).length === 0;
}

const partsFor = (tag) => (tag.parts ??= partsOf(tag.json));

class Saving {
  #desk;
  #ttl;
  #merge;
  #onConflict;
  #subject;
  #read = notes();
  #tags = notes();
  #carrying = new Carrying((cookie, { id, data, deadline }) => ({ id, cookie, stored: cookie, deadline, json: data }));
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
  read(id, data, deadline) {
    const found = { id, data, deadline };
    const session = this.show(found);
    this.#read.set(session, found);
    this.#carrying.load(session?.cookie, found);
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
    if (session === null || typeof session !== "object") return undefined;
    const tag = this.#tags.get(session) ?? this.#carrying.tagOf(session) ?? this.#tagOfRead(session);
    return tag?.id === id ? tag : undefined;
  }

  // Of what a program has read itself. What its cookie said stands in the data: the object may say something else by now.
  #tagOfRead(session) {
    const read = this.#read.get(session);
    if (!read) return undefined;
    const { cookie } = parsed(read.data);
    const tag = { id: read.id, cookie, stored: cookie, deadline: read.deadline, json: this.#merge ? read.data : undefined };
    this.tag(session, tag);
    return tag;
  }

  // Whether a session is one that this request has loaded, or saved before.
  isKnown(id, session) {
    return this.#tagFor(id, session) !== undefined;
  }

  // Who is asked about by name. Where it was never said whose a session is, nobody would be found, and nobody logged out.
  whose(subject) {
    if (this.#subject) return named(subject);
    throw failure("ERR_SESSILE_SUBJECT", "whose a session is was never said: that takes the option subject, as in subject: (session) => session.userId");
  }

  subjectOf(session) {
    const subject = this.#subject?.(session);
    if (subject === undefined || subject === null) return this.#subject ? "" : undefined;
    return named(subject);
  }

  // What is to be written of a session as it is now.
  #snapshot(id, session, subject, compared = this.#merge) {
    const json = JSON.stringify(session);
    if (json === undefined) throw new TypeError("connect-sessile: a session is an object");
    const put = { data: json, deadline: deadlineOf(session, this.#ttl), subject };
    const cookie = cookieOf(session);
    const tag = { id, cookie, stored: cookie, deadline: put.deadline, json: compared ? json : undefined, parts: undefined };
    return { put, tag };
  }

  // `admitted` is called before a session is created, and calls on when it may be.
  set(id, session, admitted = atOnce) {
    const before = this.#tagFor(id, session);
    const now = this.#snapshot(id, session, this.subjectOf(session), this.#merge || before?.json !== undefined);
    if (!before) return this.#create(id, session, now, admitted);
    return (native, done) => {
      let failed = false;
      const heard = (error) => {
        failed ||= Boolean(error);
        return isMissing(error) ? this.#refuse(done) : done(error);
      };
      if (this.#merge) this.#join(native, id, before, now, heard);
      else this.#reply(() => (saysNothing(before, now) ? native.touch(id, now.put.deadline) : native.update(id, now.put)), heard);
      // What is in the log is saved as far as the request's next save goes, though the disk may not have it yet.
      if (!failed) Object.assign(before, now.tag);
    };
  }

  #create(id, session, { put, tag }, admitted) {
    const begun = session !== null && typeof session === "object" && isSession(session);
    // Who saves it once more saves what is there by then.
    if (begun) this.#tags.set(session, tag);
    return (native, done) => {
      const heard = (error) => {
        if (error && begun) this.#tags.set(session, undefined);
        done(error);
      };
      admitted(native, heard, () => this.#reply(() => native.set(id, put), heard));
    };
  }

  // Puts what this request has changed beside what others have.
  #join(native, id, before, now, done) {
    if (saysNothing(before, now)) return this.#reply(() => native.touch(id, now.put.deadline), done);
    const base = partsFor(before);
    const mine = partsFor(now.tag);
    const sameCookie = isSame(before.cookie, now.tag.cookie);
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
      return { data: JSON.stringify(session), deadline, subject: this.subjectOf(session) };
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
  // between means this one, too. Until then it does not live long: where the connection breaks before, nobody has its cookie.
  rotate(native, from, to, session) {
    const { put, tag } = this.#snapshot(to, session, undefined);
    put.deadline = Math.min(put.deadline, Date.now() + UNSAVED_MS);
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

module.exports = { Saving, isMissing };
