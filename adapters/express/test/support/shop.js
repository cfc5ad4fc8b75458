// A small shop under express 5: what a program does with its sessions, one route for each.
"use strict";

const express = require("express");
const session = require("express-session");

const SETTINGS = { secret: "a secret of more than thirty-two characters", resave: false, saveUninitialized: false };

function shop(store, settings = {}) {
  const app = express();
  const gates = new Map();
  app.use(session({ ...SETTINGS, store, ...settings }));
  const shown = (req) => ({ ...req.session, cookie: undefined });

  app.get("/", (req, res) => res.json(shown(req)));
  app.get("/set", (req, res) => {
    Object.assign(req.session, req.query);
    res.json(shown(req));
  });
  app.get("/delete", (req, res) => {
    delete req.session[req.query.key];
    res.json(shown(req));
  });
  app.get("/login", (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.user = req.query.user;
      req.session.save((failed) => (failed ? next(failed) : res.json(shown(req))));
    });
  });
  app.get("/logout", (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.json("bye")));
  });
  app.get("/unset", (req, res) => {
    req.session = null;
    res.json("unset");
  });
  app.get("/reload", (req, res) => {
    req.session.forgotten = "yes";
    req.session.reload((error) => res.json(error ? error.message : shown(req)));
  });
  app.get("/save-twice", (req, res, next) => {
    req.session.first = 1;
    req.session.save((error) => {
      if (error) return next(error);
      req.session.second = 2;
      res.json(shown(req));
    });
  });
  app.get("/max-age", (req, res) => {
    req.session.cookie.maxAge = Number(req.query.ms);
    res.json(shown(req));
  });
  app.get("/same-site", (req, res) => {
    req.session.cookie.sameSite = req.query.as;
    res.json(shown(req));
  });
  // Has its session and waits, until `open` is called: a slow request.
  app.get("/slow", async (req, res) => {
    Object.assign(req.session, req.query);
    await new Promise((open) => gates.set(req.query.gate, open));
    res.json("slow");
  });
  app.use((error, req, res, next) => (res.headersSent ? next(error) : res.status(500).json({ code: error.code, message: error.message })));

  app.gate = async (name) => {
    while (!gates.has(name)) await new Promise((again) => setImmediate(again));
    return gates.get(name);
  };
  return app;
}

// The session's id in a response's cookie, if it sets one.
function sidOf(response) {
  const cookie = response.headers["set-cookie"]?.find((one) => one.startsWith("connect.sid="));
  const value = cookie && decodeURIComponent(cookie.slice("connect.sid=".length).split(";")[0]);
  return value && value.slice(2, value.lastIndexOf("."));
}

const cookieOf = (response) => response.headers["set-cookie"]?.map((one) => one.split(";")[0]).join("; ");

module.exports = { cookieOf, shop, sidOf };
