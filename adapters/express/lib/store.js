// The store that express-session is given. Each method a short story: `desk` knows how calls wait and are answered, `saving`
// what becomes of a session that is saved, `cookie` when sessions end, `merge` how two requests come together.
"use strict";

const { Store } = require("express-session");
const { Desk, failure } = require("./desk.js");
const { checked } = require("./options.js");
const { Saving, isMissing, named } = require("./saving.js");

const MAINTAIN_MS = 100;
// So many sessions are read before the event loop has its turn.
const WALK_AT_ONCE = 256;

class SessileStore extends Store {
  #desk = new Desk();
  #saving;
  #keepsIds;

  constructor(options) {
    super();
    const { directory, settings, ...rest } = checked(options);
    this.#saving = new Saving(rest, this.#desk);
    this.#keepsIds = settings.keepIds === true;
    this.#desk.open(directory, settings);
    this.on("newListener", (name) => {
      if (name === "ended") this.#desk.listen((ended) => this.emit("ended", ended));
    });
  }

  // Answers when the store is open, or why it is not.
  ready(callback) {
    return this.#desk.ask(callback, () => (native, done) => done());
  }

  // What express-session calls.

  get(sid, callback) {
    return this.#desk.ask(callback, () => (native, done) => {
      const found = native.get(String(sid));
      done(null, found ? this.#saving.read(found) : null);
    });
  }

  set(sid, session, callback) {
    return this.#desk.ask(callback, () => this.#saving.set(String(sid), session));
  }

  touch(sid, session, callback) {
    return this.#desk.ask(callback, () => this.#saving.touch(String(sid), session));
  }

  destroy(sid, callback) {
    return this.#desk.ask(callback, () => (native, done) => this.#destroy(native, String(sid), done));
  }

  #destroy(native, id, done) {
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
      let rotated;
      try {
        rotated = this.#saving.rotate(native, old, next.id, next.session);
      } catch (error) {
        // The old one is in no store yet, or the new id is somebody's already: then they know nothing of each other.
        const strangers = isMissing(error) || ["ERR_SESSILE_DUPLICATE", "ERR_SESSILE_INVALID"].includes(error.code);
        return strangers ? this.#destroy(native, old, finish) : done(error);
      }
      return this.#desk.reply(rotated.reply, (error) => {
        if (!error) this.#saving.tag(next.session, rotated.tag);
        finish(error);
      });
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
    return this.#walk(callback, () => named(subject), (walked) => ({
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
    return this.#number(callback, (native) => native.clear());
  }

  destroySubject(subject, options, callback) {
    const [{ except } = {}, answered] = typeof options === "function" ? [undefined, options] : [options ?? undefined, callback];
    return this.#number(answered, (native) => native.destroySubject(named(subject), except));
  }

  destroyHandle(handle, callback) {
    return this.#number(callback, (native) => native.destroyHandle(String(handle)), Boolean);
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
      done(null, { ...native.stats(), refusedSaves: this.#saving.refused });
    });
  }

  flush(callback) {
    return this.#number(callback, (native) => native.flush(), () => undefined);
  }

  maintain(budget, callback) {
    const [ms, answered] = typeof budget === "function" ? [undefined, budget] : [budget, callback];
    return this.#number(answered, (native) => native.maintain(ms ?? MAINTAIN_MS), (done) => ({ ...done, more: done.more === 1 }));
  }

  backup(directory, callback) {
    return this.#number(callback, (native) => native.backup(String(directory)));
  }

  close(callback) {
    return this.#desk.close(callback);
  }

  #number(callback, begin, show = (number) => number) {
    return this.#desk.ask(callback, () => (native, done) => {
      this.#desk.reply(begin(native), (error, number) => (error ? done(error) : done(null, show(number))));
    });
  }
}

const nobody = () => undefined;

module.exports = { SessileStore };
