// Sockets: each is let in by the cookie of a session, and closed when that ends, wherever it was ended.

import { Server } from "socket.io";
import { sessions, store } from "./sessions.mjs";

// The middleware is for the first request of a socket. What comes after it belongs to the same one.
const first = (middleware) => (req, res, next) => (req._query.sid === undefined ? middleware(req, res, next) : next());

export function sockets(server, isOurs) {
  const io = new Server(server, { allowRequest: (req, answer) => answer(null, isOurs(req)) });
  io.engine.use(first(sessions));

  io.use(async (socket, next) => {
    const { session, sessionID } = socket.request;
    if (!session?.user) return next(new Error("log in first"));
    try {
      // Its rooms: the session's other pages, and the user's.
      socket.data.rooms = [await store.handleOf(sessionID), user(session.user)];
      next();
    } catch (error) {
      next(error);
    }
  });

  io.on("connection", (socket) => {
    socket.join(socket.data.rooms);
    // From here on it is told of endings. Was there one before?
    check(socket);
  });

  store.on("ended", ({ handle }) => {
    if (handle) io.in(handle).disconnectSockets(true);
    // All have ended, or more than could be told.
    else io.sockets.sockets.forEach(check);
  });

  return { close: () => io.close(), changed: (name) => io.to(user(name)).emit("changed") };
}

// A user may be called like somebody's handle.
const user = (name) => `user ${name}`;

async function check(socket) {
  const found = await store.get(socket.request.sessionID).catch(() => null);
  if (!found) socket.disconnect(true);
}
