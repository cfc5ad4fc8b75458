// The page's end of the wire, for ../web/page.js: Socket.IO. A server that has ended the session disconnects by itself.
"use strict";

async function connect({ opened, changed, closed }) {
  const { io } = await import("/socket.io/socket.io.esm.min.js");
  const socket = io({ forceNew: true, reconnection: false });
  socket.on("connect", opened);
  socket.on("changed", changed);
  socket.on("disconnect", (reason) => closed(reason === "io server disconnect"));
  socket.on("connect_error", () => closed(false));
}
