// The parts of panels: a panel with its states, figures, times, a confirmation, passing messages.
import { html, useEffect, useRef, useState } from "./third_party/preact.js";
import { act, defined, now } from "./connection.js";

const STALE_MS = 5000;

// --- preferences: theme and hidden amounts, of this browser -----------------------------------------

const kept = { theme: localStorage.getItem("theme") ?? "auto", hidden: localStorage.getItem("hidden") === "yes" };
const changed = new Set();

/** @returns {[typeof kept, typeof change]} */
export function usePreferences() {
  const [, draw] = useState(0);
  useEffect(() => {
    const call = () => draw((n) => n + 1);
    changed.add(call);
    return () => changed.delete(call);
  }, []);
  return [kept, change];
}

function change(name, value) {
  kept[name] = value;
  localStorage.setItem(name, value === true ? "yes" : value === false ? "no" : value);
  apply();
  changed.forEach((each) => each());
}

function apply() {
  document.documentElement.dataset.theme = kept.theme;
  document.documentElement.classList.toggle("hidden-amounts", kept.hidden);
}
apply();

// --- figures ------------------------------------------------------------------------------------------

const DASH = "\u2013";
const formats = new Map();
const format = (least, most) => {
  const key = `${least} ${most}`;
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: most }));
  return formats.get(key);
};
const STABLE = /^(USD|USDT|USDC|BUSD|FDUSD|EUR|GBP|CHF|DAI)$/;

const isNone = (value, decimals) => Math.abs(Number(value)) < 0.5 * 10 ** -decimals; // what is shown is a zero

export const decimalsOf = (currency) => (STABLE.test(currency ?? "") ? 2 : 8);
export const number = (value, decimals = 2, least = decimals) => (value == null || value === "" || Number.isNaN(Number(value)) ? DASH : format(least, decimals).format(Number(value)).replace("-", "\u2212").replace(/^\u2212(?=[0.,]*$)/, ""));
export const signed = (value, decimals = 2, least = decimals) => (isNone(value, decimals) || !(Number(value) > 0) ? "" : "+") + number(value, decimals, least);
export const percent = (value, decimals = 2) => (value == null ? DASH : `${number(100 * value, decimals)}\u202f%`);
export const tone = (value) => (Number(value) > 0 ? "gain" : Number(value) < 0 ? "loss" : "");

/** An amount of money: hidden in screenshots. signs: with its sign, coloured by it. */
export function Amount({ value, currency, signs = false, decimals = decimalsOf(currency) }) {
  const least = decimals > 4 ? 0 : decimals; // coins: up to so many
  const text = signs ? signed(value, decimals, least) : number(value, decimals, least);
  return html`<span class="amount ${signs && !isNone(value, decimals) ? tone(value) : ""}">${kept.hidden ? "\u2022\u2022\u2022\u2022" : text}</span>${currency && html`<span class="unit"> ${currency}</span>`}`;
}

// --- times --------------------------------------------------------------------------------------------

const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(new Date()).find((part) => part.type === "timeZoneName")?.value ?? "";
const two = (value) => String(value).padStart(2, "0");

/** Shows ms UTC in the user's time zone, with UTC in the title. */
export function Time({ ms, day = false }) {
  if (ms == null) return html`<span>${DASH}</span>`;
  const at = new Date(ms);
  const own = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const far = day || Math.abs(now() - ms) > 20 * 3600e3;
  return html`<time datetime=${at.toISOString()} title="${date} ${own} ${zone} = ${at.toISOString().replace("T", " ")} UTC">${far ? `${date.slice(5)} ` : ""}${own}</time>`;
}

export function duration(ms) {
  if (ms == null) return DASH;
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${two(Math.floor(s % 60))} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function Clock() {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const at = new Date(now());
  return html`<span class="clock" title=${`${zone}; UTC beside`}>${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}${zone !== "UTC" && html`<span class="unit"> ${at.toISOString().slice(11, 16)} UTC</span>`}</span>`;
}

export function Age({ connection }) {
  const open = connection.state === "open";
  return html`<span class="link ${open ? "" : "stale"}" role="status"><i aria-hidden="true"></i>${open ? html`<${Clock} />` : { begins: "connects", lost: "lost", shut: "logged out" }[connection.state]}</span>`;
}

// --- panels -------------------------------------------------------------------------------------------

/** A panel with its states. of: a topic's {data, error, at}; empty: text if data is empty; children: a function of
    the data; stale: ms after which its age is shown. */
export function Panel({ title, of, empty, isEmpty = (data) => Array.isArray(data) && !data.length, aside, wide, children, id, stale: staleMs = STALE_MS }) {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const age = of?.at ? now() - of.at : 0;
  const stale = of?.data !== undefined && age > staleMs;
  let body;
  if (!of || of.data === undefined) body = of?.error ? html`<p class="note error" role="alert">${of.error}</p>` : html`<p class="note loading">reads ...</p>`;
  else if (isEmpty(of.data)) body = html`<p class="note">${empty ?? "nothing"}</p>`;
  else body = children(of.data);
  return html`<section class="panel ${wide ? "wide" : ""} ${stale || of?.error ? "is-stale" : ""}" id=${id} aria-label=${title}>
    <header><h2>${title}</h2>${(stale || (of?.error && of.data !== undefined)) && html`<span class="age" role="status">${of.error && of.data !== undefined ? `${of.error} · ` : ""}${duration(age)} old</span>`}<span class="aside">${aside}</span></header>
    ${body}
  </section>`;
}

/** The name of a figure, with its definition on hover. metric: its key in the table of definitions. */
export function Term({ metric, children }) {
  return html`<dt title=${defined(metric)} data-metric=${metric}>${children}</dt>`;
}

const LAST_MAX = 0.45; // of a table's width: a wider last column does not stay in sight

/** Sets classes of a box: whether there is more to its right, and whether its last column may stay in sight. */
function useMore(box) {
  useEffect(() => {
    const { current } = box;
    const look = () => {
      const last = current.querySelector("tr > :last-child");
      current.classList.toggle("more", current.scrollWidth > current.clientWidth + 1);
      current.classList.toggle("at-end", current.scrollLeft + current.clientWidth >= current.scrollWidth - 1);
      current.classList.toggle("keeps", !!last && last.offsetWidth < LAST_MAX * current.clientWidth);
    };
    const watch = new ResizeObserver(look);
    watch.observe(current);
    watch.observe(current.firstElementChild);
    current.addEventListener("scroll", look, { passive: true });
    look();
    return () => watch.disconnect();
  }, []);
}

/** A table. columns: [{head, cell, right, metric}], metric: as a Term's; rows: with a key. */
export function Table({ columns, rows, keyOf, label, rowClass }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  useMore(box);
  return html`<div class="scroll" ref=${box} tabindex="0" role="group" aria-label=${label}><table>
    <thead><tr>${columns.map((each) => each.head ? html`<th scope="col" class=${each.right ? "right" : ""} title=${each.metric && defined(each.metric)} data-metric=${each.metric}>${each.head}</th>` : html`<td></td>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${keyOf(row)} class=${rowClass?.(row) ?? ""}>${columns.map((each) => html`<td class=${each.right ? "right" : ""} data-head=${each.head}>${each.cell(row)}</td>`)}</tr>`)}</tbody>
  </table></div><p class="rest unit" aria-hidden="true">more columns: scroll to the right →</p>`;
}

/** The used share of a limit: the text says it, the colour only repeats it. */
export function Meter({ share, label }) {
  const part = Math.max(0, Math.min(1, share ?? 0));
  return html`<meter min="0" max="1" low="0.5" high="0.8" optimum="0" value=${part} aria-label=${label}></meter>`;
}

// --- actions ------------------------------------------------------------------------------------------

const toasts = [];
const toastWatchers = new Set();

export function toast(text, kind = "") {
  const each = { text, kind, key: Math.random(), undo: null };
  return show(each);
}

function show(each) {
  toasts.push(each);
  toastWatchers.forEach((call) => call());
  setTimeout(() => {
    toasts.splice(toasts.indexOf(each), 1);
    toastWatchers.forEach((call) => call());
  }, each.kind === "error" ? 12000 : 6000);
  return each;
}

export function Toasts() {
  const [, draw] = useState(0);
  useEffect(() => {
    const call = () => draw((n) => n + 1);
    toastWatchers.add(call);
    return () => toastWatchers.delete(call);
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">${toasts.map((each) => html`<p key=${each.key} class=${each.kind}>${each.text}</p>`)}</div>`;
}

/** Does an action and shows its outcome. Returns its result, undefined if it was refused. */
export async function doIt(words, ...call) {
  try {
    const result = await act(...call);
    toast(`${words}: done`);
    return result ?? {};
  } catch (error) {
    toast(`${words}: ${error.message}`, "error");
    return undefined;
  }
}

/** A question before something is done. typed: a word that has to be written first. */
export function Confirm({ title, text, typed, danger, confirm = "Do it", onDone }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [word, setWord] = useState("");
  useEffect(() => {
    box.current?.showModal();
  }, []);
  const may = !typed || word.trim() === typed;
  return html`<dialog ref=${box} onClose=${() => onDone(false)} aria-label=${title}>
    <form method="dialog" onSubmit=${(event) => { event.preventDefault(); if (may) onDone(true); }}>
      <h2>${title}</h2>
      <div class="text">${text}</div>
      ${typed && html`<label>Write <code>${typed}</code> to confirm<input id="word" autofocus autocomplete="off" spellcheck="false" value=${word} onInput=${(event) => setWord(event.target.value)} /></label>`}
      <p class="buttons"><button type="button" onClick=${() => onDone(false)}>Not now</button><button type="submit" class=${danger ? "danger" : "main"} disabled=${!may}>${confirm}</button></p>
    </form>
  </dialog>`;
}
