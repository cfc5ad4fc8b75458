// An application with a login, whatever its sessions are kept in.
import { createServer } from "node:http";
import { once } from "node:events";

import express from "express";
import session from "express-session";

export async function app(store) {
  const server = express();
  server.use(session({ store, secret: "a secret of thirty-two characters", resave: false, saveUninitialized: false, cookie: { maxAge: 3_600_000 } }));
  server.post("/login/:user", (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.passport = { user: req.params.user };
      req.session.cart = ["Äpfel", { "😀": [1, 2.5, null] }];
      if (req.query.age === "browser") req.session.cookie.expires = false;
      else if (req.query.age) req.session.cookie.maxAge = Number(req.query.age);
      return req.session.save((failed) => (failed ? next(failed) : res.json({ id: req.sessionID })));
    });
  });
  server.post("/logout", (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.json({}))));
  server.get("/me", (req, res) => res.json({ user: req.session.passport?.user ?? null, cart: req.session.cart ?? null }));
  const http = createServer(server).listen(0, "127.0.0.1");
  await once(http, "listening");
  const at = (path) => `http://127.0.0.1:${http.address().port}${path}`;
  return {
    // A login, and the cookie that it gave.
    async login(user, age) {
      const answer = await fetch(at(`/login/${user}${age ? `?age=${age}` : ""}`), { method: "POST" });
      if (!answer.ok) throw new Error(`the login was answered with ${answer.status}`);
      return { user, id: (await answer.json()).id, cookie: answer.headers.get("set-cookie").split(";")[0] };
    },
    async me({ cookie }) {
      const answer = await fetch(at("/me"), { headers: { cookie } });
      if (!answer.ok) throw new Error(`it was answered with ${answer.status}`);
      return { ...(await answer.json()), renamed: answer.headers.get("set-cookie") !== null };
    },
    logout: ({ cookie }) => fetch(at("/logout"), { method: "POST", headers: { cookie } }),
    async close() {
      http.close();
      http.closeAllConnections();
      await once(http, "close");
    },
  };
}
