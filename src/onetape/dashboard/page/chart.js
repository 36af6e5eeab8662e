// A chart of bars with lines and marks, over TradingView's Lightweight Charts: what the page knows of it.
import { CandlestickSeries, LineSeries, createChart, createSeriesMarkers } from "./third_party/lightweight-charts.js";

const two = (value) => String(value).padStart(2, "0");
const clock = (s, seconds) => {
  const at = new Date(1000 * s);
  return `${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`;
};
const date = (s) => {
  const at = new Date(1000 * s);
  return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
};

const role = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** What all charts share: axes, and colours that follow the theme. */
class Drawn {
  constructor(box, secondsVisible, options = {}) {
    this.box = box;
    this.chart = createChart(box, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, fontFamily: role("num"), background: { color: "transparent" } },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.08 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible, tickMarkFormatter: (time, kind) => (kind < 3 ? date(time) : clock(time, kind === 4)), ...options },
      localization: { timeFormatter: (time) => `${date(time)} ${clock(time, true)}` },
      crosshair: { mode: 0 },
    });
    this.paint = () => this.colours();
    this.watch = new MutationObserver(this.paint);
    this.watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", this.paint);
  }

  colours() {
    const line = role("line");
    this.chart.applyOptions({ layout: { textColor: role("soft") }, grid: { vertLines: { color: line }, horzLines: { color: line } } });
  }

  close() {
    this.watch.disconnect();
    this.media.removeEventListener("change", this.paint);
    this.chart.remove();
    // What was asked for before may come now: a chart that is gone takes nothing.
    for (const name of ["set", "update", "lines", "line", "markers", "colours"]) this[name] = () => true;
  }
}

const BARS_MIN = 2000; // that a chart has room for

export class Chart extends Drawn {
  constructor(box, decimals) {
    super(box, true, { rightOffset: 6 });
    this.bars = [];
    this.most = BARS_MIN;
    this.shown = new Map(); // key -> {line, text}
    this.fills = [];
    this.series = this.chart.addSeries(CandlestickSeries, { priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals }, borderVisible: false, priceLineStyle: 1 });
    this.marks = createSeriesMarkers(this.series, []);
    this.colours();
  }

  colours() {
    super.colours();
    this.series.applyOptions({ upColor: role("gain"), downColor: role("loss"), wickUpColor: role("gain"), wickDownColor: role("loss") });
    for (const [key, { spec }] of [...this.shown]) this.line(key, spec, true);
    this.markers(this.fills);
  }

  /** rows: (s UTC, open, high, low, close), oldest first. */
  set(rows) {
    this.most = Math.max(2 * rows.length, BARS_MIN);
    this.bars = rows.map(([time, open, high, low, close]) => ({ time, open, high, low, close }));
    this.series.setData(this.bars);
    this.markers(this.fills);
  }

  /** Takes the newest bars. False: one between is missing, all have to be read anew. */
  update(rows) {
    if (!rows.length) return true;
    const newest = this.bars.at(-1);
    if (!newest || rows[0][0] > newest.time) return false;
    let last = newest.time;
    for (const [time, open, high, low, close] of rows) {
      if (time < last) continue;
      const bar = { time, open, high, low, close };
      if (time === last) this.bars[this.bars.length - 1] = bar;
      else this.bars.push(bar);
      last = time;
      this.series.update(bar);
    }
    if (this.bars.length > this.most) {
      this.bars = this.bars.slice(-this.most / 2); // a page stays open for days
      this.series.setData(this.bars);
      this.markers(this.fills);
    }
    return true;
  }

  lines(wanted) {
    for (const [key, { line }] of this.shown) {
      if (key in wanted) continue;
      this.series.removePriceLine(line);
      this.shown.delete(key);
    }
    for (const [key, spec] of Object.entries(wanted)) this.line(key, spec);
  }

  line(key, spec, painted = false) {
    const text = JSON.stringify(spec);
    const had = this.shown.get(key);
    if (had?.text === text && !painted) return;
    const options = { price: Number(spec.price), title: spec.title, color: role(spec.role), lineWidth: 1, lineStyle: spec.dash ? 2 : 0, axisLabelVisible: spec.role !== "look" };
    if (had) had.line.applyOptions(options);
    this.shown.set(key, { line: had?.line ?? this.series.createPriceLine(options), text, spec });
  }

  markers(fills) {
    this.fills = fills;
    if (!this.bars.length) return;
    const first = this.bars[0].time;
    const step = this.bars.length > 1 ? Math.min(...this.bars.slice(1, 20).map((bar, index) => bar.time - this.bars[index].time)) : 1;
    this.marks.setMarkers(
      fills
        .map((each) => ({ each, time: Math.floor(each.ts_event / 1000 / step) * step }))
        .filter(({ time }) => time >= first)
        .map(({ each, time }) => ({ time, id: String(each.sequence), position: each.side === "buy" ? "atPriceBottom" : "atPriceTop", price: Number(each.price), shape: each.side === "buy" ? "arrowUp" : "arrowDown", color: role(each.side === "buy" ? "bid" : "ask"), size: 0.5 }))
    );
    this.box.dataset.markers = String(fills.length);
  }
}

const SERIES = ["link", "ask", "gain", "look", "soft", "act"];

/** Lines over time, in the colours of `.line-0` to `.line-5`. */
export class Lines extends Drawn {
  constructor(box) {
    super(box, false);
    this.series = [];
    this.colours();
  }

  colours() {
    super.colours();
    this.series.forEach((each, index) => each.applyOptions({ color: role(SERIES[index % SERIES.length]) }));
  }

  /** lines: [{name, points: (ms UTC, value) by time}] */
  set(lines) {
    while (this.series.length > lines.length) this.chart.removeSeries(this.series.pop());
    while (this.series.length < lines.length) this.series.push(this.chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false }));
    lines.forEach(({ points }, index) => {
      const byTime = new Map(points.map(([at, value]) => [Math.floor(at / 1000), value]));
      this.series[index].setData([...byTime].map(([time, value]) => ({ time, value })));
    });
    this.colours();
    this.chart.timeScale().fitContent();
  }
}
