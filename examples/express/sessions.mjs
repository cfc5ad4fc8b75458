// Sessions: where they are kept, how long they live, the cookie that names them, and how one becomes a user's.

import session from "express-session";
import { SessileStore } from "connect-sessile";
import { settings } from "./settings.mjs";

const { production, secret, directory, idle, absolute } = settings;

export const store = new SessileStore({
  path: directory,
  absolute,
  merge: true,
  // Two pages that fill one cart at the same time: what both have put in is there.
  onConflict: (key, base = [], mine, theirs = []) => (key === "cart" && mine ? [...theirs, ...mine.slice(base.length)] : mine),
  subject: (one) => one.user,
  // A session that waits for a provider ends when it said it would. Any other ends with its cookie.
  ttl: (one) => (one.oauth ? one.oauth.until - Date.now() : undefined),
  lockWait: 5000,
});

// With `__Host-` the browser takes the cookie from this very host only, over HTTPS. It does not on http://localhost.
export const cookie = {
  name: production ? "__Host-id" : "id",
  options: { path: "/", httpOnly: true, sameSite: "lax", secure: production },
};

export const sessions = session({
  store,
  secret,
  name: cookie.name,
  cookie: { ...cookie.options, maxAge: idle },
  resave: false,
  saveUninitialized: false,
  rolling: true, // Every answer moves the cookie's end as the request has moved the session's. That costs a touch.
});

const called = (act) => new Promise((done, failed) => act((error) => (error ? failed(error) : done())));

// A new session in the place of what there was: an id that somebody knew before is worth nothing after.
export async function renew(req, content, maxAge = idle) {
  await called((done) => req.session.regenerate(done));
  Object.assign(req.session, content);
  req.session.cookie.maxAge = maxAge;
  await called((done) => req.session.save(done));
}

// Who logs in keeps the cart that he has filled.
export function enter(req, user) {
  return renew(req, { user, device: req.get("user-agent"), cart: req.session.cart });
}

export async function leave(req, res) {
  await called((done) => req.session.destroy(done));
  res.clearCookie(cookie.name, cookie.options);
}
