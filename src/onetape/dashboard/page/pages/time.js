// A run at any moment: a slider over it, steps frame by frame, jumps to fills. All shown data is of that moment, none of
// it later. #time/run/place/step is a moment that can be shared.
import { html, useEffect, useRef, useState } from "../third_party/preact.js";
import { read, useTopic } from "../connection.js";
import { Amount, Panel, Table, Term, Time, decimalsOf, tone } from "../parts.js";
import { Chart } from "../chart.js";
import { Choice } from "./portfolio.js";

const INTERVALS = ["1s", "5s", "1m", "5m", "1h", "1d"];
const BARS = 240;

export function TimeTravel({ words }) {
  const runs = useTopic("runs");
  const listed = runs.data?.filter((each) => !each.is_sweep) ?? [];
  const name = words[0] || listed[0]?.name;
  if (!name) return html`<h1 class="unseen">Time</h1><${Panel} title="Time" wide of=${runs} empty="There is no run yet: robots under onetape up make one each, and so does every backtest.">${() => html`<p class="note">reads ...</p>`}<//>`;
  return html`<${Run} key=${name} name=${name} place=${words[1]} step=${Number(words[2]) || 0} listed=${listed} />`;
}

const go = (name, place, step = 0) => {
  const hash = `#${["time", name, place, ...(step ? [String(step)] : [])].map(encodeURIComponent).join("/")}`;
  history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
};

function Run({ name, place, step, listed }) {
  const of = useTopic(`run|${name}`);
  const run = of.data;
  const [state, setState] = useState(/** @type {{data?: Record<string, any>, error?: string, busy?: boolean}} */ ({}));
  const [picked, setInterval] = useState("");
  const interval = picked || fitting(run ? run.last - run.first : 0);
  const opened = useRef(/** @type {string | undefined} */ (undefined)); // where a run that goes on had come to as it was opened here
  if (run && opened.current === undefined) opened.current = new Date(run.last).toISOString();
  const wanted = place ?? opened.current;
  const beside = useRef(/** @type {Record<string, any>} */ ({})); // how bars are read, while the state is
  useMoment(name, wanted, step, setState, beside);
  const moment = state.data;
  const at = moment?.at ?? run?.last;
  const fills = run?.fills ?? [];
  const jump = (side) => {
    const next = side > 0 ? fills.find((each) => each.at > Math.ceil(at)) : fills.findLast((each) => each.at < Math.floor(at));
    if (next) go(name, next.place);
  };
  const pressed = (event) => {
    if (event.target.closest("input, select, textarea")) return;
    const count = event.shiftKey ? 100 : 1;
    if (event.key === "ArrowRight") go(name, wanted, step + count);
    else if (event.key === "ArrowLeft") go(name, wanted, step - count);
    else if (event.key === "]") jump(1);
    else if (event.key === "[") jump(-1);
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  const part = (value) => ({ data: moment && value(moment), error: state.error });
  return html`<h1 class="unseen">Time</h1>
    <div class="grid">
      <section class="panel wide time ${state.error ? "is-stale" : ""}" id="moment" aria-label="Moment" aria-busy=${state.busy ? "true" : "false"}>
        <header><h2>${moment ? html`<span class="num price">${moment.now.replace("T", " ").replace("Z", "")} UTC</span>` : "Moment"}</h2>
          ${moment && html`<span class="unit">frame <span class="num">${moment.frames}</span>${moment.is_end ? " · the end" : ""}${moment.life > 1 ? ` · incarnation ${moment.life}` : ""}</span>`}
          ${(state.error || of.error) && html`<span class="age" role="alert">${state.error ?? of.error}</span>`}
          <span class="aside"><select aria-label="Run" value=${name} onChange=${(event) => (location.hash = `time/${encodeURIComponent(event.target.value)}`)}>${listed.map((each) => html`<option key=${each.name} value=${each.name}>${each.name} · ${each.kind ?? ""}</option>`)}</select></span></header>
        ${run && html`<${Slider} run=${run} at=${at} onMoved=${(ms) => go(name, new Date(ms).toISOString())} />
          <p class="steps">
            <button title="The fill before ([)" onClick=${() => jump(-1)}>⇤ fill</button>
            <button title="100 frames back (Shift ←)" onClick=${() => go(name, wanted, step - 100)}>−100</button>
            <button title="One frame back (←)" onClick=${() => go(name, wanted, step - 1)}>−1 frame</button>
            <button title="One frame on (→)" onClick=${() => go(name, wanted, step + 1)}>+1 frame</button>
            <button title="100 frames on (Shift →)" onClick=${() => go(name, wanted, step + 100)}>+100</button>
            <button title="The next fill (])" onClick=${() => jump(1)}>fill ⇥</button>
            <${Place} onPlace=${(text) => go(name, text)} />
            <span class="unit">${run.fills.length + run.more_fills} fills${run.goes_on ? " · running" : ""}</span>
          </p>`}
      </section>
      ${moment && html`<${Bars} name=${name} moment=${moment} beside=${beside} run=${run} interval=${interval} setInterval=${setInterval} />`}
      <${Money} of=${part((each) => each)} />
      <${Orders} of=${part((each) => each.orders)} />
      <${Books} of=${part((each) => Object.entries(each.market))} />
      <${Memory} of=${part((each) => each)} />
      <${Frames} of=${part((each) => [...each.before.map((frame) => [frame, ""]), ...(each.frame ? [[each.frame, "now"]] : []), ...each.after.map((frame) => [frame, "after"])])} />
    </div>`;
}

/** The finest interval at which the chart has room for a run of so many ms. */
const fitting = (ms) => INTERVALS.find((each) => ms / SPANS[each] <= BARS) ?? "1d";
const SPANS = { "1s": 1e3, "5s": 5e3, "1m": 60e3, "5m": 300e3, "1h": 3600e3, "1d": 86400e3 };

/** Reads the chosen moment, one at a time: moments that the slider has passed meanwhile are left out. */
function useMoment(name, place, step, setState, beside) {
  const work = useRef({ busy: false, next: /** @type {[string, number] | null} */ (null) });
  useEffect(() => {
    if (place === undefined) return;
    const mine = work.current;
    mine.next = [place, step];
    const take = async () => {
      mine.busy = true;
      setState((old) => ({ ...old, busy: true }));
      while (mine.next) {
        const [wanted, steps] = mine.next;
        mine.next = null;
        const bars = !steps && wanted.endsWith("Z") ? beside.current.readAt?.(wanted) : null;
        try {
          const data = await read(`moment|${name}|${wanted}|${steps}`);
          beside.current.found = { data, bars };
          setState({ data, busy: Boolean(mine.next) });
        } catch (error) {
          setState((old) => ({ ...old, error: error.message, busy: Boolean(mine.next) }));
        }
      }
      mine.busy = false;
    };
    if (!mine.busy) take();
  }, [name, place, step]);
}

/** The equity of the run as the track, its fills as ticks, the moment as the thumb. */
function Slider({ run, at, onMoved }) {
  const [first, last] = [run.first, Math.max(run.last, run.first + 1)];
  const x = (ms) => (1000 * (ms - first)) / (last - first);
  const values = run.equity.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const y = (value) => 38 - (36 * (value - low)) / (high - low || 1);
  const path = run.equity.map(([ms, value], index) => `${index ? "L" : "M"}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  return html`<div class="track">
    <svg viewBox="0 0 1000 40" preserveAspectRatio="none" aria-hidden="true">
      ${run.equity.length > 1 && html`<path d=${path} />`}
      ${run.fills.map((each, index) => html`<line key=${index} class=${each.side === "buy" ? "bid" : "ask"} x1=${x(each.at)} x2=${x(each.at)} y1="36" y2="40" />`)}
    </svg>
    <input type="range" aria-label="Moment of the run" aria-valuetext=${new Date(at ?? first).toISOString()} min=${first} max=${last} step=${Math.max(1, Math.floor((last - first) / 20000))} value=${at ?? last} onInput=${(event) => onMoved(Number(event.target.value))} />
    <p class="ends"><${Time} ms=${first} day /><span class="unit">equity of the run, its fills below</span><${Time} ms=${last} day /></p>
  </div>`;
}

function Place({ onPlace }) {
  const [text, setText] = useState("");
  const done = (event) => {
    event.preventDefault();
    if (text.trim()) onPlace(text.trim());
  };
  return html`<form class="place" onSubmit=${done}><input aria-label="Go to a time (UTC) or a frame" placeholder="12:31:07.5 or frame" value=${text} onInput=${(event) => setText(event.target.value)} /><button>Go</button></form>`;
}

function Bars({ name, moment, beside, run, interval, setInterval }) {
  const symbols = Object.keys(moment.market);
  const [symbol, setSymbol] = useState(symbols[0]);
  const [error, setError] = useState("");
  const box = useRef(null);
  const chart = useRef(/** @type {Chart | null} */ (null));
  const shown = symbols.includes(symbol) ? symbol : symbols[0];
  useEffect(() => {
    const made = (chart.current = new Chart(box.current, decimalsIn(moment.market[shown])));
    return () => made.close();
  }, [shown]);
  useEffect(() => {
    const made = chart.current;
    let over = false;
    const of = `${name}|${shown}|${interval}`;
    const readAt = (at) => read(`moment_bars|${of}|${at}|${BARS}`).then((answer) => ({ of, answer }), (error) => ({ of, error: error.message }));
    const take = (ready) =>
      ready.then((found) => {
        if (over || !made || chart.current !== made) return;
        if (found.of !== of || found.answer?.more) take(readAt(moment.now)); // the tape is read by steps
        if (found.of !== of || (found.answer?.more && !found.answer.bars.length)) return;
        setError(found.error ?? (found.answer.bars.length ? "" : "the run's market has no bars here"));
        if (found.error) return;
        made.set(found.answer.bars);
        made.box.dataset.moment = moment.now; // that its bars are of
        made.markers((run?.fills ?? []).filter((each) => each.symbol === shown && each.at <= moment.at).map((each, index) => ({ ...each, ts_event: each.at, sequence: index })));
        made.lines(linesOf(moment, shown));
      });
    // No frame came between the robot's time and that of the slider, but at the run's end.
    const { data, bars } = beside.current.found ?? {};
    take(data === moment && bars && !moment.is_end ? bars : readAt(moment.now));
    beside.current = { readAt };
    return () => (over = true);
  }, [name, shown, interval, moment]);
  const aside = html`${symbols.length > 1 && html`<select aria-label="Symbol" value=${shown} onChange=${(event) => setSymbol(event.target.value)}>${symbols.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select>`}<${Choice} label="Interval" words=${INTERVALS} chosen=${interval} onChosen=${setInterval} />`;
  return html`<section class="panel chart" id="moment-bars" aria-label="Chart"><header><h2>${shown}</h2>${error && html`<span class="age">${error}</span>`}<span class="aside">${aside}</span></header><div class="canvas half" ref=${box} role="img" aria-label="Bars of ${shown} up to the moment"></div></section>`;
}

const decimalsIn = (market) => (market?.quote?.bid ?? market?.book?.bids[0]?.[0] ?? "0.00").split(".")[1]?.length ?? 0;

function linesOf(moment, symbol) {
  const lines = {};
  for (const each of moment.orders.filter((order) => order.symbol === symbol)) lines[`order ${each.id}`] = { price: each.trigger ?? each.price, title: `${each.side} ${each.qty}`, role: each.side === "buy" ? "bid" : "ask", dash: true };
  for (const each of moment.positions.filter((held) => held.symbol === symbol && Number(held.qty))) lines[`entry ${each.side}`] = { price: each.entry_price, title: `entry ${each.qty}`, role: "link" };
  for (const [key, each] of Object.entries(lines)) if (each.price == null) delete lines[key];
  return lines;
}

function Money({ of }) {
  return html`<${Panel} title="What the robot had" id="had" of=${of}>${(moment) => html`<dl class="facts">
    <${Term} metric="robot_equity">equity, after fees so far<//><dd><${Amount} value=${moment.equity} decimals=${2} /></dd>
    <dt>may trade</dt><dd>${moment.trading ? "yes" : "no"}${moment.halted ? ", halted" : ""}</dd>
    ${moment.positions.map((each) => html`<dt>${each.symbol}</dt><dd><span class=${tone(each.qty)}>${each.qty}</span> at ${each.entry_price} <span class="unit">open</span> <${Amount} value=${each.unrealized} signs decimals=${2} /></dd>`)}
    ${moment.positions.length === 0 && html`<dt>positions</dt><dd>none</dd>`}
    ${moment.balances.map((each) => html`<dt>${each.account ? `${each.account} ` : ""}${each.currency}</dt><dd><${Amount} value=${each.total} decimals=${decimalsOf(each.currency)} /> <span class="unit">free</span> <${Amount} value=${each.available} decimals=${decimalsOf(each.currency)} /></dd>`)}
  </dl>`}<//>`;
}

function Orders({ of }) {
  const columns = [
    { head: "side", cell: (row) => html`<span class=${row.side === "buy" ? "bid" : "ask"}>${row.side}</span>` },
    { head: "symbol", cell: (row) => row.symbol },
    { head: "type", cell: (row) => `${row.type} ${row.tif}` },
    { head: "price", right: true, cell: (row) => row.price ?? row.trigger ?? "–" },
    { head: "size", right: true, cell: (row) => row.qty },
    { head: "filled", right: true, cell: (row) => row.filled },
    { head: "state", cell: (row) => row.state.toLowerCase() },
    { head: "tag", cell: (row) => row.tag || "–" },
  ];
  return html`<${Panel} title="Working orders" id="had-orders" of=${of} empty="No working orders.">${(rows) => html`<${Table} label="Working orders of the moment" columns=${columns} rows=${rows} keyOf=${(row) => row.id} />`}<//>`;
}

function Books({ of }) {
  const columns = [
    { head: "symbol", cell: ([symbol]) => symbol },
    { head: "bid", right: true, cell: ([, each]) => html`<span class="bid">${each.quote?.bid ?? "–"}</span> <span class="unit">${each.quote?.bid_size ?? ""}</span>` },
    { head: "ask", right: true, cell: ([, each]) => html`<span class="ask">${each.quote?.ask ?? "–"}</span> <span class="unit">${each.quote?.ask_size ?? ""}</span>` },
    { head: "subscribed to", cell: ([, each]) => each.subscribed.join(", ") || "nothing" },
  ];
  return html`<${Panel} title="The market it saw" id="had-market" of=${of} empty="It had no market.">${(rows) => html`<${Table} label="Market of the moment" columns=${columns} rows=${rows} keyOf=${([symbol]) => symbol} />
    ${rows.filter(([, each]) => each.book).map(([symbol, each]) => html`<div class="scroll" key=${symbol}><table class="ladder"><caption class="unit">${symbol}${each.book.synced ? "" : " · not synced"}</caption><tbody>${each.book.bids.map((bid, index) => html`<tr key=${index}><td class="right unit">${bid[1]}</td><td class="right bid num">${bid[0]}</td><td class="ask num">${each.book.asks[index]?.[0] ?? ""}</td><td class="unit">${each.book.asks[index]?.[1] ?? ""}</td></tr>`)}</tbody></table></div>`)}`}<//>`;
}

const text = (value) => (typeof value === "string" ? value : value === null ? "none" : JSON.stringify(value));

/** The fields of a frame that have a value, in words. */
const fieldsOf = (data) => {
  const shown = Object.entries(data).filter(([name, value]) => value !== null && !/^ts_|_id$|flags/.test(name));
  return shown.map(([name, value]) => `${name} ${text(value)}`).join("  ").slice(0, 300);
};

function Memory({ of }) {
  const columns = [
    { head: "", cell: (row) => html`<span class="unit">${row.group}</span>` },
    { head: "name", cell: (row) => row.name },
    { head: "value", cell: (row) => html`<code class="wrap">${text(row.value)}</code>` },
  ];
  const state = { ...of, data: of.data && ["memory", "own", "params"].flatMap((group) => Object.entries(of.data[group]).map(([name, value]) => ({ group: { memory: "memory", own: "attribute", params: "parameter" }[group], name, value }))) };
  return html`<${Panel} title="Memory and parameters" id="had-memory" of=${state} empty="Nothing: no memory, attributes or parameters.">${(rows) => html`<${Table} label="Memory of the moment" columns=${columns} rows=${rows} keyOf=${(row) => `${row.group} ${row.name}`} />`}<//>`;
}

function Frames({ of }) {
  const columns = [
    { head: "", cell: ([, when]) => (when === "now" ? html`<b>now</b>` : html`<span class="unit">${when}</span>`) },
    { head: "frame", right: true, cell: ([frame]) => frame.seq },
    { head: "what", cell: ([frame]) => `${frame.type} ${frame.symbol ?? ""}` },
    { head: "data", cell: ([frame]) => html`<code class="wrap">${fieldsOf(frame.data)}</code>` },
  ];
  return html`<${Panel} title="Frames around" id="had-frames" wide of=${of} empty="There are none.">${(rows) => html`<${Table} label="Frames" columns=${columns} rows=${rows} keyOf=${([frame, when]) => `${frame.tape} ${frame.seq} ${when}`} rowClass=${([, when]) => (when === "now" ? "chosen" : when === "after" ? "after" : "")} />`}<//>`;
}
