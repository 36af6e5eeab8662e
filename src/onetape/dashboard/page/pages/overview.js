// The overview: equity and today's profit, each robot, risk against limits, problems.
import { html } from "../third_party/preact.js";
import { defined, useTopic } from "../connection.js";
import { Amount, Meter, Panel, Table, Term, Time, duration, percent, tone } from "../parts.js";

export function Overview() {
  const of = useTopic("overview");
  const part = (name) => ({ ...of, data: of.data?.[name] });
  return html`<h1 class="unseen">Overview</h1>
    <div class="grid">
      <${Red} of=${part("red")} />
      <${Equity} of=${part("equity")} />
      <${Robots} of=${part("robots")} />
      <${Risk} of=${part("risk")} />
    </div>`;
}

function Equity({ of }) {
  return html`<${Panel} title="Equity" id="equity" of=${of} empty="No account has an equity yet.">${(rows) => rows.map((row) => html`<div class="figure" key=${row.currency}>
      <p class="big" title=${defined("equity")} data-metric="equity"><${Amount} value=${row.equity} currency=${row.currency} /></p>
      <p class="today" title=${defined("day_profit")} data-metric="day_profit">${row.day == null ? html`<span class="note">today: ${row.why || "not read yet"}</span>` : html`<${Amount} value=${row.day} currency=${row.currency} signs /> <span class=${Math.abs(row.day_share) < 0.00005 ? "" : tone(row.day)}>${percent(row.day_share)}</span> <span class="unit">today, after fees</span>`}</p>
      <${Line} points=${row.minutes} label="Equity in ${row.currency} today, without deposits and withdrawals" />
      <dl><${Term} metric="open_profit">open profit<//><dd><${Amount} value=${row.unrealized} currency=${row.currency} signs /></dd><${Term} metric="fees">fees today<//><dd><${Amount} value=${row.fees == null ? null : 0 - row.fees} currency=${row.currency} signs /></dd><${Term} metric="funding">funding today<//><dd><${Amount} value=${row.funding} currency=${row.currency} signs /></dd></dl>
      ${row.lacking.length > 0 && html`<p class="note warn">without ${row.lacking.join(", ")}: figures not reliable</p>`}
    </div>`)}<//>`;
}

/** A day's equity as a line; a flat one has no points. */
function Line({ points, label }) {
  if (points.length < 2) return null;
  const times = points.map(([at]) => at);
  const values = points.map(([, worth]) => worth);
  const [first, last, low, high] = [times[0], times.at(-1), Math.min(...values), Math.max(...values)];
  const x = (at) => (300 * (at - first)) / (last - first || 1);
  const y = (worth) => 38 - (36 * (worth - low)) / (high - low || 1);
  const path = points.map(([at, worth], index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(worth).toFixed(1)}`).join("");
  return html`<svg class="spark" viewBox="0 0 300 40" preserveAspectRatio="none" role="img" aria-label=${label}><path class="area" d="${path}L300 40L0 40Z" /><path d=${path} /></svg>`;
}

function Robots({ of }) {
  const columns = [
    { head: "robot", cell: (row) => html`<a href="#robots/${encodeURIComponent(row.name)}">${row.name}</a>` },
    { head: "state", cell: (row) => html`<span class="state ${row.state === "running" ? (row.status ?? "") : "bad"}">${row.state === "running" ? (row.status ?? "silent") : row.state}</span>` },
    { head: "profit of this run, after fees", metric: "pnl", right: true, cell: (row) => html`<${Amount} value=${row.profit} signs decimals=${2} />` },
    { head: "holds", cell: (row) => row.positions.map((each) => `${each.qty} ${each.symbol}`).join(", ") || "\u2013" },
    { head: "orders", right: true, cell: (row) => row.orders ?? "\u2013" },
    { head: "fills", right: true, cell: (row) => row.fills ?? "\u2013" },
  ];
  return html`<${Panel} title="Robots" id="robots" of=${of} empty="No robot: write [robots.NAME] in onetape.toml.">${(rows) => html`<${Table} label="Robots" columns=${columns} rows=${rows} keyOf=${(row) => row.process} />`}<//>`;
}

function Risk({ of }) {
  const columns = [
    { head: "account", cell: (row) => html`${row.account}<span class="unit"> ${row.kind}</span>` },
    { head: "equity", metric: "equity", right: true, cell: (row) => html`<${Amount} value=${row.equity} currency=${row.currency} />` },
    { head: "open risk", right: true, cell: (row) => html`<${Amount} value=${row.gross} currency=${row.currency} />` },
    { head: "leverage", right: true, cell: (row) => (row.leverage == null ? "\u2013" : `${row.leverage.toFixed(2)}\u00d7`) },
    { head: "margin in use", right: true, cell: (row) => html`<${Meter} share=${row.utilization} label="margin in use of ${row.account}" /> ${percent(row.utilization, 1)}` },
    { head: "drawdown", metric: "drawdown", right: true, cell: (row) => percent(row.drawdown) },
    { head: "age", right: true, cell: (row) => (row.why ? html`<span class="warn">${row.why}</span>` : duration(row.age)) },
  ];
  return html`<${Panel} title="Risk" id="risk" of=${of} wide empty="No account is configured.">${(rows) => html`<${Table} label="Risk of accounts" columns=${columns} rows=${rows} keyOf=${(row) => row.account} />`}<//>`;
}

const WORDS = { CRITICAL: "act", WARN: "look", INFO: "note" };

function Red({ of }) {
  return html`<${Panel} title="Attention" id="red" of=${of} wide empty="Nothing: all processes run, no alert is open.">${(rows) => html`<ul class="red">${rows.map((row) => html`<li key=${`${row.kind} ${row.subject} ${row.text}`} class=${row.severity.toLowerCase()}><b>${WORDS[row.severity]}</b> <a href="#${row.page}">${row.subject}</a> <span>${row.text}</span> ${row.since && html`<${Time} ms=${row.since} />`}</li>`)}</ul>`}<//>`;
}
