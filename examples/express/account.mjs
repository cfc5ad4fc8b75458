// What a user does: log in and out, see his devices and end them, fill his cart. `changed` tells his open pages.

import { Router } from "express";
import { enter, leave, store } from "./sessions.mjs";
import { settings } from "./settings.mjs";

export function account(changed) {
  const routes = Router();

  // Yours checks a password first.
  routes.post("/login", async (req, res) => {
    const { name } = req.body ?? {};
    if (typeof name !== "string" || name === "") return res.sendStatus(400);
    await enter(req, name);
    changed(name);
    res.redirect(303, "/");
  });

  routes.get("/me", async (req, res) => {
    const { user, cart = [] } = req.session;
    if (!user) return res.json({ user: null, cart });
    const mine = await store.handleOf(req.sessionID);
    const all = await store.sessionsOf(user);
    all.sort((one, other) => one.created - other.created || (one.handle < other.handle ? -1 : 1));
    const me = all.find((one) => one.handle === mine);
    if (!me) return res.sendStatus(401);
    const since = me.created.getTime();
    res.json({
      user, cart, since, idle: me.expires.getTime(), absolute: since + settings.absolute,
      devices: all.map(({ handle, lastUsed, session }) => ({ handle, name: session.device, used: lastUsed.getTime(), this: handle === mine })),
    });
  });

  routes.post("/cart", (req, res) => {
    req.session.cart = [...(req.session.cart ?? []), String(req.body?.item)];
    res.json(req.session.cart);
  });

  routes.post("/logout", async (req, res) => {
    const { user } = req.session;
    await leave(req, res);
    changed(user);
    res.redirect(303, "/");
  });

  // One record ends them all, however many they are.
  routes.post("/logout/everywhere", async (req, res) => {
    if (req.session.user) await store.destroySubject(req.session.user);
    await leave(req, res);
    res.redirect(303, "/");
  });

  // A handle is no secret and proves nothing: a session is ended only by whom it belongs to.
  routes.post("/devices/end", async (req, res) => {
    const { user } = req.session;
    const theirs = user ? await store.sessionsOf(user) : [];
    const device = theirs.find((one) => one.handle === req.body?.handle);
    if (device) await store.destroyHandle(device.handle);
    changed(user);
    res.redirect(303, "/");
  });

  return routes;
}
