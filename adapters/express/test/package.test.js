// The package as somebody installs it: from its tarball, in an empty directory, without a compiler; and what somebody is told
// whose platform has no binary.
"use strict";

const assert = require("node:assert/strict");
const { execFileSync, spawn } = require("node:child_process");
const { once } = require("node:events");
const { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } = require("node:fs");
const { homedir } = require("node:os");
const { dirname, join } = require("node:path");
const { test } = require("node:test");
const { PLATFORMS, load, platformOf } = require("../lib/native.js");
const { directory } = require("./support/stores.js");

const PACKAGE = join(__dirname, "..");
const README = readFileSync(join(PACKAGE, "README.md"), "utf8");

test("each platform has a name, and its binary is looked for beside the package and in a package of its own", () => {
  const names = [
    platformOf("linux", "x64", true), platformOf("linux", "x64", false), platformOf("linux", "arm64", true),
    platformOf("linux", "arm64", false), platformOf("darwin", "x64"), platformOf("darwin", "arm64"), platformOf("win32", "x64"),
  ];
  assert.deepEqual(names, PLATFORMS);
  const asked = [];
  const found = load("linux-arm64-musl", (place) => {
    asked.push(place);
    if (asked.length === 1) throw Object.assign(new Error("not there"), { code: "MODULE_NOT_FOUND" });
    return "the addon";
  });
  assert.equal(found, "the addon");
  assert.ok(asked[0].endsWith("sessile.linux-arm64-musl.node"));
  assert.equal(asked[1], "connect-sessile-linux-arm64-musl");
});

test("a missing binary names the platform and what to do", () => {
  const nowhere = () => {
    throw Object.assign(new Error("not there"), { code: "MODULE_NOT_FOUND" });
  };
  assert.throws(() => load("linux-arm64-gnu", nowhere), {
    code: "ERR_SESSILE_NO_BINARY",
    message: /no binary for linux-arm64-gnu: install the package connect-sessile-linux-arm64-gnu .*npm run build/,
  });
  assert.throws(() => load("aix-ppc64", nowhere), { message: /aix-ppc64: it is none of the platforms .*linux-x64-gnu/ });
});

test("a binary that is there and cannot be loaded says why", () => {
  const broken = () => {
    throw Object.assign(new Error("GLIBC_2.99 not found"), { code: "ERR_DLOPEN_FAILED" });
  };
  assert.throws(() => load("linux-x64-gnu", broken), /GLIBC_2\.99/);
});

test("the table of platforms has each that the package is laid out for", () => {
  const { napi } = require("../package.json");
  assert.equal(napi.targets.length, PLATFORMS.length);
  for (const name of PLATFORMS) assert.match(README, new RegExp(`\\| \`${name}\` \\| (tested|built|not yet)`), name);
});

test("the binary says nothing of the machine that it was built on", () => {
  const name = readdirSync(PACKAGE).find((one) => /^sessile\..*\.node$/.test(one));
  const binary = readFileSync(join(PACKAGE, name));
  assert.ok(binary.includes("sessile"));
  for (const path of [join(PACKAGE, "../.."), join(homedir(), ".cargo"), join(homedir(), ".rustup")]) assert.equal(binary.indexOf(path), -1, path);
});

test("every option is in the README's table", () => {
  const options = readFileSync(join(PACKAGE, "lib/options.js"), "utf8").match(/const RULES = \{([^]*?)\n\};/)[1];
  for (const [, name] of options.matchAll(/^ {2}(\w+):/gm)) assert.match(README, new RegExp(`^\\| \`${name}\` \\|`, "m"), name);
});

// Packs and installs the package in an empty directory; express is not fetched a second time.
function installed(t) {
  const home = directory();
  const quiet = { cwd: PACKAGE, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", home], quiet));
  writeFileSync(join(home, "package.json"), JSON.stringify({ name: "shop", private: true }));
  // No compiler, and nothing else that a script could call.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${join(home, "no-tools")}` };
  const npm = execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
  const install = ["install", "--offline", "--legacy-peer-deps", "--no-audit", "--no-fund", "--ignore-scripts", join(home, filename)];
  execFileSync(process.execPath, [npm, ...install], { cwd: home, env, stdio: "ignore" });
  for (const name of ["express", "express-session"]) symlinkSync(join(PACKAGE, "node_modules", name), join(home, "node_modules", name));
  return home;
}

async function serve(t, home) {
  const env = { ...process.env, PORT: "0", SESSION_SECRET: "a secret of more than thirty-two characters" };
  const child = spawn(process.execPath, ["server.mjs"], { cwd: home, env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [line] = await once(child.stdout, "data");
  const [, port] = /:(\d+)/.exec(String(line));
  return { child, get: (path, cookie = "") => fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie } }) };
}

test("from an empty directory: install, the README's program, and a login that survives kill -9", async (t) => {
  const home = installed(t);
  const [, program] = /```js\n(import express[^]*?)```/.exec(README);
  writeFileSync(join(home, "server.mjs"), program);
  mkdirSync(join(home, "no-tools"), { recursive: true });
  let server = await serve(t, home);
  const login = await server.get("/login");
  const cookie = login.headers.get("set-cookie").split(";")[0];
  assert.equal(await (await server.get("/", cookie)).text(), "You are ada.\n");
  for (let round = 0; round < 3; round += 1) {
    const dead = once(server.child, "exit");
    server.child.kill("SIGKILL");
    await dead;
    server = await serve(t, home);
    assert.equal(await (await server.get("/", cookie)).text(), "You are ada.\n");
  }
  await server.get("/logout", cookie);
  const dead = once(server.child, "exit");
  server.child.kill("SIGKILL");
  await dead;
  server = await serve(t, home);
  assert.equal(await (await server.get("/", cookie)).text(), "Nobody.\n");
});

test("CommonJS and ESM give the same class", async () => {
  const module = await import("connect-sessile");
  assert.equal(module.SessileStore, require("connect-sessile").SessileStore);
});
