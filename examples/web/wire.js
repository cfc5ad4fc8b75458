// The page's end of the wire, for page.js: a WebSocket. A server that has ended the session closes it with 4001.
"use strict";

async function connect({ opened, changed, closed }) {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/live");
  socket.onopen = opened;
  socket.onmessage = changed;
  socket.onclose = (event) => closed(event.code === 4001);
}
