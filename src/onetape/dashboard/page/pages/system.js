// Processes, feeds, disk, logs, versions.
import { html, useState } from "../third_party/preact.js";
import { now, useTopic } from "../connection.js";
import { Panel, Table, Time, duration, number } from "../parts.js";

const MIB = 2 ** 20;
const bytes = (value) => (value == null ? "–" : value < 2 ** 30 ? `${number(value / MIB, value < 10 * MIB ? 1 : 0)} MiB` : `${number(value / 2 ** 30, 1)} GiB`);

export function System() {
  const of = useTopic("system");
  const part = (name) => ({ ...of, data: of.data?.[name] });
  return html`<h1 class="unseen">System</h1>
    <div class="grid">
      <${Processes} of=${part("processes")} />
      <${Feeds} of=${of} />
      <${Disk} of=${of} />
      <${Logs} names=${(of.data?.processes ?? []).map((each) => each.name)} />
    </div>`;
}

function Processes({ of }) {
  const columns = [
    { head: "process", cell: (row) => html`<span class="state ${row.state === "running" && !row.reason ? "ok" : row.state === "running" ? "stopped" : "bad"}">${row.name}</span>` },
    { head: "state", cell: (row) => row.state },
    { head: "heartbeat", right: true, cell: (row) => duration(row.heartbeat_age_ms) },
    { head: "progress", right: true, cell: (row) => duration(row.progress_age_ms) },
    { head: "frames behind", right: true, cell: (row) => row.lag ?? "–" },
    { head: "CPU", right: true, cell: (row) => (row.cpu_percent == null ? "–" : `${number(row.cpu_percent, 0)} %`) },
    { head: "memory", right: true, cell: (row) => bytes(row.memory_bytes) },
    { head: "restarts", right: true, cell: (row) => row.restarts },
    { head: "why", cell: (row) => html`<span class="warn words">${row.reason}</span>` },
  ];
  return html`<${Panel} title="Processes" id="processes" wide of=${of} empty="No supervisor answers: onetape up.">${(rows) => html`<${Table} label="Processes" columns=${columns} rows=${rows} keyOf=${(row) => row.name} />`}<//>`;
}

const WELL = { healthy: "ok", degraded: "stopped", failing: "bad" };

function Feeds({ of }) {
  const columns = [
    { head: "feed", cell: (row) => html`<span class="state ${WELL[row.status]}">${row.feedId}</span>` },
    { head: "state", cell: (row) => row.status },
    { head: "latency", right: true, cell: (row) => (row.latency == null ? "–" : `${number(row.latency, 1)} ms`) },
    { head: "age", right: true, cell: (row) => (row.lastUpdate ? duration(now() - row.lastUpdate) : "–") },
    { head: "errors", right: true, cell: (row) => row.errorCount },
  ];
  return html`<${Panel} title="Feeds" id="feeds" of=${{ ...of, data: of.data?.feeds }} empty=${of.data?.feeds_why || "No feed."}>${(rows) => html`<${Table} label="Feeds" columns=${columns} rows=${rows} keyOf=${(row) => row.feedId} />`}<//>`;
}

function Disk({ of }) {
  const columns = [
    { head: "journal", cell: (row) => row.name },
    { head: "size", right: true, cell: (row) => bytes(row.bytes) },
    { head: "growth per hour", right: true, cell: (row) => (row.per_hour == null ? "–" : bytes(row.per_hour)) },
  ];
  return html`<${Panel} title="Disk" id="disk" of=${of}>${(data) => html`<dl class="facts"><dt>free</dt><dd>${bytes(data.disk.free)} of ${bytes(data.disk.total)}</dd><dt>days left at this pace</dt><dd>${data.disk.days_left == null ? "not measured yet" : number(data.disk.days_left, data.disk.days_left < 10 ? 1 : 0)}</dd><dt>home</dt><dd>${data.home}</dd><dt>runs since</dt><dd><${Time} ms=${data.since} day /></dd><dt>version</dt><dd>onetape ${data.version}</dd></dl>
    <${Table} label="Journals" columns=${columns} rows=${data.journals} keyOf=${(row) => row.name} />
    ${data.notes.map((note) => html`<p class="note warn">${note}</p>`)}`}<//>`;
}

function Logs({ names }) {
  const [name, setName] = useState("");
  const of = useTopic(name ? `logs|${name}` : "logs");
  const columns = [
    { head: "time", cell: (row) => html`<${Time} ms=${Date.parse(row.time)} />` },
    { head: "level", cell: (row) => html`<span class=${row.level === "error" ? "act" : row.level === "warning" ? "warn" : "unit"}>${row.level}</span>` },
    { head: "process", cell: (row) => row.process },
    { head: "text", cell: (row) => html`<span class="words num">${row.text}</span>` },
  ];
  const aside = html`<select aria-label="Process" value=${name} onChange=${(event) => setName(event.target.value)}><option value="">all processes</option>${names.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select>`;
  return html`<${Panel} title="Logs" id="logs" wide of=${of} empty="No recent lines." aside=${aside}>${(rows) => html`<${Table} label="Logs" columns=${columns} rows=${rows.map((row, index) => ({ ...row, index }))} keyOf=${(row) => `${row.time} ${row.index}`} />`}<//>`;
}
