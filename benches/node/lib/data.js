// What is stored: the sessions of visitors of a shop, the same in every run and for every store.
//
// Ids are 32 URL-safe characters, as express-session makes them. A session is what express-session with passport keeps, as JSON
// of 282 to 885 bytes, on average about 490: the lengths of the comparison in `benches/`.
"use strict";

const { createHash } = require("node:crypto");

const BYTES_MIN = 282;
const BYTES_MAX = 885;
const ITEM_BYTES = 40;
const LIFETIME_MS = 14 * 24 * 60 * 60 * 1000;

// Numbers that follow from a seed (mulberry32).
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function text(next, alphabet, length) {
  let said = "";
  while (said.length < length) said += alphabet[Math.floor(next() * alphabet.length)];
  return said;
}

const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const idOf = (number) => createHash("sha256").update(`visitor ${number}`).digest("base64url").slice(0, 32);
const userOf = (number) => createHash("sha256").update(`user ${number}`).digest("hex").slice(0, 24);

// What a visitor has in his session, without its cookie. `views` is what the write page counts.
function contentOf(number) {
  const next = random(number);
  const length = BYTES_MIN + Math.floor(next() ** 1.9 * (BYTES_MAX - BYTES_MIN + 1));
  const content = {
    passport: { user: userOf(number) },
    csrfSecret: text(next, URL_SAFE, 24),
    returnTo: `/orders/${10_000 + Math.floor(next() * 90_000)}`,
    views: 0,
    viewed: [],
  };
  // With its cookie, which takes 120 bytes as express-session writes it.
  let bytes = JSON.stringify(content).length + 120;
  for (; bytes + ITEM_BYTES + 2 <= length; bytes += ITEM_BYTES) {
    content.viewed.push({ sku: text(next, "ABCDEFGHJKLMNPQRSTUVWXYZ", 10), at: 1_763_000_000_000 + Math.floor(next() * 9e9) });
  }
  content.viewed.push(text(next, URL_SAFE, Math.max(0, length - bytes - 2)));
  return content;
}

// The session as `store.set` takes it from a program.
function sessionOf(number) {
  const expires = new Date(Date.now() + LIFETIME_MS).toISOString();
  return { cookie: { originalMaxAge: LIFETIME_MS, expires, httpOnly: true, path: "/", sameSite: "lax" }, ...contentOf(number) };
}

module.exports = { BYTES_MAX, BYTES_MIN, LIFETIME_MS, idOf, random, sessionOf, userOf };
