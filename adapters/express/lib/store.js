// The store that express-session is given. Each method a short story: `desk` knows how calls wait and are answered, `saving`
// what becomes of a session that is saved, `cookie` when sessions end, `merge` how two requests come together, `moving` which
// store has the word while another one is being left.
"use strict";

const { Store } = require("express-session");
const { Desk, failure } = require("./desk.js");
const { Moving } = require("./moving.js");
const { checked } = require("./options.js");
const { Saving, isMissing } = require("./saving.js");

const MAINTAIN_MS = 100;
// So many sessions are read before the event loop has its turn.
const WALK_AT_ONCE = 256;

class SessileStore extends Store {
  #desk = new Desk();
  #saving;
  #keepsIds;
  #moving;
  #generate;

  constructor(options) {
    super();
    const { directory, settings, keys, ...rest } = checked(options);
    this.#saving = new Saving(rest, this.#desk);
    this.#keepsIds = settings.keepIds === true;
    if (rest.fallback) this.#moving = new Moving({ directory, settings, keys, ...rest }, this.#desk, (session) => this.#saving.subjectOf(session));
    this.#desk.open(directory, settings, keys, this.#moving);
    this.on("newListener", (name) => {
      if (name === "ended") this.#desk.listen((ended) => this.emit("ended", ended));
    });
  }

  // Answers when the store is open, or why it is not.
  ready(callback) {
    return this.#desk.ask(callback, () => (native, done) => done());
  }

  // What express-session sets: what the middleware makes of a request without a session.
  set generate(generate) {
    this.#generate = generate;
  }

  get generate() {
    if (!this.#generate || !this.#moving) return this.#generate;
    return (req) => {
      this.#generate(req);
      this.#moving.began(String(req.sessionID));
    };
  }

  // What express-session calls.

  get(sid, callback) {
    const id = String(sid);
    return this.#desk.ask(callback, () => (native, done) => this.#first(native, id, done, (lives) => {
      const data = lives ? native.read(id) : null;
      done(null, data === null ? null : this.#saving.read(id, data, this.#desk.deadline));
    }));
  }

  set(sid, session, callback) {
    const id = String(sid);
    const admitted = this.#moving && ((native, done, then) => this.#moving.admit(native, id, done, then));
    return this.#desk.ask(callback, () => this.#saving.set(id, session, admitted));
  }

  touch(sid, session, callback) {
    const id = String(sid);
    return this.#desk.ask(callback, () => {
      const touch = this.#saving.touch(id, session);
      if (this.#saving.isKnown(id, session)) return touch;
      return (native, done) => this.#first(native, id, done, (lives) => (lives ? touch(native, done) : done()));
    });
  }

  // Where another store is being left: which of them has the word on a session.
  #first(native, id, done, then) {
    return this.#moving ? this.#moving.first(native, id, done, then) : then(true);
  }

  destroy(sid, callback) {
    return this.#desk.ask(callback, () => (native, done) => this.#destroy(native, String(sid), done));
  }

  #destroy(native, id, done) {
    if (this.#moving) return tell(this.#moving.end(native, id), () => done(), done);
    let reply;
    try {
      reply = native.destroy(id);
    } catch (error) {
      // No session has such an id, so it is over.
      return done(error.code === "ERR_SESSILE_INVALID" ? null : error);
    }
    return this.#desk.reply(reply, (error) => done(error));
  }

  createSession(req, plain) {
    return this.#saving.load(req.sessionID, plain, () => super.createSession(req, plain));
  }

  // A new session under a new id, and the old one is over, in one record: when it began and its absolute deadline go along,
  // and whose it is, until it is saved and says so itself. Where the old one cannot be ended there is no new one.
  regenerate(req, callback) {
    return this.#desk.ask(callback, () => (native, done) => {
      const old = req.sessionID;
      const next = this.#next(req);
      const finish = (error) => {
        if (error) return done(error);
        req.sessionID = next.id;
        req.session = next.session;
        return done();
      };
      if (typeof old !== "string") return finish();
      if (!this.#moving) return this.#rotate(native, old, next, finish);
      return tell(this.#moving.leave(native, old), (lives) => (lives ? this.#rotate(native, old, next, finish) : finish()), done);
    });
  }

  #rotate(native, old, next, finish) {
    let rotated;
    try {
      rotated = this.#saving.rotate(native, old, next.id, next.session);
    } catch (error) {
      // The old one is in no store yet, or the new id is somebody's already: then they know nothing of each other.
      const strangers = isMissing(error) || ["ERR_SESSILE_DUPLICATE", "ERR_SESSILE_INVALID"].includes(error.code);
      return strangers ? this.#destroy(native, old, finish) : finish(error);
    }
    return this.#desk.reply(rotated.reply, (error) => {
      if (!error) this.#saving.tag(next.session, rotated.tag);
      finish(error);
    });
  }

  // What the middleware makes for a request without a session. The request keeps what it has until that one is over.
  #next(req) {
    const { sessionID, session } = req;
    try {
      this.generate(req);
      return { id: String(req.sessionID), session: req.session };
    } finally {
      req.sessionID = sessionID;
      if (session === undefined) delete req.session;
      else req.session = session;
    }
  }

  // What looks at many sessions, some at a time.

  all(callback) {
    return this.#walk(callback, nobody, (walked) => {
      const session = this.#saving.show(walked);
      if (session === null || typeof session !== "object") return session;
      // As other stores have it; not enumerable, since it is nothing that was saved.
      if (walked.id !== undefined) Object.defineProperty(session, "id", { value: walked.id, writable: true, configurable: true });
      return Object.defineProperty(session, "handle", { value: walked.handle, writable: true, configurable: true });
    });
  }

  ids(callback) {
    const shown = (walked) => {
      if (walked.id !== undefined) return walked.id;
      throw failure("ERR_SESSILE_NO_IDS", "the store keeps digests of ids, and no ids: that is decided when it is created, by keepIds: true");
    };
    return this.#walk(callback, () => void (this.#keepsIds || shown({})), shown);
  }

  sessionsOf(subject, callback) {
    return this.#walk(callback, () => this.#saving.whose(subject), (walked) => ({
      handle: walked.handle,
      created: new Date(walked.created),
      lastUsed: new Date(walked.lastUsed),
      expires: Number.isFinite(walked.deadline) ? new Date(walked.deadline) : null,
      session: this.#saving.show(walked),
    }));
  }

  #walk(callback, whose, show) {
    return this.#desk.ask(callback, () => {
      const subject = whose();
      return (native, done) => {
        const walk = native.walk(subject);
        const shown = [];
        const step = () => {
          try {
            const walked = walk.next(WALK_AT_ONCE);
            for (const one of walked) shown.push(show(one));
            if (walked.length === WALK_AT_ONCE) setImmediate(step);
            else done(null, shown);
          } catch (error) {
            done(error);
          }
        };
        step();
      };
    });
  }

  // What ends many sessions.

  clear(callback) {
    return this.#number(callback, (native) => native.clear(), undefined, (moving, native) => moving.clear(native));
  }

  destroySubject(subject, options, callback) {
    const [{ except } = {}, answered] = typeof options === "function" ? [undefined, options] : [options ?? undefined, callback];
    const revoke = (moving, native) => moving.revoke(native, this.#saving.whose(subject), except);
    return this.#number(answered, (native) => native.destroySubject(this.#saving.whose(subject), except), undefined, revoke);
  }

  destroyHandle(handle, callback) {
    return this.#number(callback, (native) => native.destroyHandle(String(handle)), Boolean, (moving, native) => moving.endHandle(native, String(handle)));
  }

  // For who looks after the store.

  handleOf(sid, callback) {
    return this.#desk.ask(callback, () => (native, done) => done(null, native.handleOf(String(sid))));
  }

  length(callback) {
    return this.#number(callback, (native) => native.length());
  }

  stats(callback) {
    return this.#desk.ask(callback, () => (native, done) => {
      const moving = this.#moving && { fallback: this.#moving.figures };
      done(null, { ...native.stats(), refusedSaves: this.#saving.refused, ...moving });
    });
  }

  flush(callback) {
    return this.#number(callback, (native) => native.flush(), () => undefined);
  }

  maintain(budget, callback) {
    const [ms, answered] = typeof budget === "function" ? [undefined, budget] : [budget, callback];
    this.#moving?.retry();
    return this.#number(answered, (native) => native.maintain(ms ?? MAINTAIN_MS), (done) => ({ ...done, more: done.more === 1 }));
  }

  backup(directory, callback) {
    const copy = async (moving, native) => {
      const made = await this.#desk.settled(() => native.backup(String(directory)));
      // After the sessions: what has ended between the two has ended in the copy.
      await moving.backup(String(directory));
      return made;
    };
    return this.#number(callback, (native) => native.backup(String(directory)), undefined, copy);
  }

  // Whether the store that is being left can be switched off.
  fallbackDone(callback) {
    return this.#moved(callback, (moving, native) => moving.done(native));
  }

  // Moves all that is left there, and not only who comes.
  moveAll(options, callback) {
    const [{ perSecond } = {}, answered] = typeof options === "function" ? [undefined, options] : [options ?? undefined, callback];
    return this.#moved(answered, (moving, native) => moving.all(native, { perSecond }));
  }

  close(callback) {
    this.#moving?.stop();
    return this.#desk.close(callback);
  }

  // `moving` says how it is done while another store is being left.
  #number(callback, begin, show = (number) => number, moving = undefined) {
    return this.#desk.ask(callback, () => (native, done) => {
      const answer = (number) => done(null, show(number));
      if (this.#moving && moving) tell(moving(this.#moving, native), answer, done);
      else this.#desk.reply(begin(native), (error, number) => (error ? done(error) : answer(number)));
    });
  }

  #moved(callback, begin) {
    return this.#desk.ask(callback, () => (native, done) => {
      if (!this.#moving) throw failure("ERR_SESSILE_INVALID", "no store is being left: that takes the option fallback");
      tell(begin(this.#moving, native), (value) => done(null, value), done);
    });
  }
}

const nobody = () => undefined;

// Hands on what a promise comes to. What `answer` throws is the answer, too.
function tell(promise, answer, done) {
  promise.then(answer).catch(done);
}

module.exports = { SessileStore };
