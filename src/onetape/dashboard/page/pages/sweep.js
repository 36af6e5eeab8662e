// A sweep: one figure over two of its parameters as a heat map, also while it runs, and the best variants behind it.
import { html, useState } from "../third_party/preact.js";
import { useTopic } from "../connection.js";
import { Panel, Table, number, percent } from "../parts.js";

const SHADES = 4;

export function SweepMap({ name, aside }) {
  const [wanted, setWanted] = useState({ metric: "", x: "", y: "" });
  const of = useTopic(`sweep|${name}|${wanted.metric}|${wanted.x}|${wanted.y}`);
  const [last, setLast] = useState(null); // stays while another choice is read
  if (of.data && of.data !== last) setLast(of.data);
  const data = of.data ?? (of.error ? undefined : last ?? undefined);
  const chooser = (label, key, chosen, names) => html`<label>${label} <select value=${chosen} onChange=${(event) => setWanted({ ...wanted, [key]: event.target.value })}>${names.map(([each, shown]) => html`<option key=${each} value=${each} selected=${each === chosen}>${shown}</option>`)}</select></label>`;
  const parameters = data?.names.map((each) => [each, each]) ?? [];
  const choice = data && !data.is_walk && data.names.length > 0 && html`<p class="choice">${chooser("Figure", "metric", data.metric, data.metrics.map((each) => [each, titleOf(data, each)]))} ${chooser("across", "x", data.x, parameters)} ${chooser("down", "y", data.y, parameters)}</p>`;
  return html`<${Panel} title="Sweep ${name}" id="sweep" wide of=${{ ...of, data }} aside=${aside} stale=${15000}>${() => html`
    <p class="note">${number(data.done, 0)} of ${number(data.tries, 0)} variants${data.failed > 0 && html`, <span class="warn">${number(data.failed, 0)} failed</span>`}</p>
    ${data.verdict && html`<p class="note">${data.verdict}</p>`}
    ${choice}
    ${data.is_walk ? html`<p class="note">A walk-forward has no map: its report shows its windows.</p>` : data.cells.length ? html`<${Map} data=${data} />` : html`<p class="note">No variant has this figure yet.</p>`}
    ${data.rows.length > 0 && html`<${Best} data=${data} />`}`}<//>`;
}

const titleOf = (data, name) => data.titles[name]?.name ?? name;
const figure = (facts, value) => (["part", "gain_part"].includes(facts?.form) ? percent(value) : number(value, Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 1 : 4));

/** The class of a shade: the distance from zero if there are both signs, else the rank among all. */
function shade(value, least, most, lessIsBetter) {
  if (least < 0 && most > 0) return `${value < 0 ? "minus" : "plus"}-${Math.round((SHADES * Math.abs(value)) / Math.max(-least, most))}`;
  const part = most > least ? (value - least) / (most - least) : 1;
  return `rank-${Math.round(SHADES * (lessIsBetter ? 1 - part : part))}`;
}

function Map({ data }) {
  const at = new globalThis.Map(data.cells.map(([column, line, value, variant]) => [`${column} ${line}`, { value, variant }]));
  const values = data.cells.map(([, , value]) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const best = data.less_is_better ? least : most;
  const single = data.x === data.y;
  const others = data.names.filter((each) => each !== data.x && each !== data.y);
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Heat map"><table class="map">
    <caption>${titleOf(data, data.metric)}: ${single ? data.x : `${data.x} across, ${data.y} down`}${others.length > 0 && `; of ${others.join(", ")} the best`}${Object.entries(data.left_out).map(([each, count]) => `; ${count} values of ${each} are left out: the worst`)}</caption>
    <thead><tr>${single ? html`<td></td>` : html`<th scope="col">${data.y} \\ ${data.x}</th>`}${data.columns.map((each, column) => html`<th key=${column} scope="col" class="right">${each}</th>`)}</tr></thead>
    <tbody>${data.lines.map((each, line) => html`<tr key=${line}>${single ? html`<td></td>` : html`<th scope="row">${each}</th>`}${data.columns.map((_, column) => {
      const cell = at.get(`${column} ${line}`);
      return cell ? html`<td key=${column} class="right ${shade(cell.value, least, most, data.less_is_better)}" title="variant ${cell.variant}">${cell.value === best ? html`<b title="the best">★ ${figure(data.titles[data.metric], cell.value)}</b>` : figure(data.titles[data.metric], cell.value)}</td>` : html`<td key=${column} class="right unit">–</td>`;
    })}</tr>`)}</tbody></table></div>`;
}

function Best({ data }) {
  const columns = [
    { head: "variant", right: true, cell: (row) => row.variant },
    ...data.names.map((name) => ({ head: name, right: true, cell: (row) => html`<span class="short">${row.params[name]}</span>` })),
    ...Object.keys(data.rows[0].values).map((name) => ({ head: titleOf(data, name), right: true, cell: (row) => figure(data.titles[name], row.values[name]) })),
    ...(data.failed ? [{ head: "failed with", cell: (row) => html`<span class="words">${row.error ?? ""}</span>` }] : []),
  ];
  return html`<${Table} label="Best variants" columns=${columns} rows=${data.rows} keyOf=${(row) => row.variant} />${data.done > data.rows.length && html`<p class="note">The best ${data.rows.length} of ${number(data.done, 0)}.</p>`}`;
}
