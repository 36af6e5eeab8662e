// Robots: state, parameters with preview and undo of changes, start, stop, add; what each decided
// and why it placed no order; latency. #robots/name
import { html, useEffect, useState } from "../third_party/preact.js";
import { now, read, useTopic } from "../connection.js";
import { Curve } from "./portfolio.js";
import { Amount, Confirm, Panel, Table, Term, Time, doIt, duration, number } from "../parts.js";

export function Robots({ words, hello }) {
  const of = useTopic("robots");
  const chosen = of.data?.find((each) => each.name === words[0]) ?? of.data?.[0];
  const mayAct = !hello?.read_only;
  return html`<h1 class="unseen">Robots</h1>
    <div class="grid">
      <${List} of=${of} chosen=${chosen} />
      ${mayAct && hello && html`<${Add} accounts=${Object.keys(hello.accounts)} />`}
      ${chosen && html`<div class="stack"><${State} key=${`state ${chosen.name}`} robot=${chosen} of=${of} mayAct=${mayAct} /><${Latency} robot=${chosen} of=${of} />${chosen.run && html`<${Explained} key=${`explained ${chosen.run}`} run=${chosen.run} />`}</div><div class="stack"><${Parameters} key=${chosen.name} robot=${chosen} of=${of} mayAct=${mayAct} /></div><${Decisions} key=${`decisions ${chosen.run}`} robot=${chosen} />`}
    </div>`;
}

/** The parameters that a strategy's file declares: {data} or {error}, neither while it is read. */
export function useDeclared(strategy) {
  const [facts, setFacts] = useState(/** @type {{data?: Record<string, any>, error?: string}} */ ({}));
  useEffect(() => {
    let over = false;
    setFacts({});
    if (strategy) read(`trial_params|${strategy}`).then((data) => over || setFacts({ data }), (error) => over || setFacts({ error: error.message }));
    return () => {
      over = true;
    };
  }, [strategy]);
  return facts;
}

export function StrategyField({ chosen, files, choose }) {
  return html`<label>Strategy<select value=${chosen} onChange=${(event) => choose(event.target.value)}><option value="">choose ...</option>${files.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>`;
}

function Add({ accounts }) {
  const [isOpen, setOpen] = useState(false);
  const files = useTopic(isOpen ? "trial_files" : null);
  const begin = { name: "", strategy: "", account: accounts[0] ?? "", subaccount: "" };
  const [wanted, setWanted] = useState(begin);
  const [values, setValues] = useState(/** @type {Record<string, any>} */ ({}));
  const [isAsked, setAsked] = useState(false);
  const facts = useDeclared(wanted.strategy);
  const declared = facts.data ?? {};
  const changed = Object.entries(values).filter(([name, value]) => name in declared && !same(declared[name].value, value));
  const faults = changed.map(([name, value]) => wrong(name, value, declared[name])).filter(Boolean);
  const set = (name, value) => setWanted({ ...wanted, [name]: value });
  const add = async (yes) => {
    setAsked(false);
    if (!yes) return;
    const params = Object.fromEntries(changed.map(([name, value]) => [name, typed(value, declared[name])]));
    const { subaccount, ...others } = wanted;
    if (!(await doIt(`Add ${wanted.name}`, "robot_add", "", { ...others, ...(subaccount ? { subaccount } : {}), params }))) return;
    location.hash = `robots/${encodeURIComponent(wanted.name)}`;
    setWanted(begin);
    setOpen(false);
  };
  const aside = html`<button class="plain" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Close" : "Open"}</button>`;
  return html`<${Panel} title="Add a robot" id="add" wide of=${isOpen ? { ...files, at: undefined } : { data: {} }} aside=${aside}>${(found) => !isOpen ? html`<p class="note">Runs another strategy from the folder of onetape.toml.</p>` : html`<form class="form" onSubmit=${(event) => { event.preventDefault(); setAsked(true); }}>
      <label>Name<input id="add-name" autocomplete="off" spellcheck="false" value=${wanted.name} onInput=${(event) => set("name", event.target.value)} /></label>
      <${StrategyField} chosen=${wanted.strategy} files=${found.strategies} choose=${(file) => { set("strategy", file); setValues({}); }} />
      <label>Account<select value=${wanted.account} onChange=${(event) => set("account", event.target.value)}>${accounts.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>
      <label>Sub-account<input value=${wanted.subaccount} placeholder="main" onInput=${(event) => set("subaccount", event.target.value)} /></label>
      ${facts.error && html`<p class="note error" role="alert">${facts.error}</p>`}
      ${wanted.strategy && !facts.data && !facts.error && html`<p class="note loading">loading its parameters ...</p>`}
      ${Object.entries(declared).map(([name, each]) => html`<label key=${name} title=${each.help}>${name}${field(name, each, values[name] ?? each.value ?? "", false, (value) => setValues({ ...values, [name]: value }), "add")}</label>`)}
      ${faults.map((each) => html`<p class="note error" key=${each}>${each}</p>`)}
      <p class="buttons"><button class="main" disabled=${!wanted.name || !facts.data || faults.length > 0}>Add ...</button></p>
      ${isAsked && html`<${Confirm} title="Add ${wanted.name}" confirm="Add it" onDone=${add} text=${html`<p>It starts at once, trades with the money of <b>${wanted.account}${wanted.subaccount ? ` / ${wanted.subaccount}` : ""}</b>, and is there again after every start until it is removed.</p>`} />`}
    </form>`}<//>`;
}

const STATES = { started: "started", stopped: "stopped", halted: "halted" };
const stateOf = (row) => (row.state === "running" ? (STATES[row.status] ?? "silent") : row.state);
const held = (row) => Object.entries(row.symbols ?? {}).filter(([, each]) => each.position).map(([name, each]) => `${each.position} ${name}`).join(", ") || "–";

function List({ of, chosen }) {
  const columns = [
    { head: "robot", cell: (row) => html`<a href="#robots/${encodeURIComponent(row.name)}" aria-current=${row === chosen ? "true" : null}>${row.name}</a>` },
    { head: "state", cell: (row) => html`<span class="state ${row.state === "running" ? (row.status ?? "") : "bad"}">${stateOf(row)}</span>` },
    { head: "strategy", cell: (row) => row.type ?? row.file },
    { head: "account", cell: (row) => `${row.accounts.join(", ")}${row.subaccount ? ` / ${row.subaccount}` : ""}` },
    { head: "profit of this run, after fees", metric: "pnl", right: true, cell: (row) => html`<${Amount} value=${row.profit} signs decimals=${2} />` },
    { head: "holds", cell: held },
    { head: "orders", right: true, cell: (row) => row.orders ?? "–" },
    { head: "fills", right: true, cell: (row) => row.fills ?? "–" },
    { head: "behind", right: true, cell: (row) => (row.lag == null ? "–" : `${row.lag}`) },
    { head: "restarts", right: true, cell: (row) => row.restarts },
  ];
  return html`<${Panel} title="Robots" id="robots" wide of=${of} empty="No robot: write [robots.NAME] in onetape.toml.">${(rows) => html`<${Table} label="Robots" columns=${columns} rows=${rows} keyOf=${(row) => row.name} rowClass=${(row) => (row === chosen ? "chosen" : "")} />`}<//>`;
}

function State({ robot, of, mayAct }) {
  const [isOpen, setOpen] = useState(false);
  const runs = robot.status === "started";
  const [isLeaving, setLeaving] = useState(false);
  const remove = async (yes) => {
    setLeaving(false);
    if (yes && (await doIt(`Remove ${robot.name}`, "robot_remove", "", { name: robot.name }))) location.hash = "robots";
  };
  const aside = mayAct && html`${robot.is_added && html`<button onClick=${() => setLeaving(true)}>Remove ...</button>`}${runs ? html`<button onClick=${() => setOpen(true)}>Stop ...</button>` : html`<button class="main" disabled=${robot.status !== "stopped"} onClick=${() => doIt(`Start ${robot.name}`, "robot_start", robot.name)}>Start</button>`}`;
  const stop = async (yes) => {
    setOpen(false);
    if (yes) await doIt(`Stop ${robot.name}`, "robot_stop", robot.name);
  };
  return html`<${Panel} title=${robot.name} id="robot" of=${{ ...of, data: robot }} aside=${aside}>${() => html`<dl class="facts">
      <dt>state</dt><dd><span class="state ${robot.state === "running" ? (robot.status ?? "") : "bad"}">${stateOf(robot)}</span></dd>
      ${robot.reason && html`<dt>why</dt><dd class="warn">${robot.reason}</dd>`}
      <dt>strategy</dt><dd>${robot.file}</dd>
      <dt>run</dt><dd>${robot.run || "–"}</dd>
      <${Term} metric="pnl">profit of this run, after fees<//><dd><${Amount} value=${robot.profit} signs decimals=${2} /></dd>
      ${Object.entries(robot.symbols ?? {}).map(([name, each]) => html`<dt>${name}</dt><dd>${each.position ?? 0} at ${each.bid ?? "–"} / ${each.ask ?? "–"}</dd>`)}
      <dt>process</dt><dd>${number(robot.cpu_percent, 1)} % of a core, ${number((robot.memory_bytes ?? 0) / 2 ** 20, 0)} MiB</dd>
    </dl>
    ${isOpen && html`<${Confirm} title="Stop ${robot.name}" confirm="Stop it" danger onDone=${stop} text=${html`<p>Its working orders are canceled and it trades no more until it is started. What it holds stays, protected by stops.</p>`} />`}
    ${isLeaving && html`<${Confirm} title="Remove ${robot.name}" confirm="Remove it" danger onDone=${remove} text=${html`<p>Its process ends and does not come back. What it holds stays, protected by stops.</p>`} />`}`}<//>`;
}

const same = (a, b) => String(a ?? "") === String(b ?? "");

function Parameters({ robot, of, mayAct }) {
  const [changed, setChanged] = useState({});
  const [isOpen, setOpen] = useState(false);
  const [undo, setUndo] = useState(null);
  const params = robot.params;
  const wanted = Object.entries(changed).filter(([name, value]) => params?.[name] && !same(params[name].value, value));
  const bad = wanted.map(([name, value]) => wrong(name, value, params[name])).find(Boolean);
  const send = async (values, words) => {
    const result = await doIt(words, "robot_params", robot.name, values);
    return result?.was;
  };
  const apply = async (yes) => {
    setOpen(false);
    if (!yes) return;
    const was = await send(Object.fromEntries(wanted.map(([name, value]) => [name, typed(value, params[name])])), `Change ${robot.name}`);
    if (was) {
      setUndo(was);
      setChanged({});
    }
  };
  const back = async () => {
    if (await send(undo, `Undo at ${robot.name}`)) setUndo(null);
  };
  const aside = mayAct && html`${undo && html`<button onClick=${back}>Undo</button>`}<button class="main" disabled=${!wanted.length || Boolean(bad)} onClick=${() => setOpen(true)}>Preview ...</button>`;
  const columns = [
    { head: "parameter", cell: ([name, each]) => html`<label for=${`p-${name}`}>${name}</label>${each.help && html`<div class="unit help">${each.help}</div>`}` },
    { head: "value", cell: ([name, each]) => field(name, each, changed[name] ?? each.value ?? "", !mayAct, (value) => setChanged({ ...changed, [name]: value })) },
    { head: "bounds", cell: ([, each]) => (each.min == null && each.max == null ? "–" : `${each.min ?? "–"} to ${each.max ?? "–"}`) },
    { head: "step", right: true, cell: ([, each]) => each.step ?? "–" },
    { head: "default", right: true, cell: ([, each]) => (each.default == null ? "–" : String(each.default)) },
  ];
  return html`<${Panel} title="Parameters" id="parameters" of=${{ ...of, data: params ?? [] }} isEmpty=${(data) => !Object.keys(data).length} empty="It has no parameters, or does not answer." aside=${aside}>${() => html`
    ${bad && html`<p class="note error" role="alert">${bad}</p>`}
    <${Table} label="Parameters of ${robot.name}" columns=${columns} rows=${Object.entries(params)} keyOf=${([name]) => name} />
    ${isOpen && html`<${Confirm} title="Change ${robot.name}" confirm="Change" onDone=${apply} text=${html`<table><tbody>${wanted.map(([name, value]) => html`<tr key=${name}><td>${name}</td><td class="right">${String(params[name].value)}</td><td>→</td><td class="right"><b>${String(value)}</b></td></tr>`)}</tbody></table><p>In force from the next event on, and after a restart.</p>`} />`}`}<//>`;
}

export function field(name, each, value, locked, change, before = "p") {
  const id = `${before}-${name}`;
  if (each.type === "bool") return html`<input type="checkbox" id=${id} disabled=${locked} checked=${value === true || value === "true"} onChange=${(event) => change(event.target.checked)} />`;
  if (each.choices) return html`<select id=${id} disabled=${locked} value=${value} onChange=${(event) => change(event.target.value)}>${each.choices.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select>`;
  const isNumber = ["int", "float", "decimal"].includes(each.type);
  return html`<input id=${id} class="num" inputmode=${isNumber ? "decimal" : "text"} autocomplete="off" spellcheck="false" disabled=${locked} value=${value} onInput=${(event) => change(event.target.value)} />`;
}

export function wrong(name, value, each) {
  if (!["int", "float", "decimal"].includes(each.type) || (value === "" && each.optional)) return "";
  const found = Number(value);
  if (value === "" || Number.isNaN(found)) return `${name} is a number`;
  if (each.type === "int" && !Number.isInteger(found)) return `${name} is a whole number`;
  if (each.min != null && found < Number(each.min)) return `${name} is at least ${each.min}`;
  if (each.max != null && found > Number(each.max)) return `${name} is at most ${each.max}`;
  return "";
}

export function typed(value, each) {
  if (value === "" && each.optional) return null;
  if (each.type === "bool") return value === true || value === "true";
  return ["int", "float"].includes(each.type) ? Number(value) : value;
}

const order = (row) => html`<span class=${row.side === "buy" ? "bid" : "ask"}>${row.side}</span> ${row.qty} at ${row.price ?? "market"}`;

/** A robot's decisions, their outcome, and why there was no order. */
function Decisions({ robot }) {
  const of = useTopic(robot.run ? `decisions|${robot.run}` : null);
  const part = (name) => (robot.run ? { ...of, data: of.data?.[name] } : { data: [] });
  const outcome = (row) => {
    if (row.orders.length) return row.orders.slice(-4).map((each) => html`<div key=${each.sequence}>${order(each)}: <span class=${each.reason == null ? "" : "warn"}>${each.state.toLowerCase().replace("_", " ")}${each.reason == null ? "" : ` (${each.code}) ${each.reason}`}</span></div>`);
    return html`<span class="unit">${row.targets.length ? "no order: already held, already ordered, or less than a lot" : "no order: no target was set"}</span>`;
  };
  const columns = [
    { head: "time", cell: (row) => html`<${Time} ms=${row.at} />` },
    { head: "symbol", cell: (row) => html`<span class="short">${row.symbol}</span>` },
    { head: "signal", cell: (row) => (row.direction ? html`<span class=${{ buy: "bid", sell: "ask" }[row.direction] ?? ""}>${row.direction}</span>` : "–") },
    { head: "facts", cell: (row) => html`<span class="words">${row.facts}</span>` },
    { head: "target", right: true, cell: (row) => row.targets.join(", ") || "–" },
    { head: "outcome", cell: (row) => html`<div class="words">${outcome(row)}</div>` },
  ];
  const refused = [
    { head: "time", cell: (row) => html`<${Time} ms=${row.at} />` },
    { head: "symbol", cell: (row) => html`<span class="short">${row.symbol}</span>` },
    { head: "order", cell: order },
    { head: "state", cell: (row) => row.state.toLowerCase() },
    { head: "code", right: true, cell: (row) => row.code || "–" },
    { head: "why", cell: (row) => html`<span class="words">${row.reason || "–"}</span>` },
  ];
  const blocked = robot.blocked.map((each) => html`<p key=${each.text} class="note"><span class="state bad">opens nothing</span> ${each.text}${each.until ? html`, ends in ${duration(each.until - now())}` : ""}</p>`);
  const plots = of.data?.plots ?? [];
  return html`${plots.length > 0 && html`<${Panel} title="Its own recent series" id="plots" wide of=${part("plots")}>${(rows) => rows.map((row) => html`<p key=${row.name} class="note">${row.name}</p><${Curve} key=${`line ${row.name}`} rows=${[row]} low asItIs label=${`The series ${row.name}`} />`)}<//>`}
    <${Panel} title="Recent signals and targets" id="decisions" wide of=${part("decisions")} empty="No recent signal and no recent target.">${(rows) => html`<${Table} label="Signals and targets" columns=${columns} rows=${rows} keyOf=${(row) => row.sequence} />`}<//>
    <${Panel} title="Why no order" id="refusals" wide of=${part("refused")} isEmpty=${(rows) => !rows.length && !blocked.length} empty="It may open positions, and none of its recent orders was denied or rejected.">${(rows) => html`${blocked}${rows.length > 0 && html`<${Table} label="Refused orders" columns=${refused} rows=${rows} keyOf=${(row) => row.sequence} />`}`}<//>`;
}

/** The parts of a run's result: prices, fees, funding, and the cost of its orders against the market. It reads the
    whole run, so a button starts it. */
function Explained({ run }) {
  const [of, setOf] = useState(/** @type {{data?: any, error?: string, busy?: boolean}} */ ({}));
  const reckon = () => {
    setOf({ ...of, busy: true });
    read(`explained|${run}`).then((data) => setOf({ data }), (error) => setOf({ error: error.message }));
  };
  const DEFINED = { gross: "from_prices", net: "pnl", fees: "fees", funding: "funding" };
  const money = (name) => ({ head: { gross: "from prices", net: "profit" }[name] ?? name, metric: DEFINED[name], right: true, cell: (row) => html`<${Amount} value=${name === "fees" ? 0 - row.fees : row[name]} currency=${row.currency} signs />` });
  const columns = [{ head: "symbol", cell: (row) => html`<span class="short">${row.symbol}</span>` }, ...["gross", "fees", "funding", "other", "net"].map(money)];
  const causes = [
    { head: "of it, cost against the market", cell: (row) => row.cause },
    { head: "amount", right: true, cell: (row) => html`<${Amount} value=${0 - row.amount} currency=${row.currency} signs />` },
    { head: "of traded value", right: true, cell: (row) => (row.bps == null ? "–" : `${number(row.bps)} bp`) },
  ];
  const aside = html`<button disabled=${of.busy} onClick=${reckon}>${of.busy ? "Computing ..." : "Compute"}</button>`;
  const state = of.data || of.error ? of : { data: { symbols: [], costs: [] } };
  return html`<${Panel} title="Result of this run, explained" id="explained" of=${state} aside=${aside} isEmpty=${(data) => !data.symbols.length} empty=${of.data ? "It has traded nothing." : "Prices, fees, funding and slippage, computed from the whole run so far."}>${(data) => html`
    <${Table} label="Result by symbol" columns=${columns} rows=${data.symbols} keyOf=${(row) => `${row.symbol} ${row.currency}`} />
    <${Table} label="Slippage" columns=${causes} rows=${data.costs.filter((row) => ["spread", "impact", "delay"].includes(row.cause))} keyOf=${(row) => row.cause} />
    ${data.unpriced > 0 && html`<p class="note">${data.unpriced} orders filled where the tapes have no market.</p>`}`}<//>`;
}

const HOPS = { received_to_decided: "market received to decided", decided_to_out: "decided to sent", out_to_acknowledged: "sent to acknowledged" };

function Latency({ robot, of }) {
  const rows = Object.entries(robot.latency).flatMap(([account, hops]) => Object.entries(hops ?? {}).filter(([, each]) => each.count).map(([name, each]) => ({ account, name, each })));
  const us = (value) => (value == null ? "–" : value < 1000 ? `${number(value, 0)} µs` : `${number(value / 1000, 1)} ms`);
  const columns = [
    ...(robot.accounts.length > 1 ? [{ head: "account", cell: (row) => row.account }] : []),
    { head: "hop", cell: (row) => HOPS[row.name] },
    { head: "orders", right: true, cell: (row) => row.each.count },
    ...["p50", "p99", "max"].map((part) => ({ head: part, right: true, cell: (row) => us(row.each[`${part}_us`]) })),
  ];
  return html`<${Panel} title="Latency of its orders, by hop" id="latency" of=${{ ...of, data: rows }} empty="No order was sent yet.">${() => html`<${Table} label="Latency" columns=${columns} rows=${rows} keyOf=${(row) => `${row.account} ${row.name}`} />`}<//>`;
}
