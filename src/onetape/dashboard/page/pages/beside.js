// All that is traded side by side: a line of its bars, what it costs to cross, and how far it is from the chosen one,
// where both are of one coin: the spread of two venues.
import { html } from "../third_party/preact.js";
import { useTopic } from "../connection.js";
import { Panel, Table, number, percent, signed, tone } from "../parts.js";

const SHOWN_MAX = 24; // two topics each
const BARS = 60;

const coin = (row) => row.symbol.split(":")[1]?.split("/")[0];
const key = (row) => `${row.account}|${row.symbol}`;
const middle = (data) => (data?.bids.length && data.asks.length ? (Number(data.bids[0][0]) + Number(data.asks[0][0])) / 2 : null);
const points = (share) => `${signed(10000 * share, 1)} bp`;

export function Beside({ rows, chosen, interval }) {
  const shown = rows.slice(0, SHOWN_MAX);
  const { at } = useTopic(`market|${key(chosen)}`);
  const columns = [
    { head: "symbol", cell: (row) => html`<a href="#market/${encodeURIComponent(row.account)}/${encodeURIComponent(row.symbol)}/${interval}" aria-current=${row === chosen ? "true" : null}>${row.symbol}</a>` },
    { head: "account", cell: (row) => row.account },
    { head: `${BARS} bars of ${interval}`, cell: (row) => html`<${Line} row=${row} interval=${interval} />` },
    { head: "change in them", right: true, cell: (row) => html`<${Change} row=${row} interval=${interval} />` },
    { head: "bid", right: true, cell: (row) => html`<${Quote} row=${row} show=${(data) => html`<span class="bid">${data.bids[0]?.[0] ?? "–"}</span>`} />` },
    { head: "ask", right: true, cell: (row) => html`<${Quote} row=${row} show=${(data) => html`<span class="ask">${data.asks[0]?.[0] ?? "–"}</span>`} />` },
    { head: "spread", right: true, cell: (row) => html`<${Quote} row=${row} show=${(data) => (middle(data) ? `${number((10000 * (Number(data.asks[0][0]) - Number(data.bids[0][0]))) / middle(data), 2)} bp` : "–")} />` },
    { head: "from the chosen one", right: true, cell: (row) => (row !== chosen && coin(row) === coin(chosen) ? html`<${Apart} row=${row} chosen=${chosen} />` : "–") },
  ];
  return html`<${Panel} title="Side by side" id="beside" wide of=${{ data: shown, at }}>${() => html`<${Table} label="Symbols side by side" columns=${columns} rows=${shown} keyOf=${key} rowClass=${(row) => (row === chosen ? "chosen" : "")} />${rows.length > shown.length && html`<p class="note">${rows.length - shown.length} more: choose above.</p>`}`}<//>`;
}

function Quote({ row, show }) {
  const of = useTopic(`market|${key(row)}`);
  return of.data ? html`<span class=${of.data.is_stale ? "unit" : ""}>${show(of.data)}</span>` : "–";
}

/** Middle of one beside the middle of the other. */
function Apart({ row, chosen }) {
  const [own, other] = [middle(useTopic(`market|${key(row)}`).data), middle(useTopic(`market|${key(chosen)}`).data)];
  return own && other ? html`<span class=${tone(own - other)}>${points(own / other - 1)}</span>` : "–";
}

const closes = (row, interval) => (useTopic(`history|${key(row)}|${interval}|${BARS}`).data?.bars ?? []).map((bar) => bar[4]);

function Change({ row, interval }) {
  const values = closes(row, interval);
  return values.length > 1 ? html`<span class=${tone(values.at(-1) - values[0])}>${percent(values.at(-1) / values[0] - 1)}</span>` : "–";
}

function Line({ row, interval }) {
  const values = closes(row, interval);
  if (values.length < 2) return "–";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const path = values.map((value, index) => `${index ? "L" : "M"}${((120 * index) / (values.length - 1)).toFixed(1)} ${(19 - (18 * (value - low)) / (high - low || 1)).toFixed(1)}`).join("");
  return html`<svg class="spark small" viewBox="0 0 120 20" preserveAspectRatio="none" role="img" aria-label="Line of ${row.symbol}"><path d=${path} /></svg>`;
}
