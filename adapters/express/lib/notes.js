// Notes: what a store remembers of an object that is express-session's or the program's.
//
// A note is a private field of the object itself: nobody else sees it, no copy and no JSON has it, and it goes when the object
// does. A WeakMap would say the same; its keys are short-lived here, and cost the garbage collector more than all else of a read.
"use strict";

// Gives `super()` the object that is to have a further field.
class Given {
  constructor(object) {
    return object;
  }
}

const isObject = (value) => value !== null && typeof value === "object";

// Notes of one kind, for one store: another store's notes on the same object are other fields. What is no object has none.
function notes() {
  return class Notes extends Given {
    #note;

    static get(object) {
      return isObject(object) && #note in object ? object.#note : undefined;
    }

    static set(object, note) {
      if (!isObject(object)) return;
      if (!(#note in object)) new Notes(object);
      object.#note = note;
    }
  };
}

module.exports = { notes };
