"use strict";
(() => {
  const run = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const $ = (selector) => document.querySelector(selector);
  // Text from the run reaches the page only here, as text nodes.
  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = String(text);
    if (kind) node.className = kind;
    return node;
  };
  const MINUS = "\u2212", DASH = "\u2013";
  const number = (value, digits = 2) => {
    if (value === null || value === undefined || value === "" || Number.isNaN(Number(value))) return DASH;
    const text = Math.abs(Number(value)).toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
    return Number(value) < 0 && /[1-9]/.test(text) ? MINUS + text : text;
  };
  const signed = (value, digits) => (Number(value) > 0 ? "+" : "") + number(value, digits);
  const part = (value, digits = 2) => value === null || value === undefined ? DASH : number(value * 100, digits) + " %";
  const two = (value) => String(value).padStart(2, "0");
  const when = (ms, fine) => {
    if (ms === null || ms === undefined) return DASH;
    const d = new Date(ms);
    const day = `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
    const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
    return fine ? `${day} ${time}.${String(d.getUTCMilliseconds()).padStart(3, "0")}` : `${day} ${time}`;
  };
  // An amount of money: cents for thousands, more places for small ones.
  const money = (value, sign) => {
    const size = Math.abs(Number(value));
    return (sign ? signed : number)(value, size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 8);
  };
  const kept = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch { /* a browser that keeps nothing for files */ }
    return null;
  };

  // Head and tiles.
  $("#title").textContent = run.title;
  $("#subtitle").textContent = run.subtitle;
  const stats = run.stats, fills = run.fills;
  const tiles = [
    ["Net profit", money(stats.pnl, true), run.currency, Number(stats.pnl)],
    ["Return", stats.return === null || stats.return === undefined ? DASH : signed(stats.return * 100) + " %", "", stats.return],
    ["Max drawdown", part(stats.max_drawdown), stats.max_drawdown_amount === undefined ? "" : money(stats.max_drawdown_amount) + " " + run.currency],
    ["Sharpe", number(stats.sharpe), typeof stats.sharpe === "number" && stats.period ? `from ${stats.period} returns` : ""],
    ["Sortino", number(stats.sortino), ""],
    ["Round trips won", part(stats.win_rate, 1), stats.round_trips === undefined ? "" : number(stats.round_trips, 0) + " round trips"],
    ["Profit factor", number(stats.profit_factor), ""],
    ["Orders", number(stats.orders, 0), number(stats.fills ?? fills.total, 0) + " fills"],
    ["Fees", money(stats.fees), run.currency],
  ];
  for (const [name, value, more, sign] of tiles) {
    const tile = make("div", null, "tile");
    tile.append(make("span", name), make("b", value, sign > 0 ? "gain" : sign < 0 ? "loss" : ""), make("small", more || "\u00a0"));
    $("#tiles").append(tile);
  }
  if (run.why) { $("#why").hidden = false; $("#why p").textContent = run.why; }
  $("#assumptions").hidden = !run.assumptions.length;
  for (const {text, bias} of run.assumptions) {
    const item = make("li");
    const word = bias > 0 ? "flatters" : bias < 0 ? "harms" : "open";
    item.append(make("i", (bias > 0 ? "\u25b2 " : bias < 0 ? "\u25bc " : "\u25cb ") + word, word), make("span", text));
    $("#assumptions ul").append(item);
  }

  // Pairs.
  const NAMES = {
    pnl: ["Net profit", (v) => money(v, true) + " " + run.currency], return: ["Return", (v) => part(v)],
    final_equity: ["Final equity", (v) => money(v) + " " + run.currency], max_drawdown: ["Max drawdown", (v) => part(v)],
    max_drawdown_amount: ["\u2026 in money", (v) => money(v) + " " + run.currency],
    drawdown_peak: ["\u2026 from", (v) => when(v)], drawdown_trough: ["\u2026 to", (v) => when(v)],
    drawdown_recovered: ["\u2026 recovered", (v) => v === null ? "not yet" : when(v)],
    volatility: ["Volatility, per year", (v) => part(v)], sharpe: ["Sharpe, per year", (v) => number(v)],
    sortino: ["Sortino, per year", (v) => number(v)], period: ["Returns per", (v) => v],
    profit_factor: ["Profit factor", (v) => number(v)], win_rate: ["Round trips won", (v) => part(v, 1)],
    round_trips: ["Round trips", (v) => number(v, 0)], exposure: ["Time in the market", (v) => part(v, 1)],
    turnover: ["Turnover, times equity", (v) => number(v)], fees: ["Fees", (v) => money(v) + " " + run.currency],
    funding: ["Funding", (v) => money(v, true) + " " + run.currency], orders: ["Orders", (v) => number(v, 0)],
    fills: ["Fills", (v) => number(v, 0)], maker_share: ["Fills as maker", (v) => part(v, 1)],
  };
  const pair = (table, name, value) => {
    const row = make("tr");
    row.append(make("td", name), make("td", value));
    table.append(row);
  };
  const shown = (value) => value === null || value === undefined ? DASH
    : typeof value === "number" ? (Number.isInteger(value) ? value.toLocaleString("en-US") : String(value))
    : Array.isArray(value) ? value.map(shown).join(", ")
    : typeof value === "object" ? Object.entries(value).map(([k, v]) => `${k} ${shown(v)}`).join(", ")
    : String(value);
  for (const [key, value] of Object.entries(stats)) {
    const [name, form] = Object.hasOwn(NAMES, key) ? NAMES[key] : [key.replaceAll("_", " "), shown];
    pair($("#stats"), name, form(value));
  }
  for (const [key, value] of run.facts) pair($("#facts"), key.replaceAll("_", " "), shown(value));

  // Charts.
  const seconds = ([ts, values]) => [ts.map((ms) => ms / 1000), values];
  const ends = [run.equity, ...run.markets.flatMap((m) => [m.price, m.position])].map((line) => line[0]).concat([fills.ts]).filter((ts) => ts.length);
  const first = Math.min(...ends.map((ts) => ts[0])) / 1000, last = Math.max(...ends.map((ts) => ts[ts.length - 1])) / 1000;
  const whole = {min: first, max: last > first ? last : first + 1};
  let range = {...whole}, charts = [], market = 0;
  const zoom = (min, max) => {
    range = {min, max};
    for (const chart of charts) chart.setScale("x", range);
  };
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const compact = (value) => Math.abs(value) >= 1e6 ? number(value / 1e6, 2) + "M" : null;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  // One line a tick: the time of day, and the date where a day begins.
  const moments = (u, splits, axis, space, step) => splits.map((s) => {
    const d = new Date(Math.round(s * 1000)), day = `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`;
    if (s % 86400 === 0) return d.getUTCMonth() === 0 && d.getUTCDate() === 1 ? String(d.getUTCFullYear()) : day;
    const minute = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
    if (step >= 60) return minute;
    const second = `${minute}:${two(d.getUTCSeconds())}`;
    return step >= 1 ? second : `${second}.${String(d.getUTCMilliseconds()).padStart(3, "0")}`;
  });
  const axes = (form) => [
    {values: moments, space: 64, stroke: colour("quiet"), grid: {stroke: colour("grid"), width: 1}, ticks: {show: false}, font: "11px system-ui, sans-serif", size: 28},
    {stroke: colour("quiet"), grid: {stroke: colour("grid"), width: 1}, ticks: {show: false}, font: "11px system-ui, sans-serif", size: 78,
      values: (chart, splits) => splits.map((value) => compact(value) ?? form(value, splits))},
  ];
  const places = (splits) => {
    const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
    let digits = 0;
    while (digits < 8 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6 * step * 10 ** digits) digits++;
    return digits;
  };
  const pad = (low) => (chart, min, max) => {
    if (min === null || min === undefined || !Number.isFinite(min)) return [0, 1];
    const room = (max - min) * 0.06 || Math.abs(max) * 0.001 || 1;
    return low === undefined ? [min - room, max + room] : [Math.min(min - room, low), Math.max(max, low)];
  };
  const plot = (id, height, data, series, form, scale, draw) => {
    const place = document.getElementById(id);
    place.textContent = "";
    const chart = new uPlot({
      width: place.clientWidth || 1000, height, legend: {show: false}, padding: [8, 6, 0, 0],
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      cursor: {sync: {key: "run"}, drag: {x: true, y: false, setScale: false}, points: {size: 7}, bind: {dblclick: () => () => { zoom(whole.min, whole.max); return null; }}},
      scales: {x: {time: true, range: () => [range.min, range.max]}, y: {range: scale}},
      axes: axes(form), series: [{}, series],
      hooks: {
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          const min = u.posToVal(u.select.left, "x"), max = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
          if (max > min) zoom(min, max);
        }],
        setCursor: [(u) => {
          const i = u.cursor.idx, place = document.querySelector(`.live[data-for="${id}"]`);
          const known = i !== null && i !== undefined && u.data[1][i] !== undefined && u.data[1][i] !== null;
          place.textContent = known ? `${when(u.data[0][i] * 1000)}   ${form(u.data[1][i], null)}` : "";
        }],
        draw: draw ? [draw] : [],
      },
    }, data, place);
    charts.push(chart);
    return chart;
  };
  // A thinned line may miss the price of a fill: the scale has room for every one in view.
  const withFills = (min, max) => {
    for (let i = 0; i < fills.ts.length; i++) {
      const at = fills.ts[i] / 1000, price = fills.price[i];
      if (fills.market[i] !== market || at < range.min || at > range.max) continue;
      if (min === null || min === undefined || price < min) min = price;
      if (max === null || max === undefined || price > max) max = price;
    }
    return [min, max];
  };
  // The tape's fills in view, most visible ones: a triangle below for bought, above for sold.
  const MARKS_MAX = 2500;
  const marks = (u) => {
    const {ctx} = u, dpr = devicePixelRatio || 1, size = 4.5 * dpr, seen = [];
    for (let i = 0; i < fills.ts.length; i++) {
      if (fills.market[i] === market && fills.ts[i] >= range.min * 1000 && fills.ts[i] <= range.max * 1000) seen.push(i);
    }
    const step = Math.max(1, Math.ceil(seen.length / MARKS_MAX));
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.lineWidth = dpr;
    ctx.strokeStyle = colour("panel");
    const buy = colour("buy"), sell = colour("sell");
    for (let k = 0; k < seen.length; k += step) {
      const i = seen[k], way = fills.side[i] > 0 ? 1 : -1;
      const x = u.valToPos(fills.ts[i] / 1000, "x", true), y = u.valToPos(fills.price[i], "y", true) + way * 3 * dpr;
      ctx.fillStyle = way > 0 ? buy : sell;
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x - size, y + way * size * 1.7);
      ctx.lineTo(x + size, y + way * size * 1.7);
      ctx.closePath();
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  };
  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = [];
    const line = {width: 1.5, points: {show: false}};
    const base = run.equity[1].length ? run.equity[1][0] : 0;
    plot("equity", 250, seconds(run.equity), {...line, stroke: colour("accent"), fill: colour("accent-soft"), fillTo: (u) => u.scales.y.min},
      (v, splits) => splits ? number(v, places(splits)) : `${money(v)} ${run.currency}   ${base > 0 ? signed((v / base - 1) * 100, 3) + " %" : ""}`, pad());
    plot("drawdown", 120, seconds(run.drawdown), {...line, width: 1, stroke: colour("loss"), fill: colour("loss-soft"), fillTo: 0},
      (v, splits) => number(v, splits ? places(splits) : 3) + " %", pad(0));
    const one = run.markets[market];
    $("#markets").hidden = !one;
    if (one) {
      plot("price", 290, seconds(one.price), {...line, width: 1.2, stroke: colour("ink")},
        (v, splits) => number(v, splits ? Math.min(places(splits), one.decimals) : one.decimals),
        (u, min, max) => pad()(u, ...withFills(min, max)), marks);
      const size = (v, splits) => splits ? number(v, places(splits)) : number(v, Math.min(one.sizeDecimals, 8));
      plot("position", 120, seconds(one.position), {...line, stroke: colour("hold"), fill: colour("hold-soft"), fillTo: 0, paths: uPlot.paths.stepped({align: 1})},
        size, (u, min, max) => {
          if (min === null || min === undefined) return [-1, 1];
          const low = Math.min(min, 0), high = Math.max(max, 0), room = (high - low) * 0.08 || 1;
          return [low - room, high + room];
        });
    }
  };
  const choose = $("#market");
  run.markets.forEach((one, i) => { const option = make("option", one.symbol); option.value = i; choose.append(option); });
  choose.addEventListener("change", () => { market = Number(choose.value); draw(); });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = (name) => { root.dataset.theme = name; draw(); };
  $("#theme").addEventListener("click", () => {
    const name = root.dataset.theme === "dark" ? "light" : "dark";
    kept("onetape-theme", name);
    theme(name);
  });
  dark.addEventListener("change", () => { if (!kept("onetape-theme")) theme(dark.matches ? "dark" : "light"); });
  theme(kept("onetape-theme") || (dark.matches ? "dark" : "light"));
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 120); });

  // Fills.
  const PAGE = 25;
  const columns = [
    ["Time (UTC)", "left", (i) => when(fills.ts[i], true)], ["Instrument", "left", (i) => run.markets[fills.market[i]]?.symbol ?? ""],
    ["Side", "left", (i) => fills.side[i] > 0 ? "buy" : "sell"], ["Price", "", (i) => number(fills.price[i], run.markets[fills.market[i]]?.decimals ?? 2)],
    ["Quantity", "", (i) => String(fills.qty[i])], ["Fee", "", (i) => money(fills.fee[i])], ["Realized", "", (i) => fills.realized.length ? money(fills.realized[i], true) : DASH],
    ["Liquidity", "left", (i) => fills.maker[i] ? "maker" : "taker"], ["Order", "", (i) => fills.order.length ? fills.order[i] : ""],
    ["Tag", "left", (i) => fills.tag.length ? fills.tags[fills.tag[i]] : ""],
  ];
  const heads = make("tr");
  for (const [name, kind] of columns) heads.append(make("th", name, kind));
  $(".rows thead").append(heads);
  let found = [], page = 0;
  const list = () => {
    const body = $(".rows tbody");
    body.textContent = "";
    for (const i of found.slice(page * PAGE, (page + 1) * PAGE)) {
      const row = make("tr");
      for (const [name, kind, form] of columns) row.append(make("td", form(i), name === "Side" ? `left ${form(i)}` : kind));
      row.addEventListener("click", () => {
        const half = Math.max((whole.max - whole.min) / 200, 1), at = fills.ts[i] / 1000;
        if (market !== fills.market[i]) { market = fills.market[i]; choose.value = market; draw(); }
        zoom(at - half, at + half);
        $("#markets").scrollIntoView({behavior: "smooth"});
      });
      body.append(row);
    }
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    $(".pages span").textContent = `${page + 1} of ${pages.toLocaleString("en-US")}`;
    $(".pages").hidden = pages === 1;
    document.querySelectorAll(".pages button").forEach((b) => { b.disabled = b.dataset.step < 0 ? page === 0 : page === pages - 1; });
    $("#shown").textContent = (fills.step > 1 ? `every ${fills.step}th of ${number(fills.total, 0)}` : `${number(fills.total, 0)} fills`)
      + (found.length < fills.ts.length ? `, ${number(found.length, 0)} match` : "");
  };
  const search = () => {
    const words = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    for (let i = 0; i < fills.ts.length; i++) {
      const text = words.length ? columns.map((column) => column[2](i)).join(" ").toLowerCase() : "";
      if (words.every((word) => text.includes(word))) found.push(i);
    }
    page = 0;
    list();
  };
  $("#filter").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 150); });
  document.querySelectorAll(".pages button").forEach((b) => b.addEventListener("click", () => { page += Number(b.dataset.step); list(); }));
  $("#trades").hidden = !fills.total;
  search();
  root.dataset.ready = "yes";
})();
