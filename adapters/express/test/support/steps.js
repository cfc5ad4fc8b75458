// The steps of a call: what it has the addon do, of the new store or of the ledger, and when it hears of a sync.
"use strict";

const { native } = require("../../lib/native.js");

const CHANGES = ["create", "update", "replace", "set", "rotate", "destroy", "destroyHandle", "destroySubject", "clear"];

// Has `step` called before each; what it throws, the call throws. Gives what ends that.
function stepping(step) {
  const { prototype } = native().Native;
  const before = Object.fromEntries([...CHANGES, "drain"].map((name) => [name, prototype[name]]));
  for (const name of CHANGES) {
    prototype[name] = function stepped(...values) {
      step(name);
      return before[name].apply(this, values);
    };
  }
  prototype.drain = function stepped() {
    const told = before.drain.call(this);
    if (told.length > 0) step("drain");
    return told;
  };
  return () => Object.assign(prototype, before);
}

module.exports = { stepping };
