// The binary: which one this machine needs, and what to do where there is none.
"use strict";

const { join } = require("node:path");

// Every platform that the package is laid out for; README.md says which of them are tested.
const PLATFORMS = [
  "linux-x64-gnu", "linux-x64-musl", "linux-arm64-gnu", "linux-arm64-musl",
  "darwin-x64", "darwin-arm64", "win32-x64-msvc",
];

// What a machine is called in the names of binaries.
function platformOf(platform, arch, glibc) {
  if (platform === "linux") return `${platform}-${arch}-${glibc ? "gnu" : "musl"}`;
  return platform === "win32" ? `${platform}-${arch}-msvc` : `${platform}-${arch}`;
}

function hasGlibc() {
  if (!process.report) return true;
  // Otherwise the report looks up the names of open connections.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime !== undefined;
}

// The binary beside this package, or the package with the binary of this platform.
function load(name, require) {
  const tried = [join(__dirname, "..", `sessile.${name}.node`), `connect-sessile-${name}`];
  const absent = [];
  for (const place of tried) {
    try {
      return require(place);
    } catch (error) {
      // One that is there and cannot be loaded says why itself.
      if (error.code !== "MODULE_NOT_FOUND") throw error;
      absent.push(place);
    }
  }
  const remedy = PLATFORMS.includes(name)
    ? `install the package connect-sessile-${name} in the same version, or build it here`
    : `it is none of the platforms that connect-sessile has binaries for (${PLATFORMS.join(", ")}); build it here`;
  const error = new Error(
    `connect-sessile has no binary for ${name}: ${remedy}, with Rust from https://rustup.rs and \`npm run build\` ` +
      `in adapters/express of sessile's repository. Looked for: ${absent.join(", ")}`,
  );
  error.code = "ERR_SESSILE_NO_BINARY";
  throw error;
}

const glibc = process.platform === "linux" && hasGlibc();

module.exports = { PLATFORMS, platformOf, load, native: () => load(platformOf(process.platform, process.arch, glibc), require) };
