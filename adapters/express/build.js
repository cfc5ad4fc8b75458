// Builds the addon, so that its binary says nothing of the machine that it was built on: node build.js
"use strict";

const { spawnSync } = require("node:child_process");
const { homedir } = require("node:os");
const { join, resolve } = require("node:path");

const names = {
  [process.env.CARGO_HOME ?? join(homedir(), ".cargo")]: "cargo",
  [process.env.RUSTUP_HOME ?? join(homedir(), ".rustup")]: "rustup",
  [resolve(__dirname, "../..")]: "sessile",
};
const remap = Object.entries(names).map(([path, name]) => `--remap-path-prefix=${path}=${name}`);
// Flags in this variable are parted by spaces, and a path that has one cannot be said there.
const flags = [process.env.RUSTFLAGS, ...remap.filter((flag) => !/\s/.test(flag))].filter(Boolean);
const { status } = spawnSync(
  process.execPath,
  [join(__dirname, "node_modules/@napi-rs/cli/dist/cli.js"), "build", "--platform", "--release", "--strip", "--no-js", ...process.argv.slice(2), "--", "--locked"],
  { cwd: __dirname, stdio: "inherit", env: { ...process.env, RUSTFLAGS: flags.join(" ") } },
);
process.exit(status ?? 1);
