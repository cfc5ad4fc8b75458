// Login at a provider, as OAuth 2 with PKCE has it. What must come back unchanged waits in a session that lives ten minutes,
// whatever use is made of it, and is over when the user has come back. Yours asks a library such as openid-client.

import { createHash, randomBytes } from "node:crypto";
import { Router } from "express";
import { enter, renew } from "./sessions.mjs";
import { settings } from "./settings.mjs";

const random = () => randomBytes(32).toString("base64url");
const hash = (text) => createHash("sha256").update(text).digest("base64url");

export function oauth({ authorize, token, changed }) {
  const routes = Router();
  const callback = (req) => `${req.protocol}://${req.host}/oauth/callback`;

  // A form asks for it, so that nobody else's page can: it ends the session that was.
  routes.post("/oauth/start", async (req, res) => {
    const flow = { state: random(), nonce: random(), verifier: random(), until: Date.now() + settings.login };
    await renew(req, { oauth: flow, cart: req.session.cart }, settings.login);
    const asked = { response_type: "code", client_id: "shop", redirect_uri: callback(req), state: flow.state, nonce: flow.nonce };
    res.redirect(303, `${authorize}?${new URLSearchParams({ ...asked, code_challenge: hash(flow.verifier), code_challenge_method: "S256" })}`);
  });

  routes.get("/oauth/callback", async (req, res) => {
    const flow = req.session.oauth;
    if (!flow || req.query.state !== flow.state) return res.status(400).send("This login was not begun here, or took too long. Begin again.\n");
    const body = new URLSearchParams({ code: String(req.query.code), code_verifier: flow.verifier, redirect_uri: callback(req) });
    const answer = await fetch(new URL(token, callback(req)), { method: "POST", body });
    const { sub, nonce } = answer.ok ? await answer.json() : {};
    if (!sub || nonce !== flow.nonce) return res.status(400).send("The provider does not vouch for this login. Begin again.\n");
    await enter(req, sub);
    changed(sub);
    res.redirect(303, "/");
  });

  return routes;
}
