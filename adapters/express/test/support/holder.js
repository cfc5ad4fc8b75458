// A process that holds a store, tells that it does, and lets it go or dies when it is told to:
// node holder.js DIRECTORY [JSON of sessions by id] [DURABILITY]
"use strict";

const { SessileStore } = require("../..");

const [path, sessions = "{}", durability = "synced"] = process.argv.slice(2);
const store = new SessileStore({ path, durability, lockWait: 0 });

async function hold() {
  for (const [id, session] of Object.entries(JSON.parse(sessions))) await store.set(id, session);
  await store.ready();
  process.send("held");
  process.on("message", async (message) => {
    if (message === "close") {
      await store.close();
      process.disconnect();
    }
  });
}

hold().catch((error) => {
  process.send({ code: error.code, message: error.message });
  process.disconnect();
});
