// One connection to the server for all panels: it sends the topics that they show, and keeps what arrives by topic. It
// reconnects by itself, and continues with events where it was.
import { useEffect, useState } from "./third_party/preact.js";

const RETRY_MS = [250, 500, 1000, 2000, 5000];
const SILENT_MS = 4000; // time without a beat after which it reconnects
const EVENTS_MAX = 2000;
const HIDDEN_MS = 1000;

const topics = new Map(); // name -> {data, error, at}
const shown = new Map(); // name -> how many panels
const watchers = new Map(); // name -> Set of functions
const events = []; // orders and fills, oldest first
const since = {}; // by account, the newest event's sequence
const state = { state: "begins", hello: /** @type {Record<string, any> | null} */ (null), heard: 0, skew: 0 };
let socket = /** @type {WebSocket | null} */ (null);
let tries = 0;
let said = "";

// Characters that reverse the direction of text are shown as a replacement sign.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const parsed = (text) => JSON.parse(text.replace(TURNS, "\ufffd"));

// The login gives the key to this origin alone: a cookie goes to every port of the host.
if (location.hash.startsWith("#key=")) {
  localStorage.setItem("key", location.hash.slice(5));
  history.replaceState(null, "", location.pathname);
}
const key = () => localStorage.getItem("key") || "none";

// Drawn once for all that came since the last frame: what comes faster than it can be drawn does not pile up. A hidden
// page has no frames.
const changed = new Set();

function wake(name) {
  if (!changed.size) document.hidden ? setTimeout(draw, HIDDEN_MS) : requestAnimationFrame(draw);
  changed.add(name);
}

function draw() {
  const names = [...changed];
  changed.clear();
  for (const name of names) watchers.get(name)?.forEach((each) => each());
}
addEventListener("visibilitychange", draw);

function watch(name, call) {
  if (!watchers.has(name)) watchers.set(name, new Set());
  watchers.get(name).add(call);
  return () => watchers.get(name).delete(call);
}

function set(name) {
  if (state.state !== name) {
    state.state = name;
    wake("");
  }
}

export function connect() {
  const made = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, ["onetape", key()]);
  socket = made;
  said = "";
  made.onopen = () => {
    tries = 0;
    state.heard = Date.now();
  };
  made.onmessage = (message) => hear(parsed(message.data));
  made.onclose = () => {
    if (socket !== made) return;
    socket = null;
    set("lost");
    setTimeout(retry, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
  };
}

/** Finds out whether the server is lost, or the login. */
async function retry() {
  if (socket) return;
  const answer = await fetch("/session", { headers: { "X-Onetape-Key": key() }, cache: "no-store" }).catch(() => null);
  if (answer?.status === 401) {
    set("shut");
    setTimeout(retry, 5000);
  } else if (!socket) connect();
}

function renew() {
  if (socket && Date.now() - state.heard > SILENT_MS) {
    const old = socket;
    socket = null;
    old.close();
    set("lost");
    connect();
  }
}
setInterval(renew, 1000);
addEventListener("visibilitychange", renew);
addEventListener("online", renew);

function hear(message) {
  state.heard = Date.now();
  if (message.topic) {
    const before = topics.get(message.topic);
    topics.set(message.topic, "error" in message ? { ...before, error: message.error, at: message.at } : { data: message.data, at: message.at });
    wake(message.topic);
  } else if (message.beat) {
    for (const [name, at] of Object.entries(message.at)) {
      const kept = topics.get(name);
      if (kept) kept.at = at;
    }
    wake("");
  } else if (message.events) {
    for (const each of message.events) {
      if (each.sequence <= (since[each.account] ?? 0)) continue;
      since[each.account] = each.sequence;
      events.push(each);
    }
    events.splice(0, events.length - EVENTS_MAX);
    wake("events");
  } else if (message.refused) {
    for (const name of shown.keys()) {
      if (topics.has(name)) continue;
      topics.set(name, { error: message.refused });
      wake(name);
    }
  } else if (message.hello) {
    state.hello = message.hello;
    state.skew = message.hello.now - Date.now();
    set("open");
    wake("");
    tell();
  }
}

function tell() {
  const text = JSON.stringify({ show: [...shown.keys()].sort(), since });
  if (socket?.readyState === WebSocket.OPEN && text !== said) socket.send((said = text));
}

/** The newest state of a topic: {data, error, at}; data undefined: nothing yet. null as name: no topic. */
export function useTopic(name) {
  const [, draw] = useState(0);
  useEffect(() => {
    if (!name) return undefined;
    shown.set(name, (shown.get(name) ?? 0) + 1);
    queueMicrotask(tell);
    const leave = watch(name, () => draw((n) => n + 1));
    draw((n) => n + 1);
    return () => {
      leave();
      if (shown.get(name) > 1) shown.set(name, shown.get(name) - 1);
      else shown.delete(name), topics.delete(name);
      queueMicrotask(tell);
    };
  }, [name]);
  return topics.get(name) ?? {};
}

export function useEvents() {
  const [, draw] = useState(0);
  useEffect(() => watch("events", () => draw((n) => n + 1)), []);
  return events;
}

export function useConnection() {
  const [, draw] = useState(0);
  useEffect(() => watch("", () => draw((n) => n + 1)), []);
  return state;
}

/** The definition of a figure, by its key in the one table of definitions; "": it has none. */
export const defined = (metric) => state.hello?.definitions[metric] ?? "";

/** The server's clock, ms UTC. */
export const now = () => Date.now() + state.skew;

/** Reads a topic once. */
export async function read(name) {
  const answer = await fetch(`/read?topic=${encodeURIComponent(name)}`, { headers: { "X-Onetape-Key": key() } }).catch(() => null);
  if (!answer) throw new Error("the server does not answer");
  const said = parsed(await answer.text());
  if (!answer.ok) throw new Error(said.error);
  return said;
}

/** Ends this browser's session. */
export async function logOut() {
  await fetch("/logout", { method: "POST", headers: { "X-Onetape-Key": key() } }).catch(() => null);
  localStorage.removeItem("key");
  location.reload();
}

/** Asks the server to do something; returns its result. Throws an Error with the refusal. */
export async function act(action, name = "", fields = {}, id = crypto.randomUUID()) {
  const body = JSON.stringify({ do: action, name, fields, id });
  const headers = { "Content-Type": "application/json", "X-Onetape-Key": key() };
  const answer = await fetch("/act", { method: "POST", headers, body }).catch(() => null);
  if (!answer) throw new Error("the server does not answer: whether it was done is not certain");
  const said = parsed(await answer.text());
  if (!answer.ok) throw new Error(said.error);
  if (said.error) throw new Error(said.error.message);
  return said.result;
}
