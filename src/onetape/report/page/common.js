"use strict";
// What every page shares: text, numbers, tables, and charts that zoom together.
const kit = (() => {
  const root = document.documentElement;
  const $ = (selector, from = document) => from.querySelector(selector);
  // Text from the run reaches the page only here, as text nodes.
  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = String(text);
    if (kind) node.className = kind;
    return node;
  };
  const data = () => JSON.parse($("#data").textContent);

  // Numbers and times.
  const MINUS = "\u2212", DASH = "\u2013";
  const missing = (value) => value === null || value === undefined || value === "" || Number.isNaN(Number(value));
  const number = (value, digits = 2) => {
    if (missing(value)) return DASH;
    const text = Math.abs(Number(value)).toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
    return Number(value) < 0 && /[1-9]/.test(text) ? MINUS + text : text;
  };
  const plus = (value, text) => (!missing(value) && Number(value) > 0 ? "+" : "") + text;
  const signed = (value, digits) => plus(value, number(value, digits));
  // A fraction in percent; small ones with two digits that count.
  const part = (value, digits) => {
    if (missing(value)) return DASH;
    const size = Math.abs(value * 100);
    return number(value * 100, digits ?? (size === 0 || size >= 0.1 ? 2 : size >= 0.001 ? 4 : 6)) + " %";
  };
  // An amount of money: cents for thousands, more places for small ones.
  const money = (value, sign) => {
    const size = Math.abs(Number(value));
    return (sign ? signed : number)(value, size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 8);
  };
  const short = (value) => {
    if (missing(value)) return DASH;
    const size = Math.abs(value);
    return number(value, size >= 1000 || value === 0 ? (Number.isInteger(value) ? 0 : 1) : size >= 1 ? 2 : size >= 0.01 ? 4 : 6);
  };
  const span = (seconds) => {
    if (missing(seconds)) return DASH;
    if (seconds < 0) return MINUS + span(-seconds);
    if (seconds >= 172800) return number(seconds / 86400, 1) + " d";
    if (seconds >= 7200) return number(seconds / 3600, 1) + " h";
    if (seconds >= 120) return number(seconds / 60, 1) + " min";
    return seconds >= 1 || seconds === 0 ? number(seconds, seconds === 0 ? 0 : 1) + " s" : number(seconds * 1000, 1) + " ms";
  };
  const milli = (ms) => missing(ms) ? DASH : ms < 0 ? MINUS + milli(-ms) : ms < 1000 ? number(ms, ms < 10 ? 3 : 1) + " ms" : span(ms / 1000);
  const two = (value) => String(value).padStart(2, "0");
  const when = (ms, fine) => {
    if (missing(ms)) return DASH;
    const d = new Date(ms);
    const day = `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
    const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
    return fine ? `${day} ${time}.${String(d.getUTCMilliseconds()).padStart(3, "0")}` : `${day} ${time}`;
  };
  const shown = (value) => value === null || value === undefined ? DASH
    : typeof value === "number" ? (Number.isInteger(value) ? value.toLocaleString("en-US") : String(value))
    : Array.isArray(value) ? value.map(shown).join(", ")
    : typeof value === "object" ? Object.entries(value).map(([k, v]) => `${k} ${shown(v)}`).join(", ")
    : String(value);
  // The forms of metrics.py.
  const form = (name, value, currency = "") => {
    switch (name) {
      case "money": return missing(value) ? DASH : `${money(value)} ${currency}`.trim();
      case "gain": return missing(value) ? DASH : `${money(value, true)} ${currency}`.trim();
      case "part": return part(value);
      case "gain_part": return plus(value, part(value));
      case "number": return short(value);
      case "count": return number(value, 0);
      case "time": return when(value);
      case "span": return span(value);
      case "milli": return milli(value);
      default: return shown(value);
    }
  };
  // Told apart by hue and, from the seventh on, by dashes.
  const HUES = ["#2f74d0", "#d9670b", "#0b8f6a", "#b0338a", "#8a6d00", "#6b54c6"];
  const hue = (i) => HUES[i % HUES.length], dash = (i) => i < HUES.length ? undefined : [6, 4];
  const mark = (i) => {
    const swatch = make("i", null, i < HUES.length ? "swatch" : "swatch dashed");
    swatch.style.setProperty("--own", hue(i));
    return swatch;
  };
  const tone = (value) => missing(value) ? "" : Number(value) > 0 ? "gain" : Number(value) < 0 ? "loss" : "";

  // Columns arrive as a first value and steps.
  const summed = (steps) => {
    const values = new Array(steps.length);
    let sum = 0;
    for (let i = 0; i < steps.length; i++) values[i] = sum += steps[i];
    return values;
  };
  const curve = (line) => line && line[0].length ? [summed(line[0]).map((ms) => ms / 1000), line[1]] : [[], []];
  // First index whose value is not below `wanted`; values ascend.
  const bisect = (values, wanted) => {
    let low = 0, high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < wanted) low = middle + 1; else high = middle;
    }
    return low;
  };

  const kept = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch { /* a browser that keeps nothing for files */ }
    return null;
  };

  // Definitions of figures by their key in metrics.py: what shows one says on hover what it is.
  let definitions = {};
  const define = (found) => { definitions = found; };
  const mean = (node, metric, note) => {
    const text = [note, definitions[metric]].filter(Boolean).join(". ");
    if (text) node.title = text;
    if (metric) node.dataset.metric = metric;
  };

  // Tables: columns are {name, left, text(row), tone(row), note, metric}.
  const heads = (columns) => {
    const row = make("tr");
    for (const {name, left, note, metric} of columns) {
      const head = make("th", name, left ? "left" : "");
      head.scope = "col";
      mean(head, metric, note);
      row.append(head);
    }
    return row;
  };
  const cells = (columns, each) => {
    const row = make("tr");
    columns.forEach((column, i) => {
      const cell = make(i ? "td" : "th", column.text(each), [column.left ? "left" : "", column.tone ? column.tone(each) : ""].join(" ").trim());
      if (!i) cell.scope = "row";
      row.append(cell);
    });
    return row;
  };
  const LAST_MAX = 0.45; // of a table's width: a wider last column does not stay in sight
  // Fills a <div class="list">: a table of pages of `size` rows; returns a function that shows others.
  const list = (place, columns, rows, size = 25, decorate) => {
    const scroll = make("div", null, "scroll"), table = make("table", null, "rows"), head = make("thead"), body = make("tbody");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", place.dataset.name || "table");
    head.append(heads(columns));
    table.append(head, body);
    scroll.append(table);
    const pager = make("nav", null, "pages"), back = make("button", "\u2039"), at = make("span"), on = make("button", "\u203a");
    pager.setAttribute("aria-label", "Pages");
    back.type = on.type = "button";
    back.setAttribute("aria-label", "Previous page");
    on.setAttribute("aria-label", "Next page");
    at.setAttribute("aria-live", "polite");
    pager.append(back, at, on);
    place.textContent = "";
    const rest = make("p", "more columns: scroll to the right \u2192", "rest quiet");
    rest.setAttribute("aria-hidden", "true");
    place.append(scroll, rest, pager);
    const look = () => {
      const last = $("tr > :last-child", table);
      scroll.classList.toggle("more", scroll.scrollWidth > scroll.clientWidth + 1 && scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 1);
      scroll.classList.toggle("keeps", scroll.scrollWidth > scroll.clientWidth + 1 && last.offsetWidth < LAST_MAX * scroll.clientWidth);
    };
    const watch = new ResizeObserver(look);
    watch.observe(scroll);
    watch.observe(table);
    scroll.addEventListener("scroll", look, {passive: true});
    let page = 0, current = rows;
    const show = () => {
      const pages = Math.max(1, Math.ceil(current.length / size));
      page = Math.max(0, Math.min(page, pages - 1));
      body.textContent = "";
      for (const each of current.slice(page * size, (page + 1) * size)) {
        const row = cells(columns, each);
        if (decorate) decorate(row, each);
        body.append(row);
      }
      at.textContent = `${(page + 1).toLocaleString("en-US")} of ${pages.toLocaleString("en-US")}`;
      pager.hidden = pages === 1;
      back.disabled = page === 0;
      on.disabled = page === pages - 1;
    };
    back.addEventListener("click", () => { page--; show(); });
    on.addEventListener("click", () => { page++; show(); });
    show();
    return (others) => { current = others; page = 0; show(); };
  };
  const pair = (table, name, value, note, kind, metric) => {
    const row = make("tr"), head = make("th", name), cell = make("td", value, kind || "");
    head.scope = "row";
    if (note) { row.title = note; head.className = "noted"; }
    if (metric) row.dataset.metric = metric;
    row.append(head, cell);
    table.append(row);
  };

  // Charts. All with a time axis share one range and one cursor.
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
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
  const around = (chart, min, max) => {
    if (min === null || min === undefined || !Number.isFinite(min)) return [-1, 1];
    const low = Math.min(min, 0), high = Math.max(max, 0), room = (high - low) * 0.08 || 1;
    return [low - room, high + room];
  };
  const axis = (more) => ({stroke: colour("quiet"), grid: {stroke: colour("grid"), width: 1}, ticks: {show: false}, font: "11px system-ui, sans-serif", ...more});
  // Millions as such, where two neighbours still differ then.
  const compact = (value, splits) => {
    const digits = places(splits.map((each) => each / 1e6));
    return Math.abs(value) >= 1e6 && digits <= 3 ? number(value / 1e6, Math.max(digits, 2)) + "M" : null;
  };
  const valueAxis = (value) => axis({size: 78, space: 16, values: (chart, splits) => splits.map((each) => compact(each, splits) ?? value(each, splits))});
  const board = {
    whole: {min: 0, max: 1}, range: {min: 0, max: 1}, drawn: [], draw: () => {},
    // `lines`: every curve on the page, for the range of all.
    span(lines) {
      const ends = lines.map((line) => line[0]).filter((ts) => ts.length);
      const first = Math.min(...ends.map((ts) => ts[0])), last = Math.max(...ends.map((ts) => ts[ts.length - 1]));
      board.whole = ends.length ? {min: first, max: last > first ? last : first + 1} : {min: 0, max: 1};
      board.range = {...board.whole};
    },
    zoom(min, max) {
      const least = 0.001;
      const wide = Math.min(Math.max(max - min, least), board.whole.max - board.whole.min);
      const start = Math.min(Math.max(min, board.whole.min), board.whole.max - wide);
      board.range = {min: start, max: start + wide};
      for (const {chart, isTime} of board.drawn) if (isTime) chart.setScale("x", board.range);
    },
    reset() { board.zoom(board.whole.min, board.whole.max); },
    clear() { for (const {chart} of board.drawn) chart.destroy(); board.drawn = []; },
  };
  // tell(chart): what there is to say about the pointer's place beside the values.
  // series: [{name, line: [ts, values], ...uPlot's own}]; value(v, splits): text of a value or a tick.
  const plot = (id, height, series, value, scale, draw, tell) => {
    const place = document.getElementById(id);
    place.textContent = "";
    const joined = series.length > 1 ? uPlot.join(series.map((each) => each.line)) : series[0].line;
    const live = $(`.live[data-for="${id}"]`);
    const known = (values, i) => {
      while (i > 0 && (values[i] === null || values[i] === undefined)) i--;
      return values[i];
    };
    const chart = new uPlot({
      width: place.clientWidth || 1000, height, legend: {show: false}, padding: [8, 6, 0, 0],
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      cursor: {sync: {key: "run"}, drag: {x: true, y: false, setScale: false}, points: {size: 7}, bind: {dblclick: () => () => { board.reset(); return null; }}},
      scales: {x: {time: true, range: () => [board.range.min, board.range.max]}, y: {range: scale}},
      axes: [axis({values: moments, space: 64, size: 28}), valueAxis(value)],
      series: [{}, ...series.map(({name, line, ...own}) => ({width: 1.5, points: {show: false}, spanGaps: series.length > 1, label: name, ...own}))],
      hooks: {
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          const min = u.posToVal(u.select.left, "x"), max = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
          if (max > min) board.zoom(min, max);
        }],
        setCursor: [(u) => {
          const i = u.cursor.idx;
          if (!live) return;
          if (i === null || i === undefined) { live.textContent = ""; return; }
          const texts = series.map((each, k) => {
            const v = known(u.data[k + 1], i);
            return v === null || v === undefined ? "" : (series.length > 1 ? `${each.name} ` : "") + value(v, null);
          }).filter(Boolean);
          const more = tell?.(u);
          live.textContent = texts.length || more ? [when(u.data[0][i] * 1000), ...texts, more].filter(Boolean).join("   ") : "";
        }],
        draw: draw ? [draw] : [],
      },
    }, joined, place);
    describe(place, series, value);
    board.drawn.push({chart, isTime: true});
    return chart;
  };
  // What a screen reader says of a chart, and keys for those without a pointer.
  const describe = (place, series, value) => {
    const name = place.dataset.name || place.id;
    const texts = series.map((each) => {
      const values = each.line[1].filter((v) => v !== null && v !== undefined);
      if (!values.length) return `${each.name}: nothing`;
      let least = values[0], most = values[0];
      for (const v of values) { if (v < least) least = v; if (v > most) most = v; }
      return `${each.name}: first ${value(values[0], null)}, last ${value(values[values.length - 1], null)}, least ${value(least, null)}, greatest ${value(most, null)}`;
    });
    place.setAttribute("role", "img");
    place.tabIndex = 0;
    place.setAttribute("aria-label", `${name}. ${texts.join(". ")}. Keys: plus and minus zoom, arrows move, 0 shows all${place.dataset.keys ? `, ${place.dataset.keys}` : ""}.`);
    place.onkeydown = (event) => {
      const {min, max} = board.range, wide = max - min, middle = (min + max) / 2;
      switch (event.key) {
        case "+": case "=": board.zoom(middle - wide / 4, middle + wide / 4); break;
        case "-": case "_": board.zoom(middle - wide, middle + wide); break;
        case "ArrowLeft": board.zoom(min - wide / 4, max - wide / 4); break;
        case "ArrowRight": board.zoom(min + wide / 4, max + wide / 4); break;
        case "0": case "Home": case "Escape": board.reset(); break;
        default: return;
      }
      event.preventDefault();
    };
  };
  // A histogram: edges are one more than counts. value(v): text of an edge.
  const bars = (id, height, {edges, counts}, value) => {
    const place = document.getElementById(id);
    place.textContent = "";
    if (!counts.length) return;
    const middles = counts.map((c, i) => (edges[i] + edges[i + 1]) / 2), wide = edges[1] - edges[0];
    const live = $(`.live[data-for="${id}"]`);
    const up = counts.map((c, i) => middles[i] >= 0 ? c : null), down = counts.map((c, i) => middles[i] < 0 ? c : null);
    const paths = uPlot.paths.bars({size: [0.9, 60]});
    const chart = new uPlot({
      width: place.clientWidth || 500, height, legend: {show: false}, padding: [8, 6, 0, 0], cursor: {drag: {x: false, y: false}, points: {show: false}},
      scales: {x: {time: false, range: () => [edges[0] - wide, edges[edges.length - 1] + wide]}, y: {range: (u, min, max) => [0, max * 1.05 || 1]}},
      axes: [axis({size: 28, space: 80, values: (u, splits) => splits.map((each) => value(each, splits))}), axis({size: 48})],
      series: [{}, {paths, fill: colour("gain"), width: 0, points: {show: false}}, {paths, fill: colour("loss"), width: 0, points: {show: false}}],
      hooks: {setCursor: [(u) => {
        const i = u.cursor.idx;
        if (live) live.textContent = i === null || i === undefined ? "" : `${value(edges[i], null)} to ${value(edges[i + 1], null)}   ${number(counts[i], 0)}`;
      }]},
    }, [middles, up, down], place);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `${place.dataset.name || id}: ${counts.reduce((a, b) => a + b, 0)} values from ${value(edges[0], null)} to ${value(edges[edges.length - 1], null)}`);
    board.drawn.push({chart, isTime: false});
  };

  // Light and dark: the system's choice until the button was used. Paper is light.
  const start = (draw) => {
    board.draw = () => { board.clear(); draw(); };
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const set = (name) => {
      root.dataset.theme = name;
      $("#theme").setAttribute("aria-pressed", String(name === "dark"));
      board.draw();
    };
    const chosen = () => kept("onetape-theme") || (dark.matches ? "dark" : "light");
    $("#theme").addEventListener("click", () => {
      kept("onetape-theme", root.dataset.theme === "dark" ? "light" : "dark");
      set(root.dataset.theme === "dark" ? "light" : "dark");
    });
    dark.addEventListener("change", () => { if (!kept("onetape-theme")) set(chosen()); });
    let waiting = 0, width = innerWidth, before = "";
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(waiting);
      waiting = setTimeout(board.draw, 120);
    });
    addEventListener("beforeprint", () => { before = root.dataset.theme; set("light"); });
    addEventListener("afterprint", () => { if (before) set(before); });
    set(chosen());
  };
  return {hue, dash, mark, root, $, make, data, DASH, missing, number, plus, signed, part, money, short, span, milli, when, shown, form, tone, summed, curve, bisect, define, mean, list, pair, colour, places, pad, around, plot, bars, board, start};
})();
