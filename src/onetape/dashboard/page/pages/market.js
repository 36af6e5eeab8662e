// One symbol: bars with own orders, fills, entry, stops and liquidation; depth; trades. #market/account/symbol/interval
import { html, useEffect, useRef, useState } from "../third_party/preact.js";
import { defined, read, useEvents, useTopic } from "../connection.js";
import { Amount, Confirm, Panel, Table, Term, Time, decimalsOf, doIt, number, signed, tone } from "../parts.js";
import { Chart } from "../chart.js";
import { Beside } from "./beside.js";

const INTERVALS = ["1s", "5s", "1m", "5m", "1h", "1d"];

export function Market({ words, hello }) {
  const symbols = useTopic("symbols");
  const rows = symbols.data ?? [];
  const found = rows.find((each) => each.account === words[0] && each.symbol === words[1]) ?? rows[0];
  const interval = INTERVALS.includes(words[2]) ? words[2] : "1s";
  if (!found) return html`<h1 class="unseen">Market</h1><${Panel} title="Market" wide of=${symbols} empty="No account trades yet: start a gateway first.">${() => null}<//>`;
  const name = `${found.account}|${found.symbol}`;
  const go = (account, symbol, span) => {
    location.hash = ["market", account, symbol, span].map(encodeURIComponent).join("/");
  };
  return html`<h1 class="unseen">Market</h1>
    <div class="grid">
      <${ChartPanel} key=${name} of=${found} name=${name} interval=${interval} rows=${rows} go=${go} />
      <${Depth} name=${name} />
      <div class="stack"><${Orders} name=${name} of=${found} mayAct=${!hello?.read_only} /><${Fills} of=${found} /></div>
      <div class="stack"><${Position} name=${name} of=${found} mayAct=${!hello?.read_only} /><${Trades} name=${name} /></div>
      ${rows.length > 1 && html`<${Beside} rows=${rows} chosen=${found} interval=${interval} />`}
    </div>`;
}

function ChartPanel({ of, name, interval, rows, go }) {
  const market = useTopic(`market|${name}`);
  const bars = useTopic(`bars|${name}|${interval}`);
  const lines = useTopic(`lines|${name}`);
  const events = useEvents();
  const trips = useTopic("trips|1d").data?.trips ?? []; // none without a recorder
  const box = useRef(null);
  const chart = useRef(/** @type {Chart | null} */ (null));
  const [failed, setFailed] = useState("");
  useEffect(() => {
    const made = (chart.current = new Chart(box.current, of.price_decimals));
    setFailed("");
    made.follow((before, count) => read(`history|${name}|${interval}|${count}|${before}`), (from, before) => marksOf(name, interval, from, before, made), setFailed);
    return () => made.close();
  }, [name, interval]);
  useEffect(() => {
    if (bars.data && chart.current && !chart.current.update(bars.data.bars)) chart.current.renew();
  }, [bars.data]);
  useEffect(() => {
    if (lines.data) chart.current?.lines(linesOf(lines.data));
  }, [lines.data, interval]);
  useEffect(() => {
    const isOwn = (each) => each.account === of.account && each.symbol === of.symbol;
    const ended = trips.filter(isOwn).map((each) => ({ at: each.at, side: each.side === "long" ? "sell" : "buy", profit: `${signed(each.net, decimalsOf(each.currency))} ${each.currency}` }));
    chart.current?.markers(events.filter((each) => each.kind === "fill" && isOwn(each)), ended);
  }, [events.length && events.at(-1).sequence, trips[0]?.at, interval, name]);
  const [bid, ask] = [market.data?.bids[0]?.[0], market.data?.asks[0]?.[0]];
  const state = { data: market.data === undefined ? undefined : market.data, error: failed || market.error || bars.error, at: market.at };
  const aside = html`<select aria-label="Symbol" value=${name} onChange=${(event) => go(...event.target.value.split("|"), interval)}>
      ${rows.map((each) => html`<option key=${`${each.account}|${each.symbol}`} value=${`${each.account}|${each.symbol}`} selected=${each === of}>${each.symbol} · ${each.account}</option>`)}
    </select>
    <span class="tabs" role="group" aria-label="Interval">${INTERVALS.map((each) => html`<button key=${each} class="plain" aria-pressed=${each === interval} onClick=${() => go(of.account, of.symbol, each)}>${each}</button>`)}</span>`;
  return html`<section class="panel chart ${state.error || market.data?.is_stale ? "is-stale" : ""}" aria-label="Chart">
    <header><h2 class="num price">${bid ? `${bid} / ${ask}` : "–"}</h2>
      ${market.data && html`<span class="unit">mark <span class="num">${market.data.mark ?? "–"}</span> · <span title=${defined("funding_rate")} data-metric="funding_rate">funding</span> <span class="num">${market.data.funding == null ? "–" : `${signed(100 * market.data.funding, 4)} %`}</span></span>`}
      ${market.data?.is_stale && html`<span class="age" role="status">no price since <${Time} ms=${market.data.time || null} /></span>`}
      ${state.error && html`<span class="age" role="alert">${state.error}</span>`}
      <span class="aside">${aside}</span></header>
    <div class="canvas" ref=${box} role="img" aria-label="Bars of ${of.symbol}, ${interval}; the tables below have the same data"></div>
  </section>`;
}

/** Marks of own fills between two times, s UTC; each answer reads the journal a step further back. */
async function marksOf(name, interval, from, before, chart) {
  while (!chart.isOver) {
    const answer = await read(`marks|${name}|${interval}|${from}|${before}`);
    if (!answer.more) return answer;
  }
  return { marks: [], sequence: 0 };
}

/** {key: {price, title, role}} of all lines. */
export function linesOf(data) {
  const found = {};
  for (const each of data.orders) {
    const price = each.price ?? each.trigger;
    if (price && each.tag !== "guardian") found[`order ${each.client_id}`] = { price, title: `${each.side} ${each.qty}`, role: each.side === "buy" ? "bid" : "ask", dash: true };
  }
  for (const each of data.positions) {
    if (each.entry) found[`entry ${each.side}`] = { price: each.entry, title: `entry ${each.qty}`, role: "accent" };
    if (each.liquidation) found[`liquidation ${each.side}`] = { price: each.liquidation, title: "liquidation ≈", role: "act" };
  }
  for (const { levels, targets } of data.stops)
    for (const [word, role, rungs] of [["stop", "look", levels], ["target", "gain", targets]])
      rungs.forEach((rung) => (found[`${word} ${rung.venue_id || rung.trigger}`] = { price: rung.trigger, title: `${word} ${rung.distance ?? ""}`, role, dash: true }));
  return found;
}

function Depth({ name }) {
  const of = useTopic(`market|${name}`);
  const lines = useTopic(`lines|${name}`);
  const own = new Map();
  for (const each of lines.data?.orders ?? []) if (each.price) own.set(Number(each.price), [...(own.get(Number(each.price)) ?? []), each]);
  const side = (levels, word, most) => levels.map(([price, size]) => {
    const mine = own.get(Number(price));
    return html`<tr key=${price} class=${word}><td class="right">${mine?.map((each) => html`<div key=${each.client_id}>${each.ahead != null && html`<span class="unit" title="An estimate: canceled orders are assumed to be behind">about ${each.ahead} ahead of </span>`}<b title="own order">${each.qty}</b></div>`)}</td><td class="right price">${price}</td><td class="right size"><svg class="fill" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width=${(100 * Number(size)) / most} height="1" /></svg><span>${size}</span></td></tr>`;
  });
  return html`<${Panel} title="Depth" id="depth" of=${of} isEmpty=${(data) => !data.bids.length && !data.asks.length} empty="No depth: the venue's feed has not begun.">${(data) => {
    const most = Math.max(...[...data.bids, ...data.asks].map(([, size]) => Number(size)), 1e-12);
    const spread = data.bids.length && data.asks.length ? Number(data.asks[0][0]) - Number(data.bids[0][0]) : null;
    return html`<div class="scroll depth" tabindex="0" role="group" aria-label="Levels"><table><thead><tr><th class="right" scope="col">own</th><th class="right" scope="col">price</th><th class="right" scope="col">size</th></tr></thead><tbody>
      ${side([...data.asks].reverse(), "ask", most)}
      <tr class="spread"><td></td><td class="right">${spread == null ? "" : html`<span class="unit">spread</span> ${number(spread, 2)}`}</td><td></td></tr>
      ${side(data.bids, "bid", most)}
    </tbody></table></div>
    ${data.bids.length < 2 && data.asks.length < 2 && html`<p class="note">Best prices only: no process follows this book. A robot that subscribes with book=True, or [control] with [symbols], brings its depth.</p>`}`;
  }}<//>`;
}

function Orders({ name, of, mayAct }) {
  const topic = useTopic(`lines|${name}`);
  const state = { ...topic, data: topic.data?.orders };
  const columns = [
    { head: "side", cell: (row) => html`<span class=${row.side === "buy" ? "bid" : "ask"}>${row.side}</span>` },
    { head: "type", cell: (row) => (row.trigger ? `stop ${row.type}` : row.type) },
    { head: "price", right: true, cell: (row) => row.price ?? row.trigger ?? "–" },
    { head: "size", right: true, cell: (row) => row.qty },
    { head: "filled", right: true, cell: (row) => row.filled },
    { head: "state", cell: (row) => row.state.toLowerCase().replace("_", " ") },
    { head: "robot", cell: (row) => (row.trigger && row.tag) || row.robot || row.tag || "by hand" },
    ...(mayAct ? [{ head: "", right: true, cell: (row) => html`<button class="plain" onClick=${() => doIt(`Cancel ${row.side} ${row.qty}`, "cancel", of.account, { order: row.client_id })}>Cancel</button>` }] : []),
  ];
  return html`<${Panel} title="Working orders" id="orders" of=${state} empty="No order works.">${(rows) => html`<${Table} label="Working orders" columns=${columns} rows=${rows} keyOf=${(row) => row.client_id} />`}<//>`;
}

function Position({ name, of, mayAct }) {
  const topic = useTopic(`lines|${name}`);
  const [isOpen, setOpen] = useState(false);
  const state = { ...topic, data: topic.data?.positions };
  const stops = topic.data?.stops ?? [];
  const aside = mayAct && state.data?.length > 0 && html`<button class="danger" onClick=${() => setOpen(true)}>Flatten ...</button>`;
  const flat = async (yes) => {
    setOpen(false);
    if (yes) await doIt(`Flatten ${of.symbol}`, "flatten", of.account, { symbol: of.symbol });
  };
  return html`<${Panel} title="Position" id="position" of=${state} empty="Nothing is held." aside=${aside}>${(rows) => html`${rows.map((row) => {
    const guard = stops.find((each) => each.side === row.side) ?? stops[0];
    return html`<dl class="facts" key=${row.side}>
      <dt>holds</dt><dd class=${tone(row.qty)}>${row.qty}</dd>
      <dt>entry</dt><dd>${row.entry ?? "–"}</dd>
      <${Term} metric="open_profit">open profit, before closing fees<//><dd><${Amount} value=${row.unrealized} currency=${row.settle} signs /></dd>
      <dt>liquidation, about</dt><dd>${row.liquidation ?? "none"}</dd>
      <dt>stops protect</dt><dd>${guard ? `${Math.round(100 * guard.protected)} % by ${guard.levels.length}` : "unknown"}</dd>
    </dl>`;
  })}
  ${isOpen && html`<${Confirm} title="Flatten ${of.symbol}" typed="flatten" danger confirm="Flatten" onDone=${flat} text=${html`<p>All orders of <b>${of.symbol}</b> on account <b>${of.account}</b> are canceled and the position is closed at the market, until nothing is left. Robots go on and may open it again: stop them first, or use the kill switch of the account.</p>`} />`}`}<//>`;
}

function Fills({ of }) {
  const events = useEvents();
  const rows = events.filter((each) => each.kind === "fill" && each.account === of.account && each.symbol === of.symbol).slice(-60).reverse();
  const columns = [
    { head: "time", cell: (row) => html`<${Time} ms=${row.ts_event} />` },
    { head: "side", cell: (row) => html`<span class=${row.side === "buy" ? "bid" : "ask"}>${row.side}</span>` },
    { head: "price", right: true, cell: (row) => row.price },
    { head: "size", right: true, cell: (row) => row.qty },
    { head: "fee", right: true, cell: (row) => html`<${Amount} value=${row.fee} currency=${row.fee_currency} decimals=${4} />` },
    { head: "as", cell: (row) => row.liquidity },
    { head: "robot", cell: (row) => row.robot || "by hand" },
  ];
  return html`<${Panel} title="Fills" id="fills" of=${{ data: rows }} empty="No recent fill of this symbol.">${() => html`<${Table} label="Fills" columns=${columns} rows=${rows} keyOf=${(row) => row.sequence} />`}<//>`;
}

function Trades({ name }) {
  const of = useTopic(`trades|${name}`);
  const columns = [
    { head: "time", cell: ([at]) => html`<${Time} ms=${at} />` },
    { head: "price", right: true, cell: ([, price, , side]) => html`<span class=${side === "buy" ? "bid" : "ask"}>${price}</span>` },
    { head: "size", right: true, cell: ([, , size]) => size },
  ];
  return html`<${Panel} title="Trades of the market" id="trades" of=${of} empty="No trade in the last minutes.">${(rows) => html`<${Table} label="Trades" columns=${columns} rows=${rows.map((row, index) => [...row, index])} keyOf=${(row) => `${row[0]} ${row[4]}`} />`}<//>`;
}
