// Robots: state, parameters as they describe themselves, change with preview and undo, start, stop; latency; why an order
// was not placed. #robots/name
import { html, useState } from "../third_party/preact.js";
import { useEvents, useTopic } from "../connection.js";
import { Amount, Confirm, Panel, Table, Time, doIt, number } from "../parts.js";

export function Robots({ words, hello }) {
  const of = useTopic("robots");
  const chosen = of.data?.find((each) => each.name === words[0]) ?? of.data?.[0];
  const mayAct = !hello?.read_only;
  return html`<h1 class="unseen">Robots</h1>
    <div class="grid">
      <${List} of=${of} chosen=${chosen} />
      ${chosen && html`<div class="stack"><${State} key=${`state ${chosen.name}`} robot=${chosen} of=${of} mayAct=${mayAct} /><${Latency} robot=${chosen} of=${of} /><${Refusals} robot=${chosen} /></div><div class="stack"><${Parameters} key=${chosen.name} robot=${chosen} of=${of} mayAct=${mayAct} /></div>`}
    </div>`;
}

const STATES = { started: "started", stopped: "stopped", halted: "halted" };
const stateOf = (row) => (row.state === "running" ? (STATES[row.status] ?? "silent") : row.state);
const held = (row) => Object.entries(row.symbols ?? {}).filter(([, each]) => each.position).map(([name, each]) => `${each.position} ${name}`).join(", ") || "–";

function List({ of, chosen }) {
  const columns = [
    { head: "robot", cell: (row) => html`<a href="#robots/${encodeURIComponent(row.name)}" aria-current=${row === chosen ? "true" : null}>${row.name}</a>` },
    { head: "state", cell: (row) => html`<span class="state ${row.state === "running" ? (row.status ?? "") : "bad"}">${stateOf(row)}</span>` },
    { head: "strategy", cell: (row) => row.type ?? row.file },
    { head: "account", cell: (row) => `${row.account}${row.subaccount ? ` / ${row.subaccount}` : ""}` },
    { head: "made, after fees", right: true, cell: (row) => html`<${Amount} value=${row.profit} signs decimals=${2} />` },
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
  const aside = mayAct && html`${runs ? html`<button onClick=${() => setOpen(true)}>Stop ...</button>` : html`<button class="main" disabled=${robot.status !== "stopped"} onClick=${() => doIt(`Start ${robot.name}`, "robot_start", robot.name)}>Start</button>`}`;
  const stop = async (yes) => {
    setOpen(false);
    if (yes) await doIt(`Stop ${robot.name}`, "robot_stop", robot.name);
  };
  return html`<${Panel} title=${robot.name} id="robot" of=${{ ...of, data: robot }} aside=${aside}>${() => html`<dl class="facts">
      <dt>state</dt><dd><span class="state ${robot.state === "running" ? (robot.status ?? "") : "bad"}">${stateOf(robot)}</span></dd>
      ${robot.reason && html`<dt>why</dt><dd class="warn">${robot.reason}</dd>`}
      <dt>strategy</dt><dd>${robot.file}</dd>
      <dt>run</dt><dd>${robot.run || "–"}</dd>
      <dt>made in this run, after fees</dt><dd><${Amount} value=${robot.profit} signs decimals=${2} /></dd>
      ${Object.entries(robot.symbols ?? {}).map(([name, each]) => html`<dt>${name}</dt><dd>${each.position ?? 0} at ${each.bid ?? "–"} / ${each.ask ?? "–"}</dd>`)}
      <dt>process</dt><dd>${number(robot.cpu_percent, 1)} % of a core, ${number((robot.memory_bytes ?? 0) / 2 ** 20, 0)} MiB</dd>
    </dl>
    ${isOpen && html`<${Confirm} title="Stop ${robot.name}" confirm="Stop it" danger onDone=${stop} text=${html`<p>Its working orders are canceled and it trades no more until it is started. What it holds stays, protected by stops.</p>`} />`}`}<//>`;
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
  return html`<${Panel} title="Parameters" id="parameters" of=${{ ...of, data: params ?? [] }} isEmpty=${(data) => !Object.keys(data).length} empty="It has none, or does not answer." aside=${aside}>${() => html`
    ${bad && html`<p class="note error" role="alert">${bad}</p>`}
    <${Table} label="Parameters of ${robot.name}" columns=${columns} rows=${Object.entries(params)} keyOf=${([name]) => name} />
    ${isOpen && html`<${Confirm} title="Change ${robot.name}" confirm="Change" onDone=${apply} text=${html`<table><tbody>${wanted.map(([name, value]) => html`<tr key=${name}><td>${name}</td><td class="right">${String(params[name].value)}</td><td>→</td><td class="right"><b>${String(value)}</b></td></tr>`)}</tbody></table><p>In force from the next event on, and after a restart.</p>`} />`}`}<//>`;
}

export function field(name, each, value, locked, change) {
  const id = `p-${name}`;
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

function Refusals({ robot }) {
  const events = useEvents();
  const rows = events.filter((each) => each.kind === "order" && each.robot === robot.name && ["DENIED", "REJECTED"].includes(each.state)).slice(-40).reverse();
  const columns = [
    { head: "time", cell: (row) => html`<${Time} ms=${row.at} />` },
    { head: "order", cell: (row) => html`<span class=${row.side === "buy" ? "bid" : "ask"}>${row.side}</span> ${row.qty} at ${row.price ?? "market"}` },
    { head: "state", cell: (row) => row.state.toLowerCase() },
    { head: "code", right: true, cell: (row) => row.code || "–" },
    { head: "why", cell: (row) => html`<span class="words">${row.reason || "–"}</span>` },
  ];
  return html`<${Panel} title="Why no order" id="refusals" of=${{ data: rows }} empty="None of its late orders was denied or rejected.">${() => html`<${Table} label="Refused orders" columns=${columns} rows=${rows} keyOf=${(row) => row.sequence} />`}<//>`;
}

const HOPS = { received_to_decided: "market received to decided", decided_to_out: "decided to sent", out_to_acknowledged: "sent to acknowledged" };

function Latency({ robot, of }) {
  const rows = Object.entries(robot.latency ?? {}).filter(([name]) => HOPS[name]);
  const us = (value) => (value == null ? "–" : value < 1000 ? `${number(value, 0)} µs` : `${number(value / 1000, 1)} ms`);
  const columns = [
    { head: "hop", cell: ([name]) => HOPS[name] },
    { head: "orders", right: true, cell: ([, each]) => each.count },
    ...["p50", "p99", "max"].map((part) => ({ head: part, right: true, cell: ([, each]) => us(each[`${part}_us`]) })),
  ];
  return html`<${Panel} title="Latency of ${robot.account}'s orders, by hop" id="latency" of=${{ ...of, data: rows }} empty="No order has left yet.">${() => html`<${Table} label="Latency" columns=${columns} rows=${rows} keyOf=${([name]) => name} />`}<//>`;
}
