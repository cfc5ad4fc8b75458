// What a program in TypeScript writes, and what it must not: checked by `npm run types`, never run.
import express = require("express");
import session = require("express-session");
import { type Device, type Ended, type SessileOptions, SessileStore } from "connect-sessile";

declare module "express-session" {
  interface SessionData {
    userId?: number;
  }
}

const options: SessileOptions = { path: "sessions", ttl: (one) => (one.userId ? 86_400_000 : undefined), merge: true, subject: (one) => one.userId };
const store = new SessileStore(options);
const any: session.Store = store;
express().use(session({ store: any, secret: "secret", resave: false, saveUninitialized: false }));

async function program(): Promise<void> {
  const found: session.SessionData | null = await store.get("id");
  if (found) await store.set("id", found);
  const devices: Device[] = await store.sessionsOf(7);
  const ended: number = await store.destroySubject(7, { except: "id" });
  const more: boolean = (await store.maintain()).more;
  store.on("ended", ({ handle, reason }: Ended) => console.log(handle, reason));
  store.length((error, length) => console.log(error, length));
  console.log(devices.map((one) => one.session.userId), ended, more, (await store.stats()).refusedSaves);
  await store.close();
}
void program;

async function leave(): Promise<void> {
  const leaving = new SessileStore({ path: "sessions", fallback: new session.MemoryStore(), fallbackTimeout: 1000 });
  const { moved }: { moved: number } = await leaving.moveAll({ perSecond: 10 });
  const { done, left, switchOffAt } = await leaving.fallbackDone();
  console.log(moved, done, left?.toFixed(), switchOffAt?.getTime(), (await leaving.stats()).fallback?.pendingDeletes);
}
void leave;

new SessileStore({ url: "sessile:./sessions?durability=written" });
new SessileStore();
// @ts-expect-error a directory has a name
new SessileStore({ path: 7 });
// @ts-expect-error no such option
new SessileStore({ path: "sessions", touchafter: 5 });
// @ts-expect-error one of two words
new SessileStore({ path: "sessions", durability: "maybe" });
