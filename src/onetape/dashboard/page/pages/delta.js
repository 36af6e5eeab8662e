// Offsetting positions: pairs, deltas, funding, cost; a plan before anything is traded; automatic mode.
import { html, useEffect, useState } from "../third_party/preact.js";
import { now, useTopic } from "../connection.js";
import { Amount, Confirm, Meter, Panel, Table, Term, Time, doIt, duration, number, percent, tone } from "../parts.js";

const MAX_DEVIATION = 0.1; // as the command line has it

export function Delta({ hello }) {
  const of = useTopic(hello && !hello.control ? null : "delta");
  if (hello && !hello.control) return html`<h1 class="unseen">Delta-neutral</h1><${Panel} title="Delta-neutral" wide of=${{ data: [] }} empty="There is no control plane: write [control] in onetape.toml, and [symbols] for symbols that are the same at several venues; then onetape up.">${() => null}<//>`;
  const mayAct = hello && !hello.read_only;
  return html`<h1 class="unseen">Delta-neutral</h1>
    <div class="grid">
      <${Pairs} of=${{ ...of, data: of.data?.symbols }} />
      <${Plan} of=${of} mayAct=${mayAct} />
      <${Automatic} of=${of} mayAct=${mayAct} />
    </div>`;
}

function Pairs({ of }) {
  const columns = [
    { head: "account", cell: (row) => row.accountId },
    { head: "instrument", cell: (row) => row.symbol },
    { head: "delta", right: true, cell: (row) => html`<span class=${tone(row.delta)}>${number(row.delta, 6, 0)}</span>` },
    { head: "mark", right: true, cell: (row) => number(row.mark, 2) },
    { head: "margin in use", right: true, cell: (row) => html`<${Meter} share=${row.utilization} label="margin in use of ${row.accountId}" /> ${percent(row.utilization, 1)}` },
    { head: "funding", metric: "funding_rate", right: true, cell: (row) => (row.fundingRate == null ? "–" : `${number(100 * row.fundingRate, 4)} %`) },
    { head: "next payment", right: true, cell: (row) => (row.fundingAt ? duration(row.fundingAt - now()) : "–") },
    { head: "may trade", cell: (row) => (row.refusal ? html`<span class="warn">${row.refusal}</span>` : html`<span class="state ok">yes</span>`) },
  ];
  return html`<${Panel} title="Net delta" id="pairs" wide of=${of} empty="Nothing in [symbols] is traded by any account.">${(rows) => rows.map((row) => html`<div key=${row.symbol} class="pair"><h3>${row.symbol} <span class="num ${tone(row.netDelta)}">net ${number(row.netDelta, 6, 0)}</span>${row.automatic && html`<span class="badge">automatic</span>`}</h3><${Table} label=${row.symbol} columns=${columns} rows=${row.legs} keyOf=${(leg) => `${leg.accountId} ${leg.symbol}`} /></div>`)}<//>`;
}

function Plan({ of, mayAct }) {
  const [symbol, setSymbol] = useState("");
  const [target, setTarget] = useState("0");
  const [reply, setReply] = useState(/** @type {Record<string, any> | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [isOpen, setOpen] = useState(false);
  const symbols = of.data?.symbols ?? [];
  const chosen = symbols.find((each) => each.symbol === symbol) ?? symbols[0];
  useEffect(() => {
    if (!symbol && symbols.length) setSymbol(symbols[0].symbol); // the list may come in another order
  }, [symbol, symbols.length]);
  // The request stays with its reply, so that the plan that was shown is traded.
  const call = async (request) => {
    setBusy(true);
    setReply(null);
    const found = await doIt(request.dryRun ? `Plan ${request.symbol}` : `Bring ${request.symbol} to ${request.targetDelta}`, "delta_control", "", request);
    setBusy(false);
    setReply(found ? { ...found, request } : null);
  };
  const dryRun = () => call({ symbol: chosen.symbol, targetDelta: Number(target), accounts: chosen.legs.map((leg) => leg.accountId), maxDeviation: MAX_DEVIATION, dryRun: true });
  const done = (yes) => {
    setOpen(false);
    if (yes && reply) call({ ...reply.request, dryRun: false });
  };
  const columns = [
    { head: "account", cell: (leg) => leg.accountId },
    { head: "side", cell: (leg) => html`<span class=${leg.side === "buy" ? "bid" : "ask"}>${leg.side}</span>` },
    { head: "amount", right: true, cell: (leg) => number(leg.amount, 6, 0) },
    { head: "worst price", right: true, cell: (leg) => number(leg.limit, 2) },
    { head: "fee", right: true, cell: (leg) => number(leg.cost.fee, 4) },
    { head: "spread + impact", right: true, cell: (leg) => number(leg.cost.spread + leg.cost.impact, 4) },
    { head: "", cell: (leg) => (leg.reduces ? "reduces" : "opens") },
  ];
  const plan = reply?.plan;
  return html`<${Panel} title="Bring a net delta to a target" id="plan" of=${{ ...of, data: of.data?.symbols }} empty="No symbol.">${() => html`<form class="form" onSubmit=${(event) => { event.preventDefault(); dryRun(); }}>
      <label>symbol<select disabled=${busy} value=${chosen.symbol} onChange=${(event) => { setSymbol(event.target.value); setReply(null); }}>${symbols.map((each) => html`<option key=${each.symbol} value=${each.symbol} selected=${each === chosen}>${each.symbol}</option>`)}</select></label>
      <label>target delta<input class="num" inputmode="decimal" disabled=${busy} value=${target} onInput=${(event) => { setTarget(event.target.value); setReply(null); }} /></label>
      <button type="submit" disabled=${!mayAct || busy || Number.isNaN(Number(target)) || target === ""}>Dry run</button>
    </form>
    ${plan && html`<p class="note">${plan.legs.length ? html`From ${number(reply.initialDelta, 6, 0)} to ${number(plan.expectedDelta, 6, 0)}, expected cost <${Amount} value=${plan.expectedCost} decimals=${4} />, fees included${plan.parallel ? ", legs at the same time" : ""}.` : (reply.reason ?? "Nothing to do.")}</p>
      ${plan.blocked.map((each) => html`<p class="note error">${each.account}: ${each.error}</p>`)}
      ${plan.legs.length > 0 && html`<${Table} label="Plan" columns=${columns} rows=${plan.legs} keyOf=${(leg) => `${leg.accountId} ${leg.symbol}`} /><p class="buttons inset"><button class="danger" disabled=${busy || plan.blocked.length > 0} onClick=${() => setOpen(true)}>Trade it ...</button></p>`}`}
    ${reply && !plan && html`<p class="note">${reply.success ? `Done: net delta ${number(reply.finalDelta, 6, 0)} (operation ${reply.operationId}).` : (reply.error ?? reply.reason)}</p>`}
    ${isOpen && html`<${Confirm} title="Trade the plan" typed="trade" danger confirm="Trade" onDone=${done} text=${html`<p>${plan.legs.map((leg) => html`<span class="leg" key=${leg.accountId}>${leg.side} ${number(leg.amount, 6, 0)} at ${leg.accountId}</span>`)}It is planned anew from the prices of then.</p>`} />`}`}<//>`;
}

function Automatic({ of, mayAct }) {
  const [question, setQuestion] = useState(/** @type {Record<string, any> | null} */ (null));
  const pairs = of.data?.pairs ?? [];
  const symbols = (of.data?.symbols ?? []).filter((each) => !pairs.some((pair) => pair.settings.enabled && pair.settings.symbol === each.symbol));
  // A request replaces all of the previous one: a setting that is not in it would be lost.
  const inForce = (symbol) => pairs.find((pair) => pair.settings.symbol === symbol)?.settings ?? { symbol, target: 0, band: 0.01 };
  const done = async (yes) => {
    setQuestion(null);
    if (yes && question) await doIt(`${question.enabled ? "Hold" : "No longer hold"} ${question.symbol}`, "delta_auto", "", question);
  };
  return html`<${Panel} title="Automatic mode" id="automatic" of=${of}>${() => html`${!pairs.length && html`<p class="note">Automatic mode holds no pair.</p>`}
    ${pairs.map((pair) => html`<div class="pair" key=${pair.settings.symbol}><h3>${pair.settings.symbol} <span class="state ${pair.stopped ? "bad" : pair.settings.enabled ? "ok" : ""}">${pair.stopped ?? (pair.settings.enabled ? "on" : "off")}</span>${mayAct && pair.settings.enabled && html`<button class="aside" onClick=${() => setQuestion({ ...pair.settings, enabled: false })}>Turn off ...</button>`}</h3>
      <dl class="facts"><dt>target, band</dt><dd>${number(pair.settings.target, 6, 0)} ± ${number(pair.settings.band, 6, 0)}</dd><${Term} metric="costs_today">cost today, fees included<//><dd><${Amount} value=${pair.costToday} decimals=${4} />${pair.settings.maxCost != null && ` of ${pair.settings.maxCost}`}</dd></dl>
      <ul class="red">${pair.decisions.slice(0, 5).map((each) => html`<li key=${`${each.timestamp} ${each.action} ${each.reason}`}><b>${each.action}</b><span>${each.reason}${each.count > 1 ? ` (${each.count} times)` : ""}</span><${Time} ms=${each.timestamp} /></li>`)}</ul></div>`)}
    ${mayAct && symbols.length > 0 && html`<p class="buttons inset">${symbols.map((each) => html`<button key=${each.symbol} onClick=${() => setQuestion({ ...inForce(each.symbol), enabled: true })}>Hold ${each.symbol} ...</button>`)}</p>`}
    ${question && html`<${Confirm} title=${`${question.enabled ? "Hold" : "No longer hold"} ${question.symbol}`} typed=${question.enabled ? "hold" : undefined} confirm=${question.enabled ? "Hold" : "Turn off"} onDone=${done} text=${html`<p>${question.enabled ? `From now on the net delta is brought back to ${question.target} whenever it leaves the band of ${question.band}${question.maxCost != null ? `, for at most ${question.maxCost} a day` : ""}. onetape delta auto has all settings.` : "Positions stay as they are."}</p>`} />`}`}<//>`;
}
