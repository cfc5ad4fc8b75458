// Users log in with the real stores; their sessions move; the same cookies work with connect-sessile, and back again.
//
// SESSILE names the command, CONNECT_SESSILE the package with its addon.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

import { app } from "./app.mjs";
import { fresh, stores } from "./stores.mjs";

const { SessileStore } = createRequire(import.meta.url)(process.env.CONNECT_SESSILE);
const parent = mkdtempSync(join(tmpdir(), "sessile-moves-"));
// PostgreSQL runs as another user.
chmodSync(parent, 0o755);
after(() => rmSync(parent, { recursive: true, force: true }));

async function sessile(...args) {
  const { stdout } = await promisify(execFile)(process.env.SESSILE, [...args, "--json"], { encoding: "utf8" });
  return { report: JSON.parse(stdout), stdout };
}

const USERS = 25;
const HOUR_MS = 3_600_000;

// Everybody in an application on a store: some stay, some log out, some run out, one has a cookie that ends with the browser.
async function populate(store) {
  const shop = await app(store);
  const stay = [];
  for (let n = 0; n < USERS; n += 1) stay.push(await shop.login(`user${n % 20}`));
  stay.push(await shop.login("browser", "browser"));
  const left = [await shop.login("gone"), await shop.login("gone")];
  for (const one of left) await shop.logout(one);
  const over = await shop.login("short", "1500");
  // A use of each, which not every store notes, and each in its own way.
  for (const one of stay) assert.equal((await shop.me(one)).user, one.user);
  await pause(3100);
  return { shop, stay, gone: [...left, over] };
}

async function everybodyIsIn(store, { stay, gone }) {
  const shop = await app(store);
  for (const one of stay) {
    const me = await shop.me(one);
    assert.deepEqual([me.user, me.renamed], [one.user, false], "in without a new login");
    assert.deepEqual(me.cart, ["Äpfel", { "😀": [1, 2.5, null] }]);
  }
  for (const one of gone) assert.equal((await shop.me(one)).user, null, "whoever is out stays out");
  return shop;
}

describe("sessions move in, and every cookie works without a new login", { concurrency: 4 }, () => {
  for (const [name, kind] of Object.entries(stores)) {
    test(name, { skip: kind.missing && `not here: ${kind.missing}` }, async (t) => {
      const dir = fresh(parent, name);
      const old = await kind.open(dir);
      t.after(() => old.end?.());
      const begun = Date.now();
      const people = await populate(old.store);
      const used = Date.now();
      await people.shop.close();
      await old.close();
      const to = join(dir, "new");

      const { report, stdout } = await sessile("import", old.address, "--dir", to, "--subject", "/passport/user");
      const skipped = report.skipped.reduce((sum, { count }) => sum + count, 0);
      assert.deepEqual([report.written, report.already_there, skipped], [USERS + 1, 0, old.skipped ?? 0], stdout);
      assert.equal(report.with_subject, USERS + 1);
      assert.deepEqual(report.verified, { compared: USERS + 1, missing: 0, different: 0, longer: 0 });
      for (const { id } of people.stay) assert.ok(!stdout.includes(id));

      const store = new SessileStore({ path: to, subject: (session) => session.passport?.user });
      for (const { expires } of await store.sessionsOf("user3")) {
        // Some stores round up to a second.
        assert.ok(expires >= begun + HOUR_MS - 1000 && expires <= used + HOUR_MS + 1000, `it ends at ${expires.toISOString()}`);
      }
      const shop = await everybodyIsIn(store, people);
      assert.equal(await store.destroySubject("user3"), 2, "log out everywhere finds both of them");
      assert.equal((await shop.me(people.stay[3])).user, null);
      await shop.close();
      await store.close();

      const again = await sessile("import", old.address, "--dir", to, "--again", "--no-verify");
      assert.deepEqual([again.report.written, again.report.already_there], [0, USERS - 1], "the two that were ended here stay ended");
      if (old.back) await wayBack(old, people, dir);
    });
  }
});

// Into a store that keeps ids, out into the format that they came from, and everybody is in there.
async function wayBack({ address, back }, people, dir) {
  const kept = join(dir, "kept");
  await sessile("import", address, "--dir", kept, "--keep-ids");
  const { report } = await sessile("export", "--dir", kept, back.to);
  const { verified, ...counts } = report;
  assert.deepEqual([counts.written, verified], [USERS + 1, { compared: USERS + 1, missing: 0, different: 0, longer: 0 }]);
  const twice = await sessile("export", "--dir", kept, back.to);
  assert.deepEqual([twice.report.written, twice.report.already_there], [0, USERS + 1]);
  const { store, close } = await back.open();
  const shop = await everybodyIsIn(store, people);
  await shop.close();
  await close();
  const digests = join(dir, "new");
  await assert.rejects(sessile("export", "--dir", digests, back.to), ({ code, stderr }) => code === 8 && stderr.includes("keep_ids"));
}
