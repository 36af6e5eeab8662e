// Protection: kill switches, stops of each position and whether the venue has them, halts with their countdown, alerts.
import { html, useEffect, useState } from "../third_party/preact.js";
import { now, useTopic } from "../connection.js";
import { Confirm, Panel, Table, Time, doIt, duration } from "../parts.js";

export function Guardian({ hello }) {
  const of = useTopic("guardian");
  const part = (name) => ({ ...of, data: of.data?.[name] });
  const mayAct = !hello?.read_only;
  return html`<h1 class="unseen">Guardian</h1>
    <div class="grid">
      <${Kill} of=${part("gateways")} mayAct=${mayAct} />
      <${Halts} of=${part("halts")} mayAct=${mayAct} />
      <${Stops} of=${{ ...of, data: of.data && (of.data.stops ?? "") }} />
      <${Alerts} of=${part("alerts")} mayAct=${mayAct} />
      <${Past} of=${part("past")} />
    </div>`;
}

function Kill({ of, mayAct }) {
  const [question, setQuestion] = useState(/** @type {Record<string, any> | null} */ (null));
  const columns = [
    { head: "account", cell: (row) => row.account },
    { head: "trades", cell: (row) => (!row.answers ? html`<span class="state bad">gateway does not answer</span>` : row.killed ? html`<span class="state bad">stopped: ${row.killed}</span>` : html`<span class="state ok">yes</span>`) },
    { head: "guardian watches", cell: (row) => (!row.answers ? "–" : !row.guarded ? "none is configured" : row.lease_until > now() ? html`<span class="state ok">yes</span>` : html`<span class="state bad">no: nothing new is opened</span>`) },
    ...(mayAct ? [{ head: "", right: true, cell: (row) => row.answers && (row.killed ? html`<button onClick=${() => setQuestion({ row, lift: true })}>Lift ...</button>` : html`<button class="danger" onClick=${() => setQuestion({ row })}>Kill switch ...</button>`) }] : []),
  ];
  const done = async (yes) => {
    setQuestion(null);
    if (!yes || !question) return;
    const { row, lift, all } = question;
    if (lift) await doIt(`Lift the kill switch of ${row.account}`, "unkill", row.account);
    else await Promise.all((all ?? [row]).map((each) => doIt(`Kill switch of ${each.account}`, "kill", each.account, { reason: "by the page" })));
  };
  const rows = of.data ?? [];
  const open = rows.filter((row) => row.answers && !row.killed);
  const aside = mayAct && rows.length > 1 && open.length > 0 && html`<button class="danger" onClick=${() => setQuestion({ all: open, row: { account: "all accounts" } })}>Kill all ...</button>`;
  return html`<${Panel} title="Kill switch" id="kill" of=${of} empty="No account is configured." aside=${aside}>${() => html`<${Table} label="Kill switches" columns=${columns} rows=${rows} keyOf=${(row) => row.account} />
    ${question && (question.lift
      ? html`<${Confirm} title="Lift the kill switch of ${question.row.account}" typed="lift" confirm="Lift" onDone=${done} text=${html`<p>Robots of ${question.row.account} may open positions from then on. It was stopped: ${question.row.killed}.</p>`} />`
      : html`<${Confirm} title="Kill switch of ${question.row.account}" typed="kill" danger confirm="Stop trading" onDone=${done} text=${html`<p>All its orders are canceled and nothing new is opened until it is lifted. Positions stay, and their stops stay.</p>`} />`)}`}<//>`;
}

function Halts({ of, mayAct }) {
  const [question, setQuestion] = useState(/** @type {Record<string, any> | null} */ (null));
  const [reason, setReason] = useState("");
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const columns = [
    { head: "of", cell: (row) => `${row.scope} ${row.subject}` },
    { head: "rule", cell: (row) => row.rule },
    { head: "lost", right: true, cell: (row) => (row.loss ? `${row.loss} of ${row.limit}` : "–") },
    { head: "since", cell: (row) => html`<${Time} ms=${row.since} />` },
    { head: "ends", right: true, cell: (row) => (row.until ? html`in ${duration(row.until - now())}` : "when it is lifted") },
    { head: "accounts", cell: (row) => row.accounts.join(", ") },
    ...(mayAct ? [{ head: "", right: true, cell: (row) => html`<button onClick=${() => { setReason(""); setQuestion(row); }}>Lift ...</button>` }] : []),
  ];
  const done = async (yes) => {
    const row = question;
    setQuestion(null);
    if (yes && row) await Promise.all(row.accounts.map((account) => doIt(`Lift ${row.scope} ${row.subject} at ${account}`, "lift", account, { id: row.id, reason: reason || "by the page" })));
  };
  return html`<${Panel} title="Halts and bans" id="halts" of=${of} empty="Nothing is halted: new positions may be opened.">${(rows) => html`<${Table} label="Halts" columns=${columns} rows=${rows} keyOf=${(row) => row.id} />
    ${question && html`<${Confirm} title="Lift ${question.scope} ${question.subject}" typed="lift" confirm="Lift" onDone=${done} text=${html`<p>It may open positions from then on; losses until now no longer count for ${question.rule}.</p><label>Reason (recorded on the tape)<input value=${reason} onInput=${(event) => setReason(event.target.value)} /></label>`} />`}`}<//>`;
}

function Stops({ of }) {
  return html`<${Panel} title="Stops of each position" id="stops" wide of=${of} isEmpty=${(data) => !data.length} empty=${of.data === "" ? "No guardian answers: write [guardian], or look at System." : "No contracts are held, and no stop works."}>${(rows) => html`<div class="ladders">${rows.map((row) => html`<article key=${`${row.account} ${row.symbol} ${row.side}`}>
      <h3>${row.symbol} <span class="unit">${row.account}${["net", "both"].includes(row.side) ? "" : ` · ${row.side}`}</span></h3>
      <p class="num">${row.qty} from ${row.entry_price ?? "–"} <span class="state ${row.protected >= 0.95 ? "ok" : "bad"}">${Math.round(100 * row.protected)} % protected</span></p>
      <p class="unit">${row.flattening ? "is being flattened" : row.local ? "its stops are not at the venue: the guardian watches the price itself" : row.verified_age_ms == null ? "the venue has not confirmed them yet" : `confirmed by the venue ${duration(row.verified_age_ms)} ago`}</p>
      <ol>${row.levels.map((level) => html`<li key=${level.venue_id || level.trigger}><span class="num">${level.trigger}</span><span class="unit">${level.distance ?? ""}</span><span class="num">${level.qty}</span><span class="unit">${level.state.toLowerCase()}</span></li>`)}</ol>
    </article>`)}</div>`}<//>`;
}

const severity = (row) => html`<b class=${row.severity === "CRITICAL" ? "act" : row.severity === "WARN" ? "warn" : ""}>${{ CRITICAL: "act", WARN: "look", INFO: "note" }[row.severity]}</b>`;

function Alerts({ of, mayAct }) {
  const columns = [
    { head: "", cell: severity },
    { head: "about", cell: (row) => row.subject },
    { head: "message", cell: (row) => html`<span class="words">${row.message}</span>` },
    { head: "since", cell: (row) => html`<${Time} ms=${row.since} />` },
    { head: "repeats", right: true, cell: (row) => row.data.more || "" },
    { head: "", right: true, cell: (row) => (row.acked ? html`<span class="unit">acknowledged by ${row.data.actor}</span>` : mayAct && html`<button onClick=${() => doIt(`Acknowledge ${row.subject}`, "ack", "", { id: row.id })}>Acknowledge</button>`) },
  ];
  return html`<${Panel} title="Open alerts" id="alerts" wide of=${of} empty="None.">${(rows) => html`<${Table} label="Open alerts" columns=${columns} rows=${rows} keyOf=${(row) => row.id} />`}<//>`;
}

function Past({ of }) {
  const columns = [
    { head: "", cell: severity },
    { head: "about", cell: (row) => row.subject },
    { head: "message", cell: (row) => html`<span class="words">${row.message}</span>` },
    { head: "since", cell: (row) => html`<${Time} ms=${row.since} />` },
    { head: "ended", cell: (row) => html`<${Time} ms=${row.cleared} />` },
  ];
  return html`<${Panel} title="Ended alerts" id="past" wide of=${of} empty="None yet.">${(rows) => html`<${Table} label="Ended alerts" columns=${columns} rows=${rows} keyOf=${(row) => row.id} />`}<//>`;
}
