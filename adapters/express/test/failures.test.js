// A disk that fails: what a request is told, and what it keeps.
"use strict";

const assert = require("node:assert/strict");
const { dirname, join } = require("node:path");
const { test } = require("node:test");
const request = require("supertest");
const { shop, sidOf } = require("./support/shop.js");
const { directory } = require("./support/stores.js");

const LIB = join(dirname(__dirname), "lib");
const latched = () => Object.assign(new Error("the store takes no more writes"), { code: "ERR_SESSILE_LATCHED" });

// The package over an addon whose disk fails when `disk.fails` says so: at once, or after the call has returned.
function broken(disk) {
  const place = join(LIB, "native.js");
  const { native, ...rest } = require(place);
  class Broken extends native().Native {
    #failed = [];
    #bell;

    constructor(bell, ...rest) {
      super(bell, ...rest);
      this.#bell = bell;
    }

    #fail(work) {
      if (!disk.fails) return work();
      if (disk.fails === "at once") throw latched();
      const ticket = 1_000_000 + this.#failed.length;
      setTimeout(() => {
        this.#failed.push({ ticket, failure: latched() });
        this.#bell();
      }, 5);
      return -ticket;
    }

    set(...values) {
      return this.#fail(() => super.set(...values));
    }

    rotate(...values) {
      return this.#fail(() => super.rotate(...values));
    }

    destroy(...values) {
      return this.#fail(() => super.destroy(...values));
    }

    drain() {
      return [...super.drain(), ...this.#failed.splice(0)];
    }
  }
  const before = Object.keys(require.cache).filter((name) => name.startsWith(LIB));
  for (const name of before) if (name !== place) delete require.cache[name];
  require.cache[place].exports = { ...rest, native: () => ({ Native: Broken }) };
  const { SessileStore } = require(join(LIB, "store.js"));
  require.cache[place].exports = { ...rest, native };
  return SessileStore;
}

for (const when of ["at once", "later"]) {
  test(`a login whose old session cannot be ended fails, ${when}, and there is no new session`, async () => {
    const disk = { fails: undefined };
    const SessileStore = broken(disk);
    const store = new SessileStore({ path: join(directory(), "sessions") });
    const agent = request.agent(shop(store));
    const sid = sidOf(await agent.get("/set?cart=7"));
    disk.fails = when;
    const login = await agent.get("/login?user=ada");
    assert.deepEqual([login.status, login.body.code, login.headers["set-cookie"]], [500, "ERR_SESSILE_LATCHED", undefined]);
    const logout = await agent.get("/logout");
    assert.deepEqual([logout.status, logout.body.code], [500, "ERR_SESSILE_LATCHED"]);
    disk.fails = undefined;
    assert.equal((await store.get(sid)).cart, "7");
    assert.equal(await store.length(), 1);
    await store.close();
  });

  test(`a session that could not be begun, ${when}, is begun when it is saved again`, async () => {
    const disk = { fails: when };
    const SessileStore = broken(disk);
    const store = new SessileStore({ path: join(directory(), "sessions") });
    shop(store);
    const req = { sessionStore: store, headers: {}, connection: {} };
    store.generate(req);
    await assert.rejects(store.set(req.sessionID, req.session), { code: "ERR_SESSILE_LATCHED" });
    disk.fails = undefined;
    await store.set(req.sessionID, req.session);
    assert.ok(await store.get(req.sessionID));
    await store.close();
  });
}
