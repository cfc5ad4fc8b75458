// Where the store is, by a URL or from the environment: the same words as on the Rust side, and never memory.
"use strict";

const assert = require("node:assert/strict");
const { join } = require("node:path");
const { test } = require("node:test");
const { pathToFileURL } = require("node:url");
const { SessileStore } = require("..");
const { directory, pause } = require("./support/stores.js");

async function kept(t, options, path) {
  const store = new SessileStore(options);
  await store.set("id", { cookie: {}, n: 7 });
  await store.close();
  const other = new SessileStore({ path });
  t.after(() => other.close());
  assert.equal((await other.get("id")).n, 7);
}

// As the environment says for a while.
async function environment(url, work) {
  process.env.SESSION_STORE = url;
  try {
    return await work();
  } finally {
    delete process.env.SESSION_STORE;
  }
}

test("a URL names the directory, absolute, with a sign in its name, or relative to the process", async (t) => {
  const home = directory();
  await kept(t, { url: `sessile:${join(home, "one")}?durability=written` }, join(home, "one"));
  await kept(t, { url: `sessile:${join(home, "a%3Fb%20c")}` }, join(home, "a?b c"));
  await kept(t, { path: pathToFileURL(join(home, "three")) }, join(home, "three"));
  const cwd = process.cwd();
  process.chdir(home);
  try {
    await kept(t, { url: "sessile:./here" }, join(home, "here"));
  } finally {
    process.chdir(cwd);
  }
});

test("a URL is no path", () => {
  for (const path of ["sessile:./sessions", "Sessile:/srv/sessions", "redis://user:hunter2@host/0", "file:///srv/sessions"]) {
    assert.throws(() => new SessileStore({ path }), (error) => error instanceof TypeError && /option url/.test(error.message) && !/hunter2/.test(error.message));
  }
});

test("without path and url it is SESSION_STORE that says where, and with one of them it says nothing", async (t) => {
  const home = directory();
  await environment(`sessile:${join(home, "there")}`, async () => {
    await kept(t, undefined, join(home, "there"));
    await kept(t, { durability: "written" }, join(home, "there"));
    await kept(t, { path: join(home, "else") }, join(home, "else"));
  });
  const told = { message: /path: 'sessions'.*url.*SESSION_STORE/ };
  await environment("", () => assert.throws(() => new SessileStore(), told));
  assert.throws(() => new SessileStore({}), told);
  assert.throws(() => new SessileStore({ path: home, url: `sessile:${home}` }), /not both/);
});

test("what the URL says counts, whatever the program says, and the rest is the program's", async () => {
  const home = directory();
  const url = `sessile:${join(home, "one")}?idle=2s&keep_ids=true&session_bytes_max=1KiB&lock_wait=20ms`;
  const store = new SessileStore({ url, ttl: 3_600_000, keepIds: false, sessionBytesMax: 1 << 20, subject: (one) => one.user });
  await store.set("id", { cookie: {}, user: "ada" });
  assert.deepEqual(await store.ids(), ["id"]);
  await assert.rejects(store.set("large", { cookie: {}, x: "x".repeat(2000) }), { code: "ERR_SESSILE_TOO_LARGE", message: /allows 1024/ });
  await pause(2100);
  assert.equal(await store.get("id"), null, "idle is ttl");
  await store.close();
  const plain = new SessileStore({ url: `sessile:${join(home, "two")}?durability=written`, ttl: 3_600_000 });
  await plain.set("id", { cookie: {} });
  const syncs = async () => (await plain.stats()).syncs;
  const before = await syncs();
  for (let n = 0; n < 20; n += 1) await plain.set("id", { cookie: {} });
  assert.ok((await syncs()) - before < 20, "written, where the default would sync each");
  await pause(70);
  assert.ok(await plain.get("id"));
  await plain.close();
});

test("a place of another kind is refused with what to do, and no password is repeated", async () => {
  const refused = (url, said) => {
    const check = (error) => {
      assert.equal(error.code, "ERR_SESSILE_PLACE");
      assert.match(error.message, said);
      assert.ok(!error.message.includes("hunter2"), error.message);
      return true;
    };
    assert.throws(() => new SessileStore({ url }), check);
    return environment(url, () => assert.throws(() => new SessileStore(), (error) => check(error) && /^SESSION_STORE in the environment/.test(error.message)));
  };
  await refused("redis://ada:hunter2@cache:6379/0", /begins with redis: .*connect-redis/);
  await refused("rediss+sentinel://ada:hunter2@cache:6379/0", /begins with rediss: .*connect-redis/);
  await refused("postgres://ada:hunter2@db/sessions", /begins with postgres: .*connect-pg-simple/);
  await refused("PostgreSQL://ada:hunter2@db/sessions", /begins with postgresql: .*connect-pg-simple/);
  await refused("memory:hunter2", /lost with the process/);
  await refused("mysql://ada:hunter2@db/sessions", /begins with sessile:.*begins with mysql:/);
  await refused("hunter2", /has no scheme/);
  await refused("sessile:", /names its directory/);
  await refused("sessile:./sessions?durability=hunter2", /durability .* synced or written/);
  await refused("sessile:./sessions?hunter2=yes", /can say keys, durability/);
  await refused("sessile://host/sessions", /no host/);
});
