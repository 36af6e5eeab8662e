// Holdings, the division of money, and profit: positions, sub-accounts, results, equity, round trips.
// #portfolio/by/span
import { html, useEffect, useRef } from "../third_party/preact.js";
import { useTopic } from "../connection.js";
import { Amount, Panel, Table, Time, decimalsOf, duration, number, percent, tone } from "../parts.js";
import { Lines } from "../chart.js";

const BY = ["strategy", "symbol", "account", "day"];
const SPANS = ["6h", "1d", "7d", "30d", "all"];

export function Portfolio({ words }) {
  const by = BY.includes(words[0]) ? words[0] : "strategy";
  const span = SPANS.includes(words[1]) ? words[1] : "1d";
  const go = (...path) => {
    location.hash = ["portfolio", ...path].join("/");
  };
  return html`<h1 class="unseen">Portfolio</h1>
    <div class="grid">
      <${Equity} by=${by === "strategy" ? "strategy" : "account"} span=${span} aside=${html`<${Choice} label="Span" words=${SPANS} chosen=${span} onChosen=${(each) => go(by, each)} />`} />
      <${Results} by=${by} span=${span} aside=${html`<${Choice} label="Results by" words=${BY} chosen=${by} onChosen=${(each) => go(each, span)} />`} />
      <${Positions} />
      <${Money} />
      <${Trips} span=${span} />
      <${Variants} />
    </div>`;
}

export function Choice({ label, words, chosen, onChosen }) {
  return html`<span class="tabs" role="group" aria-label=${label}>${words.map((each) => html`<button key=${each} class="plain" aria-pressed=${each === chosen} onClick=${() => onChosen(each)}>${each}</button>`)}</span>`;
}

function Equity({ by, span, aside }) {
  const of = useTopic(`equity_lines|${by}|${span}`);
  const columns = [
    { head: by === "strategy" ? "sub-account (robots)" : by, cell: (row) => html`<span class="key line-${row.index % 6}"></span>${row.name}` },
    { head: `profit in ${span}, after fees`, metric: "equity_change", right: true, cell: (row) => row.points.length < 2 ? "–" : html`<${Amount} value=${row.points.at(-1)[1] - row.points[0][1]} currency=${row.currency} signs />` },
    { head: "deepest drawdown", metric: "deepest_drawdown", right: true, cell: (row) => percent(row.drawdown) },
  ];
  return html`<${Panel} title="Equity without deposits, change" id="equity-lines" of=${of} wide aside=${aside} stale=${30000} empty="No full minute has been recorded yet.">${(rows) => {
    const listed = rows.map((row, index) => ({ ...row, index }));
    return html`<${Curve} rows=${listed} /><${Table} label="Equity" columns=${columns} rows=${listed} keyOf=${(row) => `${row.name} ${row.currency}`} />
      <p class="note">Accounts of onetape.toml; <code>onetape equity</code> has those of earlier runs, too.${by === "strategy" && " A sub-account's line has all of its money: coins from before its robots move it, too."}</p>`;
  }}<//>`;
}

/** Lines over time: changes since their beginning, or asItIs the values. rows: {name, points: (ms, value)}. */
export function Curve({ rows, label = "Change of equity over time; the figures stand in the table below", low = false, asItIs = false }) {
  const box = useRef(null);
  const chart = useRef(/** @type {Lines | null} */ (null));
  useEffect(() => {
    const made = (chart.current = new Lines(box.current));
    return () => made.close();
  }, []);
  useEffect(() => {
    chart.current?.set(rows.map((row) => ({ name: row.name, points: asItIs ? row.points : row.points.map(([at, value]) => [at, value - row.points[0][1]]) })));
  }, [rows.map((row) => `${row.name} ${row.points.length} ${row.points.at(-1)?.[0]}`).join()]);
  return html`<div class=${low ? "canvas low" : "canvas half"} ref=${box} role="img" aria-label=${label}></div>`;
}

function Results({ by, span, aside }) {
  const of = useTopic(`results|${by}|${span}`);
  const { data: cost } = useTopic(`slippage|${by}|${span}`);
  const slippage = (row) => cost?.rows.find((each) => each.key === row.key && each.currency === row.currency);
  const fees = (row) => Object.entries(row.fees);
  const other = (row) => Number(row.interest) + Number(row.corrections);
  const columns = [
    { head: by, cell: (row) => row.key || "main" },
    { head: "from trades", metric: "realized", right: true, cell: (row) => html`<${Amount} value=${row.realized} signs currency=${row.currency} />` },
    { head: "slippage, of trades", right: true, cell: (row) => html`<${Slippage} of=${slippage(row)} />` },
    { head: "fees", metric: "fees", right: true, cell: (row) => (fees(row).length ? fees(row).map(([asset, paid]) => html`<span key=${asset}><${Amount} value=${-paid} signs currency=${asset} /> </span>`) : "–") },
    { head: "funding", metric: "funding", right: true, cell: (row) => html`<${Amount} value=${row.funding} signs currency=${row.currency} />` },
    { head: "interest, corrections", right: true, cell: (row) => (other(row) ? html`<${Amount} value=${other(row)} signs currency=${row.currency} />` : "–") },
    { head: "closed profit, after fees in its currency", metric: "closed_profit", right: true, cell: (row) => html`<b><${Amount} value=${row.result} signs currency=${row.currency} /></b>` },
    { head: "paid in", right: true, cell: (row) => (Number(row.transfers) ? html`<${Amount} value=${row.transfers} signs currency=${row.currency} />` : "–") },
  ];
  return html`<${Panel} title="Results, closed" id="results" of=${of} wide aside=${aside} stale=${15000} empty="Nothing was booked in this span.">${(rows) => html`<${Table} label="Results" columns=${columns} rows=${by === "day" ? rows.toReversed() : rows} keyOf=${(row) => `${row.key} ${row.currency}`} />
    <p class="note">Slippage: fills against the mid when their order came to its gateway. It is part of the profit of trades, open ones too: do not subtract it again.${cost?.unpriced > 0 && ` ${cost.unpriced} fills had no market or no order of ours.`}${cost?.is_cut && " Only the newest fills of the span."}</p>`}<//>`;
}

function Slippage({ of }) {
  if (!of) return "–";
  const share = Number(of.notional) ? (-10000 * Number(of.slippage)) / Number(of.notional) : 0;
  return html`<${Amount} value=${-of.slippage} signs currency=${of.currency} /> <span class="unit">${number(share)} bp</span>`;
}

function Positions() {
  const of = useTopic("positions");
  const parts = (row) => Object.entries(row.subaccounts).filter(([, each]) => Number(each.qty));
  const columns = [
    { head: "symbol", cell: (row) => html`<a href="#market/${encodeURIComponent(row.account)}/${encodeURIComponent(row.symbol)}">${row.symbol}</a>` },
    { head: "account", cell: (row) => row.account },
    { head: "holds", right: true, cell: (row) => html`<span class=${tone(row.qty)}>${row.qty}</span>` },
    { head: "entry", right: true, cell: (row) => row.entry_price ?? "–" },
    { head: "open profit, before closing fees", metric: "open_profit", right: true, cell: (row) => html`<${Amount} value=${row.unrealized} currency=${row.settle} signs />` },
    { head: "realised", metric: "realized", right: true, cell: (row) => html`<${Amount} value=${row.realized} currency=${row.settle} signs />` },
    { head: "stops protect", right: true, cell: (row) => (row.protected == null ? "–" : html`<span class=${row.protected < 0.95 ? "warn" : ""}>${number(100 * row.protected, 0)} %</span>`) },
    { head: "of", cell: (row) => parts(row).map(([name, each]) => `${name} ${each.qty}`).join(", ") || "–" },
  ];
  return html`<${Panel} title="Positions" id="positions" of=${of} wide empty="Nothing is held.">${(rows) => html`<${Table} label="Positions" columns=${columns} rows=${rows} keyOf=${(row) => `${row.account} ${row.symbol} ${row.side}`} />`}<//>`;
}

function Money() {
  const of = useTopic("money");
  return html`<${Panel} title="Money of accounts and sub-accounts; the darker, the more of it is locked" id="money" of=${of} wide empty="No balance yet: start the gateway first.">${(rows) => html`<div class="heat">${rows.flatMap((row) => cells(row)).map(({ name, of: row, each, whole }) => html`<div key=${`${row.account} ${name} ${row.currency}`} class="cell bound-${bound(each)} ${whole ? "whole" : ""} ${row.alive ? "" : "old"}">
      <p><b>${row.account}</b>${whole ? "" : ` / ${name}`}</p>
      <p><${Amount} value=${each.total} currency=${row.currency} /></p>
      <p class="unit">${percent(share(each), 0)} locked${row.alive ? "" : ` · ${duration(row.data_age_ms)} old`}</p>
    </div>`)}</div>`}<//>`;
}

const share = (each) => (Number(each.total) ? Number(each.locked) / Number(each.total) : 0);
const bound = (each) => Math.max(0, Math.min(4, Math.ceil(share(each) * 5) - 1));
const cells = (row) => [{ name: "total", of: row, each: row, whole: true }, ...Object.entries(row.subaccounts).filter(([, each]) => Number(each.total)).map(([name, each]) => ({ name, of: row, each, whole: false }))];

const DIGITS = 9; // of an average
const price = (value) => number(value == null ? null : Number(value).toPrecision(DIGITS), 8, 0);

function Trips({ span }) {
  const of = useTopic(`trips|${span}`);
  const columns = [
    { head: "closed", cell: (row) => html`<${Time} ms=${row.at} />` },
    { head: "strategy", cell: (row) => row.strategy || "by hand" },
    { head: "symbol", cell: (row) => row.symbol },
    { head: "side", cell: (row) => html`<span class=${row.side === "long" ? "bid" : "ask"}>${row.side}</span>` },
    { head: "size", right: true, cell: (row) => row.qty },
    { head: "in", right: true, cell: (row) => price(row.entry_price) },
    { head: "out", right: true, cell: (row) => price(row.exit_price) },
    { head: "lasted", right: true, cell: (row) => duration(row.lasted) },
    { head: "best", right: true, cell: (row) => html`<${Amount} value=${row.peak} signs decimals=${decimalsOf(row.currency)} />` },
    { head: "worst", right: true, cell: (row) => html`<${Amount} value=${row.trough} signs decimals=${decimalsOf(row.currency)} />` },
    { head: "profit of the trip, after fees", metric: "trip_profit", right: true, cell: (row) => html`<${Amount} value=${row.net} currency=${row.currency} signs />` },
  ];
  const state = { ...of, data: of.data?.trips };
  return html`<${Panel} title="Round trips" id="trips" of=${state} wide stale=${15000} empty="No position was closed in this span.">${(rows) => html`<${Table} label="Round trips" columns=${columns} rows=${rows} keyOf=${(row) => `${row.journal} ${row.seq} ${row.slot}`} />${of.data.more > 0 && html`<p class="note">${of.data.more} more before: <code>onetape trips</code></p>`}`}<//>`;
}

function Variants() {
  const of = useTopic("variants");
  if (of.data && !of.data.length) return null;
  const columns = [
    { head: "robot", cell: (row) => row.robot },
    { head: "as", cell: (row) => (row.variant === "live" ? html`<b>live</b>` : `paper: ${row.variant}`) },
    { head: "parameters", cell: (row) => Object.entries(row.params ?? {}).map(([name, value]) => `${name} ${value}`).join(", ") || "the same" },
    { head: "fills", right: true, cell: (row) => row.fills },
    { head: "profit, after fees", metric: "pnl", right: true, cell: (row) => html`<${Amount} value=${row.pnl} signs />` },
    { head: "drawdown", metric: "max_drawdown", right: true, cell: (row) => percent(row.drawdown) },
    { head: "difference to live", right: true, cell: (row) => html`<${Amount} value=${row.behind_live} signs />` },
    { head: "orders that differ", right: true, cell: (row) => (row.compared ? `${row.differing} of ${row.compared}` : "–") },
  ];
  return html`<${Panel} title="Live beside paper" id="variants" of=${of} wide stale=${30000}>${(rows) => html`<${Table} label="Variants" columns=${columns} rows=${rows} keyOf=${(row) => `${row.robot} ${row.variant}`} />`}<//>`;
}
