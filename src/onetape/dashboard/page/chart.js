// A chart of bars with lines and marks. The only file that uses TradingView's Lightweight Charts.
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

/** The common part of all charts: axes, and colours that follow the theme. */
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
    // Answers to earlier requests may arrive now: a closed chart ignores them.
    this.isOver = true;
    for (const name of ["set", "update", "lines", "line", "markers", "colours", "older", "tell"]) this[name] = () => true;
  }
}

const BARS_MIN = 2000; // a chart has room for at least so many bars
const FIRST = 600; // bars that are read at first, at least
const PAGE_MAX = 10000; // bars read at a time
const AHEAD = 300; // bars to the left of the view that are read in advance

/** The text of a mark: a fill, or several of one bar and side. profit: of the round trip that it ended. */
const words = ({ side, price, count, qty, size, tag, robot, profit }) => {
  const what = `${side} ${qty ?? size ?? ""} at ${price}`.replace("  ", " ");
  const many = count > 1 ? `${count} fills: ${what} on average` : what;
  return [many, tag || robot, profit && `round trip ${profit}`].filter(Boolean).join(" · ");
};

const NOTES_MAX = 8; // lines

const barOf = ([time, open, high, low, close]) => ({ time, open, high, low, close });

export class Chart extends Drawn {
  constructor(box, decimals) {
    super(box, true, { rightOffset: 6 });
    this.bars = [];
    this.most = BARS_MIN;
    this.past = []; // marks of earlier own fills
    this.page = this.marksOf = this.failed = null;
    this.more = this.isReading = false;
    this.sequence = undefined; // up to which own fills are among the marks
    this.shown = new Map(); // key -> {line, text}
    this.fills = [];
    this.trips = [];
    this.series = this.chart.addSeries(CandlestickSeries, { priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals }, borderVisible: false, priceLineStyle: 1 });
    this.marks = createSeriesMarkers(this.series, []);
    this.notes = new Map(); // s UTC -> lines about the fills there
    this.note = box.appendChild(document.createElement("div"));
    this.note.className = "tip";
    this.note.hidden = true;
    this.chart.subscribeCrosshairMove(({ time, point }) => this.tell(this.notes.get(time), point));
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
    this.put(rows.map(barOf));
  }

  put(bars) {
    this.most = Math.max(2 * bars.length, BARS_MIN);
    this.bars = bars;
    this.series.setData(bars);
    this.markers(this.fills);
    this.box.dataset.bars = String(bars.length);
  }

  /** Shows the newest bars, and those before as they come into view. page(before, count) reads so many before a time
   * (s UTC, "": the newest) and promises {bars, more}; marks(from, before) those of own fills: {marks, sequence}. */
  follow(page, marks, failed) {
    Object.assign(this, { page, marksOf: marks, failed, more: true, isReading: false });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.older());
    this.older();
  }

  /** Reads the missing bars, one page after the other. */
  async older() {
    if (this.isReading || !this.page) return;
    this.isReading = true;
    try {
      while (!this.isOver && this.more && this.lacks()) {
        const before = this.bars[0]?.time ?? "";
        const answer = await this.page(before, Math.min(Math.max(this.bars.length, FIRST), PAGE_MAX));
        if (this.isOver) return;
        this.more = answer.more;
        if (!answer.bars.length) continue;
        this.put([...answer.bars.map(barOf), ...this.bars]);
        this.mark(answer.bars[0][0], before);
      }
    } catch (error) {
      if (!this.isOver) this.failed(error.message);
    }
    this.isReading = false;
  }

  lacks() {
    return this.bars.length < FIRST || (this.chart.timeScale().getVisibleLogicalRange()?.from ?? 0) < AHEAD;
  }

  async mark(from, before) {
    const { marks, sequence } = await this.marksOf(from, before).catch(() => ({ marks: [], sequence: 0 }));
    if (this.isOver) return;
    this.past = [...marks.map(([time, side, price, count, size]) => ({ time, side, price: this.series.priceFormatter().format(price), count, size })), ...this.past];
    if (before === "") this.sequence = sequence; // from there on they come as events
    this.markers(this.fills);
  }

  /** Reads the newest bars anew: some between are missing. */
  async renew() {
    if (this.isReading || !this.page) return;
    this.isReading = true;
    const { bars, more } = await this.page("", FIRST).catch(() => ({ bars: [], more: true }));
    this.isReading = false;
    if (this.isOver || !bars.length) return;
    const kept = this.bars.length && bars[0][0] <= this.bars.at(-1).time ? this.bars.filter((bar) => bar.time < bars[0][0]) : [];
    if (!kept.length) Object.assign(this, { more, past: [] });
    this.put([...kept, ...bars.map(barOf)]);
    if (!kept.length) this.mark(bars[0][0], "");
    this.older();
  }

  /** Takes the newest bars. False: one between is missing. */
  update(rows) {
    if (!rows.length) return true;
    const newest = this.bars.at(-1);
    if (!newest || rows[0][0] > newest.time) return false;
    let last = newest.time;
    for (const bar of rows.map(barOf)) {
      const { time } = bar;
      if (time < last) continue;
      if (time === last) this.bars[this.bars.length - 1] = bar;
      else this.bars.push(bar);
      last = time;
      this.series.update(bar);
    }
    if (this.bars.length > this.most) {
      const first = this.bars.at(-this.most / 2).time; // a page stays open for days
      this.past = this.past.filter((each) => each.time >= first);
      this.more = true;
      this.put(this.bars.slice(-this.most / 2));
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

  /** trips: round trips that ended, {at (ms UTC), side that closed it, profit as text}. */
  markers(fills, trips = this.trips) {
    Object.assign(this, { fills, trips });
    if (!this.bars.length) return;
    const first = this.bars[0].time;
    const step = this.bars.length > 1 ? Math.min(...this.bars.slice(1, 20).map((bar, index) => bar.time - this.bars[index].time)) : 1;
    const late = fills.filter((each) => !(each.sequence <= this.sequence)).map((each) => ({ ...each, time: Math.floor(each.ts_event / 1000 / step) * step, count: 1 }));
    const all = [...this.past, ...late].filter(({ time }) => time >= first).sort((one, other) => one.time - other.time);
    this.marks.setMarkers(all.map(({ time, side, price }, index) => ({ time, id: String(index), position: side === "buy" ? "atPriceBottom" : "atPriceTop", price: Number(price), shape: side === "buy" ? "arrowUp" : "arrowDown", color: role(side === "buy" ? "bid" : "ask"), size: 0.5 })));
    this.box.dataset.markers = String(all.reduce((sum, { count }) => sum + count, 0));
    this.notes.clear();
    const profits = new Map();
    for (const { at, side, profit } of trips) {
      const place = `${Math.floor(at / 1000 / step) * step} ${side}`;
      profits.set(place, [...(profits.get(place) ?? []), profit]);
    }
    for (const each of all) this.notes.set(each.time, [...(this.notes.get(each.time) ?? []), words({ ...each, profit: profits.get(`${each.time} ${each.side}`)?.join(", ") })]);
  }

  /** Shows the texts of the marks at the pointer. */
  tell(lines, point) {
    this.note.hidden = !lines || !point;
    if (!lines || !point) return;
    this.note.textContent = [...lines.slice(0, NOTES_MAX), ...(lines.length > NOTES_MAX ? [`${lines.length - NOTES_MAX} more`] : [])].join("\n");
    const left = point.x < this.box.clientWidth / 2;
    Object.assign(this.note.style, { left: left ? `${point.x + 14}px` : "", right: left ? "" : `${this.box.clientWidth - point.x + 14}px`, top: `${Math.min(point.y + 8, Math.max(0, this.box.clientHeight - this.note.offsetHeight - 28))}px` });
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

  /** lines: [{name, points: (ms UTC, value or null in a gap) by time}] */
  set(lines) {
    while (this.series.length > lines.length) this.chart.removeSeries(this.series.pop());
    while (this.series.length < lines.length) this.series.push(this.chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false }));
    lines.forEach(({ points }, index) => {
      const byTime = new Map(points.map(([at, value]) => [Math.floor(at / 1000), value]));
      this.series[index].setData([...byTime].map(([time, value]) => (value === null ? { time } : { time, value })));
    });
    this.colours();
    requestAnimationFrame(() => this.isOver || this.chart.timeScale().fitContent()); // once it has its width
  }
}
