// Cookies, as far as a store must know them: when a session ends, and whether anything else of its cookie has changed.
//
// A session's end stands in the store's index, to the millisecond, and moves there with every use. The `expires` in the JSON
// is as old as the last write, and is filled in anew whenever the session is read.
"use strict";

const DAY_MS = 24 * 60 * 60 * 1000;
// `cookie.originalMaxAge` is computed anew for each request, from two looks at the clock: it loses what lies between them.
const DRIFT_MS = 50;

// When a cookie ends, in milliseconds since the epoch; undefined where it does not say: null, false, or no date.
function endOf(cookie) {
  const expires = cookie?.expires;
  if (expires === null || expires === undefined || typeof expires === "boolean") return undefined;
  const ms = typeof expires === "number" ? expires : new Date(expires).getTime();
  return Number.isNaN(ms) ? undefined : ms;
}

// When a session ends. A function decides for each session; a number counts for those whose cookie does not say.
function deadlineOf(session, ttl) {
  const asked = typeof ttl === "function" ? ttl(session) : undefined;
  if (asked !== undefined && asked !== null) return after(asked);
  return endOf(session?.cookie) ?? after(typeof ttl === "number" ? ttl : DAY_MS);
}

function after(ms) {
  if (typeof ms !== "number" || Number.isNaN(ms)) throw new TypeError("connect-sessile: ttl must give a number of milliseconds");
  return Date.now() + ms;
}

// Shows in a session that was read when it ends. Null and false are kept: such a cookie ends with the browser.
function fillIn(session, deadline) {
  if (endOf(session?.cookie) !== undefined && Number.isFinite(deadline)) {
    session.cookie.expires = new Date(deadline).toISOString();
  }
}

// What a session's cookie says at this moment; undefined where it has none.
function cookieOf(session) {
  const cookie = session?.cookie;
  if (cookie === null || typeof cookie !== "object") return undefined;
  return typeof cookie.toJSON === "function" ? cookie.toJSON() : { ...cookie };
}

// Whether two cookies say the same, but for the moment at which they end.
function isSame(one, other) {
  if (!one || !other) return !one && !other;
  return (endOf(one) === undefined) === (endOf(other) === undefined) && saysTheSame(one, other) && saysTheSame(other, one);
}

// Whether everything that the one says, the other says too.
function saysTheSame(one, other) {
  for (const name of Object.keys(one)) {
    // @fastify/session repeats the end of before as `originalExpires`.
    if (name === "expires" || name === "originalExpires") continue;
    if (name === "originalMaxAge" ? !isSameAge(one[name], other[name]) : one[name] !== other[name]) return false;
  }
  return true;
}

function isSameAge(one, other) {
  if (typeof one === "number" && typeof other === "number") return Math.abs(one - other) <= DRIFT_MS;
  return (one ?? null) === (other ?? null);
}

// Whether a deadline is meant to be sooner than another, and not just computed a moment before it.
const isSooner = (deadline, than) => deadline < than - DRIFT_MS;

module.exports = { cookieOf, deadlineOf, endOf, fillIn, isSame, isSooner };
