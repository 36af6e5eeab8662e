// All traded symbols side by side: a line of bars, the spread, and the distance from the chosen symbol,
// where both are of one coin: the spread of two venues.
import { html } from "../third_party/preact.js";
import { now, useTopic } from "../connection.js";
import { Panel, Table, number, percent, signed, tone } from "../parts.js";

const SHOWN_MAX = 12; // two topics each
const BARS = 60;
const CHART_BARS = 600; // bars of the chosen symbol that the chart above follows
const SECONDS = { "1s": 1, "5s": 5, "1m": 60, "5m": 300, "1h": 3600, "1d": 86400 };

const isTwin = (row, chosen) => row !== chosen && row.pair === chosen.pair;
const key = (row) => `${row.account}|${row.symbol}`;
const middle = (data) => (data?.bids.length && data.asks.length ? (Number(data.bids[0][0]) + Number(data.asks[0][0])) / 2 : null);
const crossing = (data) => {
  const at = middle(data);
  return at ? `${number((10000 * (Number(data.asks[0][0]) - Number(data.bids[0][0]))) / at, 2)} bp` : "–";
};
const isFresh = (of) => !!of.data && !of.data.is_stale && !of.error;
const points = (share) => `${signed(10000 * share, 1)} bp`;

/** The chosen symbol, then the same at other venues, then the others, up to the number shown. */
export const ranked = (rows, chosen) => [chosen, ...rows.filter((row) => isTwin(row, chosen)), ...rows.filter((row) => row !== chosen && !isTwin(row, chosen))].slice(0, SHOWN_MAX);

/** Middles of two quotes; null: one of them is old, or lacks a side. */
export function middles(own, other) {
  if (!isFresh(own) || !isFresh(other)) return null;
  const [first, second] = [middle(own.data), middle(other.data)];
  return first && second ? [first, second] : null;
}

/** Closes of the last bars; a market without trades has fewer. ms: now. */
export const closes = (bars, interval, ms) => bars.slice(-BARS).filter((bar) => bar[0] > ms / 1000 - BARS * SECONDS[interval]).map((bar) => bar[4]);

export function Beside({ rows, chosen, interval }) {
  const shown = ranked(rows, chosen);
  const { at } = useTopic(`quote|${key(chosen)}`);
  const count = (row) => (row === chosen ? CHART_BARS : BARS);
  const columns = [
    { head: "symbol", cell: (row) => html`<a href="#market/${encodeURIComponent(row.account)}/${encodeURIComponent(row.symbol)}/${interval}" aria-current=${row === chosen ? "true" : null}>${row.symbol}</a>` },
    { head: "account", cell: (row) => row.account },
    { head: `${BARS} bars of ${interval}`, cell: (row) => html`<${Line} row=${row} interval=${interval} count=${count(row)} />` },
    { head: "their change", right: true, cell: (row) => html`<${Change} row=${row} interval=${interval} count=${count(row)} />` },
    { head: "bid", right: true, cell: (row) => html`<${Quote} row=${row} show=${(data) => html`<span class="bid">${data.bids[0]?.[0] ?? "–"}</span>`} />` },
    { head: "ask", right: true, cell: (row) => html`<${Quote} row=${row} show=${(data) => html`<span class="ask">${data.asks[0]?.[0] ?? "–"}</span>`} />` },
    { head: "spread", right: true, cell: (row) => html`<${Quote} row=${row} show=${(data) => crossing(data)} />` },
    { head: "from the chosen one", right: true, cell: (row) => (isTwin(row, chosen) ? html`<${Apart} row=${row} chosen=${chosen} />` : "–") },
  ];
  return html`<${Panel} title="Side by side" id="beside" wide of=${{ data: shown, at }}>${() => html`<${Table} label="Symbols side by side" columns=${columns} rows=${shown} keyOf=${key} rowClass=${(row) => (row === chosen ? "chosen" : "")} />${rows.length > shown.length && html`<p class="note">${rows.length - shown.length} more: choose above.</p>`}`}<//>`;
}

function Quote({ row, show }) {
  const of = useTopic(`quote|${key(row)}`);
  return of.data ? html`<span class=${isFresh(of) ? "" : "unit"}>${show(of.data)}</span>` : "–";
}

/** Middle of one beside the middle of the other. */
function Apart({ row, chosen }) {
  const found = middles(useTopic(`quote|${key(row)}`), useTopic(`quote|${key(chosen)}`));
  return found ? html`<span class=${tone(found[0] - found[1])}>${points(found[0] / found[1] - 1)}</span>` : "–";
}

const useCloses = (row, interval, count) => closes(useTopic(`history|${key(row)}|${interval}|${count}`).data?.bars ?? [], interval, now());

function Change({ row, interval, count }) {
  const values = useCloses(row, interval, count);
  return values.length > 1 ? html`<span class=${tone(values.at(-1) - values[0])}>${percent(values.at(-1) / values[0] - 1)}</span>` : "–";
}

function Line({ row, interval, count }) {
  const values = useCloses(row, interval, count);
  if (values.length < 2) return "–";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const path = values.map((value, index) => `${index ? "L" : "M"}${((120 * index) / (values.length - 1)).toFixed(1)} ${(19 - (18 * (value - low)) / (high - low || 1)).toFixed(1)}`).join("");
  return html`<svg class="spark small" viewBox="0 0 120 20" preserveAspectRatio="none" role="img" aria-label="Line of ${row.symbol}"><path d=${path} /></svg>`;
}
