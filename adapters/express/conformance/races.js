// Two races that express-session's tests leave out: twenty requests at the same time that each add a key to one session, and
// a slow request that saves after another has logged out.
"use strict";

const REQUESTS = 20;

async function races(from, another) {
  const [express, request] = [from("express"), from("supertest")];
  const app = (store) => {
    const shop = express();
    const waiting = [];
    let open;
    let arrived;
    const slow = new Promise((done) => (arrived = done));
    shop.use(from("./index.js")({ store, secret: "a secret", resave: false, saveUninitialized: false }));
    shop.get("/set", (req, res) => res.json(Object.assign(req.session, req.query)));
    // Each has its session before the first one saves.
    shop.get("/together", (req, res) => {
      Object.assign(req.session, req.query);
      if (waiting.push(() => res.json({})) === REQUESTS) waiting.forEach((answer) => answer());
    });
    shop.get("/keys", (req, res) => res.json(Object.keys(req.session).filter((key) => key.startsWith("key"))));
    shop.get("/logout", (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.json({}))));
    shop.get("/slow", (req, res) => {
      req.session.keyLate = "yes";
      open = () => res.json({});
      arrived();
    });
    const server = shop.listen(0);
    server.unref();
    return { visit: (path, cookie = "") => request(server).get(path).set("Cookie", cookie), slow, open: () => open() };
  };
  const began = async ({ visit }) => (await visit("/set?user=ada"))?.headers["set-cookie"]?.[0].split(";")[0];

  const crowd = app(another());
  const cookie = await began(crowd);
  await Promise.all(Array.from({ length: REQUESTS }, (_, key) => crowd.visit(`/together?key${key}=yes`, cookie)));
  const kept = (await crowd.visit("/keys", cookie)).body.length;

  const shop = app(another());
  const theirs = await began(shop);
  const late = shop.visit("/slow", theirs).then((answer) => answer);
  await shop.slow;
  await shop.visit("/logout", theirs);
  shop.open();
  await late;
  const back = (await shop.visit("/keys", theirs)).body.length > 0;
  return { kept, back };
}

module.exports = { races };
