// Runs and sweeps: list, compare, their reports inside; a backtest or a sweep of parameters, started here and watched.
// #backtests/name, #backtests/name,name, #backtests/sweep:name
import { html, useEffect, useState } from "../third_party/preact.js";
import { now, read, useTopic } from "../connection.js";
import { Amount, Panel, Table, Time, doIt, duration, number, percent } from "../parts.js";
import { Curve } from "./portfolio.js";
import { StrategyField, field, typed, useDeclared, wrong } from "./robots.js";
import { SweepMap } from "./sweep.js";

const COMPARED_MAX = 6;
const idOf = (row) => (row.is_sweep ? `sweep:${row.name}` : row.name);
const linkOf = (row) => `#backtests/${encodeURIComponent(idOf(row))}`;

export function Backtests({ words, hello }) {
  const runs = useTopic("runs");
  const chosen = (words[0] ?? "").split(",").filter((each) => runs.data?.some((row) => idOf(row) === each));
  const one = chosen.length === 1 ? runs.data?.find((each) => idOf(each) === chosen[0]) : undefined;
  const choose = (names) => {
    location.hash = names.length ? `backtests/${names.map(encodeURIComponent).join(",")}` : "backtests";
  };
  const report = one && `report/${one.is_sweep ? "sweeps" : "runs"}/${encodeURIComponent(one.name)}?ticket=${hello?.ticket}`;
  const alone = one?.has_report && html`<a href=${report} target="_blank" rel="noreferrer">report alone</a>`;
  return html`<h1 class="unseen">Backtests</h1>
    <div class="grid">
      ${!hello?.read_only && html`<${Start} />`}
      <${Trials} mayAct=${!hello?.read_only} />
      <${List} of=${runs} chosen=${chosen} choose=${choose} />
      ${one?.is_sweep && html`<${SweepMap} key=${one.name} name=${one.name} aside=${alone} />`}
      ${one?.has_report && (!one.is_sweep || one.is_walk) && html`<section class="panel wide" id="report" aria-label="Report"><header><h2>Report of ${one.name}</h2><span class="aside">${alone}${!one.is_sweep && html` · <a href="#time/${encodeURIComponent(one.name)}">through time</a>`}</span></header>
        <iframe title="Report of ${one.name}" sandbox="allow-scripts allow-downloads" src=${report}></iframe></section>`}
      ${(chosen.length > 1 || (one && !one.has_report && !one.is_sweep)) && html`<${Compared} names=${chosen} rows=${runs.data} />`}
    </div>`;
}

function List({ of, chosen, choose }) {
  const [text, setText] = useState("");
  const toggled = (name) => choose(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name].slice(-COMPARED_MAX));
  const state = { ...of, data: of.data?.filter((each) => `${each.name} ${each.strategy} ${each.kind}`.toLowerCase().includes(text.toLowerCase())) };
  const columns = [
    { head: "", cell: (row) => !row.is_sweep && html`<input type="checkbox" aria-label="Compare ${row.name}" checked=${chosen.includes(row.name)} onChange=${() => toggled(row.name)} />` },
    { head: "run", cell: (row) => html`<a href=${linkOf(row)}>${row.name}</a>` },
    { head: "kind", cell: (row) => (row.goes_on ? html`${row.kind} <span class="unit">running</span>` : row.kind) },
    { head: "strategy", cell: (row) => row.strategy ?? row.why ?? "–" },
    { head: "parameters", cell: (row) => html`<span class="short">${Object.entries(row.params ?? {}).map(([name, value]) => `${name} ${value}`).join(", ")}</span>` },
    { head: "profit, after fees", metric: "pnl", right: true, cell: (row) => html`<${Amount} value=${row.pnl} currency=${row.currency} signs />` },
    { head: "return", right: true, cell: (row) => percent(row.stats?.return) },
    { head: "drawdown", metric: "max_drawdown", right: true, cell: (row) => percent(row.max_drawdown) },
    { head: "Sharpe", right: true, cell: (row) => number(row.stats?.annual_sharpe) },
    { head: "fills", right: true, cell: (row) => row.fills ?? "–" },
    { head: "changed", right: true, cell: (row) => html`<${Time} ms=${row.made} />` },
  ];
  const aside = html`<input type="search" aria-label="Find a run" placeholder="find" value=${text} onInput=${(event) => setText(event.target.value)} />`;
  return html`<${Panel} title="Runs and sweeps" id="runs" wide of=${state} aside=${aside} empty=${text ? "No run matches." : "No run yet."}>${(rows) => html`<${Table} label="Runs" columns=${columns} rows=${rows} keyOf=${(row) => `${row.kind} ${row.name}`} rowClass=${(row) => (chosen.includes(idOf(row)) ? "chosen" : "")} />`}<//>`;
}

function Compared({ names, rows }) {
  const [lines, setLines] = useState({});
  useEffect(() => {
    for (const name of names) if (!lines[name]) read(`run|${name}`).then((data) => setLines((old) => ({ ...old, [name]: data })), (error) => setLines((old) => ({ ...old, [name]: { equity: [], error: error.message } })));
  }, [names.join()]);
  const shown = names.map((name, index) => ({ ...rows.find((each) => each.name === name), index }));
  const curves = names.filter((name) => lines[name]?.equity.length).map((name) => ({ name, points: lines[name].equity }));
  const columns = [
    { head: "run", cell: (row) => html`<span class="key line-${row.index % 6}"></span>${row.name}` },
    { head: "profit, after fees", metric: "pnl", right: true, cell: (row) => html`<${Amount} value=${row.pnl} currency=${row.currency} signs />` },
    { head: "fees", metric: "fees", right: true, cell: (row) => html`<${Amount} value=${row.fees} currency=${row.currency} />` },
    { head: "return", right: true, cell: (row) => percent(row.stats?.return) },
    { head: "market", right: true, cell: (row) => percent(row.stats?.benchmark_return) },
    { head: "drawdown", metric: "max_drawdown", right: true, cell: (row) => percent(row.max_drawdown) },
    { head: "round trips won", right: true, cell: (row) => percent(row.stats?.win_rate, 0) },
    { head: "orders", right: true, cell: (row) => row.orders ?? "–" },
    { head: "fills", right: true, cell: (row) => row.fills ?? "–" },
  ];
  return html`<section class="panel wide" id="compared" aria-label="Compared"><header><h2>${names.length > 1 ? "Side by side" : names[0]}: equity, change since its beginning</h2></header>
    ${names.filter((name) => lines[name]?.error).map((name) => html`<p key=${name} class="note error" role="alert">${name}: ${lines[name].error}</p>`)}
    ${curves.length > 0 && html`<${Curve} rows=${curves} />`}
    ${names.some((name) => !lines[name]) && html`<p class="note loading">reads ...</p>`}
    <${Table} label="Compared runs" columns=${columns} rows=${shown} keyOf=${(row) => row.name} /></section>`;
}

function Start() {
  const files = useTopic("trial_files");
  const [open, setOpen] = useState(false);
  const [sweeps, setSweeps] = useState(false);
  const [strategy, setStrategy] = useState("");
  const [tapes, setTapes] = useState(/** @type {string[]} */ ([]));
  const [values, setValues] = useState(/** @type {Record<string, any>} */ ({}));
  const [others, setOthers] = useState({ cash: "100000 USDT", metric: "", run: "" });
  const facts = useDeclared(strategy);
  const declared = facts.data ?? {};
  const changed = Object.entries(values).filter(([name, value]) => name in declared && String(value) !== (sweeps ? "" : String(declared[name].value)));
  const faults = sweeps ? [] : changed.map(([name, value]) => wrong(name, value, declared[name])).filter(Boolean);
  const turn = (to) => {
    setSweeps(to);
    setValues({});
  };
  const start = async (event) => {
    event.preventDefault();
    const params = Object.fromEntries(changed.map(([name, value]) => [name, sweeps ? value : typed(value, declared[name])]));
    const { cash, metric, run } = others;
    if (await doIt(sweeps ? "Sweep" : "Backtest", sweeps ? "sweep" : "backtest", "", { strategy, tapes, params, cash, ...(sweeps && metric ? { metric } : {}), ...(run ? { run } : {}) })) setOthers({ ...others, run: "" });
  };
  const none = files.data && (!files.data.strategies.length || !files.data.tapes.length);
  const other = (label, name, placeholder = "") => html`<label>${label}<input value=${others[name]} placeholder=${placeholder} onInput=${(event) => setOthers({ ...others, [name]: event.target.value })} /></label>`;
  const setOf = (name) => (value) => setValues({ ...values, [name]: value });
  return html`<${Panel} title="Start a backtest or a sweep" id="start" of=${{ ...files, at: undefined }} aside=${html`<button class="plain" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? "Close" : "Open"}</button>`} wide isEmpty=${() => none} empty="It takes a strategy (.py) and a tape below the folder of onetape.toml: onetape sample or import makes a tape.">${(found) => !open ? html`<p class="note">${found.strategies.length} strategies, ${found.tapes.length} tapes in the folder.</p>` : html`<form class="form" onSubmit=${start}>
      <label>What<select value=${sweeps ? "sweep" : "backtest"} onChange=${(event) => turn(event.target.value === "sweep")}><option value="backtest">a backtest</option><option value="sweep">a sweep of values</option></select></label>
      <${StrategyField} chosen=${strategy} files=${found.strategies} choose=${(file) => { setStrategy(file); setValues({}); }} />
      <fieldset><legend>Market</legend>${found.tapes.map((each) => html`<label class="check" key=${each}><input type="checkbox" checked=${tapes.includes(each)} onChange=${(event) => setTapes(event.target.checked ? [...tapes, each] : tapes.filter((tape) => tape !== each))} />${each}</label>`)}</fieldset>
      ${other("Cash", "cash")}${other("Name of the run", "run", "by date")}${sweeps && other("Ranked by", "metric", "sharpe; below a day: return")}
      ${facts.error && html`<p class="note error" role="alert">${facts.error}</p>`}
      ${strategy && !facts.data && !facts.error && html`<p class="note loading">loading its parameters ...</p>`}
      ${sweeps && facts.data && html`<p class="note">Values of each parameter: <code>5,10,20</code>, <code>5:50:5</code> (from, to, step) or <code>2..9</code>. Empty ones keep their value.</p>`}
      ${Object.entries(declared).map(([name, each]) => html`<label key=${`${sweeps} ${name}`} title=${each.help}>${name}${sweeps ? html`<input id=${`p-${name}`} class="num" autocomplete="off" spellcheck="false" placeholder=${String(each.value ?? "")} value=${values[name] ?? ""} onInput=${(event) => setOf(name)(event.target.value)} />` : field(name, each, values[name] ?? each.value ?? "", false, setOf(name))}</label>`)}
      ${faults.map((each) => html`<p class="note error" key=${each}>${each}</p>`)}
      <p class="buttons"><button class="main" disabled=${!strategy || !tapes.length || faults.length > 0 || (!facts.data && !facts.error) || (sweeps && !changed.length)}>Start</button></p>
    </form>`}<//>`;
}

function Trials({ mayAct }) {
  const of = useTopic("trials");
  if (!of.data?.length) return null;
  const columns = [
    { head: "run", cell: (row) => (!row.is_sweep && (row.is_running || row.error) ? row.name : html`<a href=${linkOf(row)}>${row.name}</a>`) },
    { head: "kind", cell: (row) => (row.is_sweep ? "sweep" : "backtest") },
    { head: "strategy", cell: (row) => row.strategy },
    { head: "state", cell: (row) => (row.is_running ? html`<span class="loading">${row.error ? "ends" : "runs"}, ${duration(now() - row.began)}</span>` : row.error ? html`<span class="warn">not done</span>` : "done") },
    { head: "output", cell: (row) => html`<span class="wrap">${row.error || (row.is_running ? row.text : "")}</span>` },
    { head: "", right: true, cell: (row) => (row.is_running && mayAct ? html`<button class="plain" onClick=${() => doIt(`End ${row.name}`, "end_backtest", "", { run: row.name })}>End</button>` : "") },
  ];
  return html`<${Panel} title="Started here" id="trials" wide of=${of}>${(rows) => html`<${Table} label="Started here" columns=${columns} rows=${rows} keyOf=${(row) => `${row.name} ${row.began}`} />`}<//>`;
}
