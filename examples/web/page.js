// Asks the server who we are, shows it, and listens: when the session ends, wherever that was done, the socket closes.
"use strict";

const at = (id) => document.getElementById(id);
const when = (ms) => (ms === null ? "never" : new Date(ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));

// What people call what they hold in their hands; whatever is not known says its own name.
function called(agent) {
  const browser = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]];
  const of = (names) => names.find(([part]) => agent?.includes(part))?.[1];
  return of(browser) && of(system) ? `${of(browser)} on ${of(system)}` : agent ?? "unknown";
}

function live(state, text) {
  at("live").dataset.state = state;
  at("live").textContent = text;
}

function say(text) {
  at("notice").textContent = text;
  at("notice").hidden = !text;
}

async function show() {
  const me = await (await fetch("/me")).json();
  at("visitor").hidden = me.user !== null;
  at("member").hidden = me.user === null;
  if (me.user === null) return false;
  at("user").textContent = me.user;
  for (const field of ["since", "idle", "absolute"]) at(field).textContent = when(me[field]);
  at("devices").replaceChildren(...me.devices.map((device) => {
    const item = at("device").content.cloneNode(true);
    item.querySelector("b").textContent = called(device.name) + (device.this ? " (this one)" : "");
    item.querySelector("small").textContent = "last used " + when(device.used);
    item.querySelector("input").value = device.handle;
    item.querySelector("form").hidden = device.this;
    return item;
  }));
  return true;
}

async function closed(ended) {
  live("off", "not connected");
  if (ended) {
    say("Your session was ended.");
    await show();
  } else {
    setTimeout(start, 1000);
  }
}

async function start() {
  try {
    if (await show()) await connect({ opened: () => live("on", "connected"), changed: show, closed });
  } catch {
    live("off", "the server is away");
    setTimeout(start, 1000);
  }
}

start();
