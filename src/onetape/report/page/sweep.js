"use strict";
(() => {
  const sweep = JSON.parse(document.getElementById("data").textContent);
  const $ = (selector) => document.querySelector(selector);
  // Text from the sweep reaches the page only here, as text nodes.
  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = String(text);
    if (kind) node.className = kind;
    return node;
  };
  const DASH = "\u2013";
  const number = (value) => {
    if (value === null || value === undefined) return DASH;
    const size = Math.abs(value);
    const digits = Number.isInteger(value) ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4;
    return value.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
  };
  // A fraction is written in percent.
  const percents = (name) => ["part", "gain_part"].includes(sweep.forms[name]);
  const figure = (name, value) => {
    if (value === null || value === undefined || !percents(name)) return number(value);
    const percent = value * 100, digits = Math.abs(percent) >= 0.1 || percent === 0 ? 2 : 4;
    return `${percent.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits})} %`;
  };
  const word = (value) => value === null || value === undefined ? "none" : String(value);
  const day = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  const root = document.documentElement;
  const theme = (name) => {
    root.dataset.theme = name;
    $("#theme").setAttribute("aria-pressed", String(name === "dark"));
  };
  theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  $("#theme").addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));
  $("#title").textContent = sweep.title;
  $("#subtitle").textContent = sweep.subtitle;
  for (const note of sweep.notes) {
    $("#notes").hidden = false;
    const line = make("li");
    line.append(make("span", note));
    $("#notes ul").append(line);
  }
  for (const [key, value] of sweep.facts) {
    const line = make("tr");
    line.append(make("td", key), make("td", value));
    $("#facts").append(line);
  }
  const options = (select, names, chosen) => {
    for (const name of names) select.append(new Option(name, name, name === chosen, name === chosen));
  };
  const head = (table, names, left) => {
    const line = make("tr");
    names.forEach((name, at) => {
      const cell = make("th", name, at < left ? "left" : ""), means = at < left ? "" : sweep.definitions[name];
      if (means) { cell.title = means; cell.dataset.metric = name; }
      line.append(cell);
    });
    table.querySelector("thead").replaceChildren(line);
  };
  const lessIsBetter = new Set(sweep.lessIsBetter);
  const better = (metric, a, b) => lessIsBetter.has(metric) ? a < b : a > b;

  if (sweep.luck) {
    $("#luck").hidden = false;
    $("#luck-summary").textContent = sweep.luck.summary;
    $("#luck-order").textContent = sweep.luck.order;
    head($("#questions"), ["question", "answer", "good", ""], 1);
    for (const each of sweep.luck.rows) {
      const line = make("tr"), question = make("td", each.question, "left");
      question.append(make("small", each.how));
      line.append(question, make("td", `${Math.round(each.value * 100)} %`), make("td", each.wanted, "quiet"), make("td", each.reads, `reads ${each.reads}`));
      $("#questions tbody").append(line);
    }
  }

  // Walk-forward: the stitched equity and the windows.
  if (sweep.walk) {
    $("#walk").hidden = false;
    const [ts, values] = sweep.walk.equity;
    if (ts.length > 1) {
      const ns = "http://www.w3.org/2000/svg";
      const svg = document.createElementNS(ns, "svg");
      svg.setAttribute("viewBox", "0 0 1000 220");
      svg.setAttribute("preserveAspectRatio", "none");
      const least = Math.min(...values), most = Math.max(...values), first = ts[0], last = ts[ts.length - 1];
      const x = (t) => (t - first) / Math.max(last - first, 1) * 1000;
      const y = (v) => 210 - (v - least) / Math.max(most - least, 1e-12) * 200;
      for (const window of sweep.walk.windows) {
        const line = document.createElementNS(ns, "line");
        const at = x(window.test_start);
        for (const [name, value] of [["x1", at], ["x2", at], ["y1", 0], ["y2", 220]]) line.setAttribute(name, value);
        svg.append(line);
      }
      const path = document.createElementNS(ns, "path");
      path.setAttribute("d", ts.map((t, at) => `${at ? "L" : "M"}${x(t).toFixed(2)} ${y(values[at]).toFixed(2)}`).join(""));
      svg.append(path);
      $("#equity").append(svg);
      $("#walk-live").textContent = `${day(first)} to ${day(last)}, ${number(values[0])} to ${number(values[values.length - 1])}`;
    }
    const names = sweep.names;
    head($("#windows"), ["window", "train", "test", ...names, `${sweep.metric} in sample`, "out of sample", "ratio", "pnl"], 3);
    for (const window of sweep.walk.windows) {
      const line = make("tr");
      const cells = [window.window, `${day(window.train_start)} to ${day(window.train_end)}`, `${day(window.test_start)} to ${day(window.test_end)}`];
      cells.forEach((text) => line.append(make("td", text, "left")));
      names.forEach((name) => line.append(make("td", window.params ? word(window.params[name]) : DASH)));
      for (const key of ["in_sample", "out_of_sample"]) line.append(make("td", figure(sweep.metric, window[key])));
      for (const key of ["ratio", "pnl"]) line.append(make("td", number(window[key])));
      if (window.error) line.title = window.error;
      $("#windows tbody").append(line);
    }
  }

  if (!sweep.variants.length) { $("#heat").hidden = $("#variants").hidden = true; return; }
  const {axes, names, metrics, variants} = sweep;
  options($("#metric"), metrics, sweep.metric);
  options($("#x"), names, sweep.x);
  options($("#y"), names, sweep.y);
  const fixed = {};
  const column = Object.fromEntries(metrics.map((name, at) => [name, at]));
  const valueOf = (variant, metric) => variant.values[column[metric]];

  // The best over the parameters that are not shown, or a cut at one value of each.
  const draw = () => {
    const metric = $("#metric").value, across = $("#x").value, down = $("#y").value;
    const rest = names.filter((name) => name !== across && name !== down);
    const slot = $("#others");
    slot.replaceChildren();
    for (const name of rest) {
      const select = make("select");
      select.append(new Option(`${name}: best`, ""));
      axes[name].forEach((value, at) => select.append(new Option(`${name} = ${word(value)}`, String(at))));
      select.value = fixed[name] ?? "";
      select.addEventListener("change", () => { fixed[name] = select.value; draw(); });
      slot.append(select);
    }
    const cells = new Map();
    let best = null, least = Infinity, most = -Infinity;
    for (const variant of variants) {
      if (rest.some((name) => fixed[name] && variant.at[names.indexOf(name)] !== Number(fixed[name]))) continue;
      const key = `${variant.at[names.indexOf(across)]}/${variant.at[names.indexOf(down)]}`;
      const value = valueOf(variant, metric);
      const held = cells.get(key);
      if (held === undefined || (value !== null && (held.value === null || better(metric, value, held.value)))) cells.set(key, {value, variant});
    }
    for (const cell of cells.values()) {
      if (cell.value === null) continue;
      least = Math.min(least, cell.value);
      most = Math.max(most, cell.value);
      if (best === null || better(metric, cell.value, best.value)) best = cell;
    }
    // Through white at zero where there is one, so that the sign is seen first.
    const reach = Math.max(Math.abs(least), Math.abs(most), 1e-12);
    const shade = (value) => {
      const signedScale = least < 0 && most > 0;
      let part = signedScale ? (value / reach + 1) / 2 : (value - least) / Math.max(most - least, 1e-12);
      if (lessIsBetter.has(metric)) part = 1 - part;
      const mix = (a, b, t) => a.map((v, at) => Math.round(v + (b[at] - v) * t));
      const [low, middle, high] = [[226, 125, 115], [250, 246, 232], [104, 184, 150]];
      return `rgb(${(part < 0.5 ? mix(low, middle, part * 2) : mix(middle, high, part * 2 - 1)).join(",")})`;
    };
    const map = $("#map");
    map.replaceChildren();
    const single = across === down;
    const top = make("tr");
    top.append(make("th", single ? across : `${down} \\ ${across}`));
    axes[across].forEach((value) => top.append(make("th", word(value))));
    map.append(top);
    (single ? [null] : axes[down]).forEach((value, row) => {
      const line = make("tr");
      line.append(make("th", single ? metric : word(value)));
      axes[across].forEach((_, at) => {
        const cell = cells.get(single ? `${at}/${at}` : `${at}/${row}`);
        const box = make("td", cell ? figure(metric, cell.value) : DASH, cell && cell.value !== null ? "" : "none");
        if (cell && cell.value !== null) box.style.backgroundColor = shade(cell.value);
        if (cell && cell === best) box.classList.add("best");
        if (cell) box.addEventListener("mouseenter", () => { $("#cell").textContent = names.map((name, n) => `${name}=${word(axes[name][cell.variant.at[n]])}`).join(" ") + (cell.variant.error ? ` · ${cell.variant.error}` : ""); });
        line.append(box);
      });
      map.append(line);
    });
    table(metric);
  };
  const SHOWN = 100;
  const table = (metric) => {
    const order = [...variants].sort((a, b) => {
      const left = valueOf(a, metric), right = valueOf(b, metric);
      if (left === null || right === null) return (left === null) - (right === null) || a.variant - b.variant;
      return left === right ? a.variant - b.variant : better(metric, left, right) ? -1 : 1;
    });
    const wanted = [metric, ...["pnl", "sharpe", "max_drawdown", "fills", "fees"].filter((name) => name !== metric && name in column)];
    head($("#table"), ["variant", ...names, ...wanted, "error"], 1);
    const lines = order.slice(0, SHOWN).map((variant) => {
      const line = make("tr");
      line.append(make("td", variant.variant, "left"));
      names.forEach((name, at) => line.append(make("td", word(axes[name][variant.at[at]]))));
      wanted.forEach((name) => line.append(make("td", figure(name, valueOf(variant, name)))));
      line.append(make("td", variant.error ?? "", "left"));
      return line;
    });
    $("#table tbody").replaceChildren(...lines);
    $("#shown").textContent = `${lines.length} of ${variants.length} by ${metric}`;
  };
  for (const id of ["#metric", "#x", "#y"]) $(id).addEventListener("change", draw);
  draw();
})();
