// A provider to try the login with, in place of a real one: whoever asks is the user that `?user=` names, or Ada. Not in production.

import { createHash, randomUUID } from "node:crypto";
import { Router } from "express";

export function provider() {
  const routes = Router();
  const codes = new Map();

  routes.get("/provider/authorize", (req, res) => {
    const { redirect_uri: back, state, nonce, code_challenge: challenge, user = "Ada" } = req.query;
    if (!back?.startsWith(`${req.protocol}://${req.host}/`)) return res.sendStatus(400);
    const code = randomUUID();
    codes.set(code, { sub: user, nonce, challenge });
    res.redirect(303, `${back}?${new URLSearchParams({ code, state })}`);
  });

  routes.post("/provider/token", (req, res) => {
    const { code, code_verifier: verifier = "" } = req.body ?? {};
    const { challenge, ...granted } = codes.get(code) ?? {};
    codes.delete(code); // Once.
    const proved = challenge === createHash("sha256").update(verifier).digest("base64url");
    return proved ? res.json(granted) : res.sendStatus(400);
  });

  return routes;
}
