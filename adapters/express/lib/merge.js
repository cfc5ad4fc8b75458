// Merging: two requests have changed one session, and neither loses what it has written.
//
// By top-level keys, three ways: what this request loaded, what it has made of it, and what the store has now.
"use strict";

// The top-level keys of a session that is JSON, each with its value as JSON. The cookie is no such key: see `cookieOf`.
function partsOf(json) {
  const parts = new Map();
  for (const [key, value] of Object.entries(JSON.parse(json))) {
    if (key !== "cookie") parts.set(key, JSON.stringify(value));
  }
  return parts;
}

// The keys that this request has changed, added or removed.
function changesOf(base, mine) {
  const keys = new Set([...base.keys(), ...mine.keys()]);
  return [...keys].filter((key) => base.get(key) !== mine.get(key));
}

// What the store has, with this request's changes. Where another has changed the same key, `onConflict` decides, and without
// it the later one wins, who is this one.
function merged(theirs, base, mine, onConflict) {
  // Without a prototype, so that a key called __proto__ is a key.
  const session = Object.assign(Object.create(null), theirs);
  const value = (json) => (json === undefined ? undefined : JSON.parse(json));
  for (const key of changesOf(base, mine)) {
    const now = Object.hasOwn(theirs, key) ? JSON.stringify(theirs[key]) : undefined;
    const conflict = onConflict && now !== base.get(key) && now !== mine.get(key);
    const made = conflict
      ? onConflict(key, value(base.get(key)), value(mine.get(key)), value(now))
      : value(mine.get(key));
    if (made === undefined) delete session[key];
    else session[key] = made;
  }
  return session;
}

module.exports = { changesOf, merged, partsOf };
