"""The pages in a real browser: how soon they are there, how soon an update is, and what a day of them leaves behind.

Chromium without a screen draws in software: frames are as slow as they can be. The pages' process reads a journal that
is written here as a gateway would.

    python bench/dashboard.py [--only paint,pixel,memory,pan,slider] [--rounds 3] [--hours 24] [--bars 100000]
        [--events 10000000]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from market_tapes import walk_tape
from page_home import FIRST, SECOND, Tape, figure, journal_of, pages_of, percent, run
from time_travel import EVENTS, ROBOT

from onetape.research.backtest import BacktestOptions, run_backtest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from worlds.chromium_pipe import CHROMIUM, Chromium

SYMBOL = "binance:BTC/USDT:USDT"
MARKET = f"market/main/{quote(SYMBOL, safe='')}/1s"
UPDATES, HZ = 100, 10
MOVES = 60  # of the pointer in a drag
PAN_WITHIN_S = 180.0
THERE = "!!document.querySelector('.panel') && !document.querySelector('.loading')"

# Noted before the page's own scripts run. What a function was called for is on the screen once a message that was
# posted in the frame's callbacks arrives.
NOTES = """
window.notes = {first: 0, dom: [], canvas: [], seen: {}};
const clock = () => performance.timeOrigin + performance.now();
const painted = (call) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => call(clock());
  channel.port2.postMessage(0);
});
const note = (kind, value) => {
  if (notes.seen[kind] === value) return;
  notes.seen[kind] = value;
  painted((at) => notes[kind].push([value, at]));
};
new MutationObserver(() => {
  if (!notes.first && document.querySelector('.panel') && !document.querySelector('.loading'))
    painted(() => (notes.first ||= performance.now()));
  const price = document.querySelector('.panel.chart .price');
  if (price) note('dom', price.innerText.split(' / ')[0]);
}).observe(document, {subtree: true, childList: true, characterData: true});
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
  if (/^\\d+\\.\\d*3$/.test(text)) note('canvas', text);
  return write.call(this, text, ...more);
};
const Own = window.WebSocket;
window.WebSocket = class extends Own { constructor(...call) { super(...call); window.socket = this; } };
"""


class Page(Chromium):
    """A browser that has nothing kept, on an empty page; `visit` opens the pages."""

    def __init__(self, folder: Path) -> None:
        super().__init__("about:blank", folder, ready="true")

    def visit(self, link: str) -> None:
        self.call("Page.addScriptToEvaluateOnNewDocument", source=NOTES)
        self.url, self.ready = link, THERE
        self.open()

    def go(self, place: str) -> None:
        self.js(f"location.hash = {place!r}")

    def value(self, expression: str) -> Any:
        """Of what it promises."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise SystemExit(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def left(self) -> dict[str, float]:
        """What is kept after everything was collected that can be."""
        for _ in range(2):
            self.call("HeapProfiler.collectGarbage")
        heap, counts = self.call("Runtime.getHeapUsage"), self.call("Memory.getDOMCounters")
        return {"heap": heap["usedSize"] / 1e6, "nodes": counts["nodes"], "listeners": counts["jsEventListeners"]}


def paint(inputs: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder, firsts, figures, sizes = Path(name), [], [], []
        tape = Tape(journal_of(folder))
        tape.past(600, time.time_ns(), SECOND)
        with pages_of(folder) as pages:
            for number in range(inputs.rounds):
                with Page(folder / str(number)) as page:
                    page.visit(pages.link)
                    page.wait("notes.first > 0")
                    painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                    firsts.append(page.js(painted) / 1000)
                    figures.append(page.js("notes.first") / 1000)
                    sizes.append(
                        page.js(
                            "['resource', 'navigation'].flatMap((each) => performance.getEntriesByType(each))"
                            ".reduce((sum, each) => sum + each.transferSize, 0)"
                        )
                    )
    return [
        figure("pages: first paint, nothing kept", median(firsts), "s", 0.8),
        figure("pages: first figures on the screen", median(figures), "s", None),
        figure("pages: over the wire for it", max(sizes) / 1000, "kB", 300),
    ]


def pixel(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Each update is a price of its own; one that the page has passed over is there with the next."""
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = Tape(journal_of(folder))
        bid = FIRST
        tape.tick(bid)
        with pages_of(folder) as pages, Page(folder / "browser") as page:
            page.visit(pages.link)
            page.go(MARKET)
            page.wait("notes.dom.length > 0")
            written = []
            for _ in range(UPDATES):
                bid += 10
                written.append((bid, tape.tick(bid) / 1e6))
                time.sleep(dice.uniform(0.5, 1.5) / HZ)  # in no step with whoever looks
            time.sleep(1)
            notes = page.js("notes")
    spans = {kind: spans_of(written, notes[kind]) for kind in ("dom", "canvas")}
    return [
        figure(f"pages: update to pixel at {HZ} Hz, {what}, {word}", percent(spans[kind], which), "ms", reach)
        for kind, what in (("dom", "a price"), ("canvas", "its bar"))
        for which, word, reach in ((50, "p50", None), (95, "p95", 200.0))
    ]


def spans_of(written: list[tuple[int, float]], noted: list[list[Any]]) -> list[float]:
    """ms from each bid's frame until it, or a later one, was painted."""
    shown = sorted(
        (at, round(float(text) * 10 ** len(text.partition(".")[2]))) for text, at in noted if text[0].isdigit()
    )
    return [
        next((at for at, value in shown if value >= bid and at >= began), began + 10_000) - began
        for bid, began in written
    ]


TEN_MINUTES = """
(async (name, minute) => {
  // Ten minutes of updates as the server would send them, one of them between two frames.
  const say = (message) => socket.onmessage({data: JSON.stringify(message)});
  const two = (n) => n.toFixed(2);
  const begin = Math.floor(Date.now() / 60000) * 60 + 60 * (minute + 1);
  const facts = {side: 'buy', qty: '1', robot: 'q', tag: '', trigger: null, state: 'ACCEPTED', fee_currency: 'USDT'};
  let bars = [];
  for (let s = begin; s < begin + 600; s++) {
    const price = 60000 + 100 * Math.sin(s / 500), at = 1000 * s, n = s % 3600;
    const levels = (sign) => Array.from({length: 12}, (_, k) => [two(price + sign * k), '1.00']);
    bars.push([s, price, price, price, price]);
    const market = {bids: levels(-1), asks: levels(1), mark: two(price), funding: 1e-4, is_stale: false, time: at};
    if (s % 4 === 0) say({topic: `market|${name}`, at, data: market});
    if (s % 10 === 0) {
      const trade = (_, k) => [at - k, two(price), '1.00', k % 2 ? 'buy' : 'sell'];
      say({topic: `trades|${name}`, at, data: Array.from({length: 40}, trade)});
      const order = {...facts, id: s, client_id: `o${s}`, type: 'limit', price: two(price - 5), filled: '0'};
      say({topic: `lines|${name}`, at, data: {orders: [order], positions: [], stops: []}});
    }
    const fill = {...facts, kind: 'fill', account: 'main', symbol: name.split('|')[1], sequence: s, id: String(s)};
    if (s % 5 === 0) say({events: [{...fill, price: two(price), fee: '0.1', liquidity: 'maker', ts_event: at}]});
    if (s % 60 === 59) {
      say({topic: `bars|${name}|1s`, at, data: {first: begin, bars}});
      bars = bars.slice(-1);
      say({beat: at, at: {}});
      await new Promise((done) => setTimeout(done));
    }
  }
})
"""


def memory(inputs: argparse.Namespace) -> list[dict[str, Any]]:
    """Hours of updates through the page's own connection, and each hour once through other pages and back."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = Tape(journal_of(folder))
        tape.past(600, time.time_ns(), SECOND)
        with pages_of(folder) as pages, Page(folder / "browser") as page:
            page.visit(pages.link)
            kept = []
            for hour in range(inputs.hours):
                page.go(MARKET)
                page.wait("!!document.querySelector('.canvas canvas') && !document.querySelector('.loading')")
                for minute in range(60 * hour, 60 * hour + 60, 10):
                    page.value(f"({TEN_MINUTES})({json.dumps(f'main|{SYMBOL}')}, {minute})")
                for place in ("overview", "portfolio", "system"):
                    page.go(place)
                    page.wait("!document.querySelector('.canvas canvas') && !!document.querySelector('.panel')")
                kept.append(page.left())
    early, late = kept[len(kept) // 4], kept[-1]
    return [
        figure("pages: memory after a day", late["heap"], "MB", None),
        figure("pages: memory grown from its sixth hour to its last", late["heap"] - early["heap"], "MB", 1.0),
        figure("pages: listeners grown in that time", late["listeners"] - early["listeners"], "", 0.0),
        figure("pages: nodes grown in that time", late["nodes"] - early["nodes"], "", 50.0),
    ]


FRAMES = """
new Promise((done) => {
  const at = [];
  const next = (time) => (at.push(time), window.isDragged ? requestAnimationFrame(next) : done(at));
  window.isDragged = true;
  requestAnimationFrame(next);
})
"""
CHART = "document.querySelector('.canvas')"


class Dragging:
    """A chart, dragged to the right and back to where the pointer began."""

    def __init__(self, page: Page) -> None:
        self.page = page
        size = f"(({{left, top, width, height}}) => [left, top, width, height])({CHART}.getBoundingClientRect())"
        left, top, width, height = page.js(size)
        self.left, self.right, self.middle = left + 20, left + width - 120, top + height / 2

    @property
    def bars(self) -> int:
        return int(self.page.js(f"Number({CHART}.dataset.bars ?? 0)"))

    def wheel(self, by: float) -> None:
        self.page.call("Input.dispatchMouseEvent", type="mouseWheel", x=self.left, y=self.middle, deltaX=0, deltaY=by)

    @property
    def busy_s(self) -> float:
        """Of the processor, in the page's own thread."""
        metrics = self.page.call("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def drag(self, times: int, *, is_back: bool = False) -> list[float]:
        """Returns ms between frames while it moves."""
        page, spans = self.page, list[float]()
        for _ in range(times):
            begin, end = (self.right, self.left) if is_back else (self.left, self.right)
            page.mouse("mouseMoved", begin, self.middle)
            page.mouse("mousePressed", begin, self.middle, held=True)
            page.js(f"void (window.frames_seen = {FRAMES})")
            for part in range(1, MOVES + 1):
                page.mouse("mouseMoved", begin + (end - begin) * part / MOVES, self.middle, held=True)
            page.js("void (window.isDragged = false)")
            at = page.value("window.frames_seen")
            page.mouse("mouseReleased", end, self.middle)
            spans += [after - before for before, after in pairwise(at)]
        return spans


def pan(inputs: argparse.Namespace) -> list[dict[str, Any]]:
    """Bars of a second, dragged into the past until so many are there; then to and fro, a bar six pixels wide and as
    narrow as it gets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = Tape(journal_of(folder))
        tape.past(inputs.bars + 5000, time.time_ns(), SECOND)
        with pages_of(folder) as pages, Page(folder / "browser") as page:
            page.visit(pages.link)
            page.go(MARKET)
            page.wait(f"Number({CHART}?.dataset.bars ?? 0) >= 600")
            page.call("Performance.enable", timeDomain="threadTicks")
            dragging, spans = Dragging(page), dict[str, list[float]]()
            for _ in range(30):
                dragging.wheel(400)  # away: as narrow as it gets
            began, spans["while it reads"] = time.perf_counter(), []
            while dragging.bars < inputs.bars:
                spans["while it reads"] += dragging.drag(1)
                if time.perf_counter() - began > PAN_WITHIN_S:
                    raise SystemExit(f"{dragging.bars} bars after {PAN_WITHIN_S:.0f} s")
            read_s = time.perf_counter() - began
            busy_s = dragging.busy_s
            spans["narrow bars"] = [*dragging.drag(4, is_back=True), *dragging.drag(4)]
            for _ in range(12):
                dragging.wheel(-400)
            spans["wide bars"] = [*dragging.drag(4, is_back=True), *dragging.drag(4)]
            busy_ms = 1000 * (dragging.busy_s - busy_s) / sum(map(len, list(spans.values())[1:]))
            found = [figure("pages: bars that were dragged into view", dragging.bars, "bars", None)]
    found[0]["better"] = "more"
    found.append(figure("pages: processor of the page's thread, a frame of panning", busy_ms, "ms", 20.0))
    for what, each in spans.items():
        fps = figure(f"pages: panning {inputs.bars} bars, {what}", 1000 * len(each) / sum(each), "fps", 50.0)
        longest = figure(
            f"pages: panning {inputs.bars} bars, {what}, p99 between frames", percent(each, 99), "ms", None
        )
        found += [{**fps, "better": "more"}, longest]
    return [*found, figure("pages: to drag and read so many bars", read_s, "s", None)]


# Moves the thumb, and waits until the screen has the moment in both: in words and as the end of the bars.
SLIDE = """
(async (ms) => {
  const slider = document.querySelector('#moment input[type=range]');
  const began = performance.now();
  slider.value = ms;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
  const wanted = Number(slider.value); // at most a quote before it is where it stands then
  const is = (text) => Math.abs(Date.parse(`${(text ?? '').replace(' ', 'T').slice(0, 23)}Z`) - wanted) < 50;
  const frame = () => new Promise(requestAnimationFrame), took = [];
  for (const there of [() => is(document.querySelector('#moment h2').innerText),
                       () => is(document.querySelector('#moment-bars .canvas')?.dataset.moment)]) {
    while (!there()) await frame();
    await new Promise(painted);
    took.push(performance.now() - began);
  }
  return took;
})
"""
STEPS = 40


def slider(inputs: argparse.Namespace) -> list[dict[str, Any]]:
    """A run of a robot in Python over so many quotes, at its middle: the thumb a notch on and back, and anywhere that
    it has been; all until it is on the screen."""
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "robot.py").write_text(ROBOT)
        run_backtest(
            BacktestOptions(
                strategy=str(folder / "robot.py"),
                data=[walk_tape(inputs.events)],
                home=folder / ".onetape",
                out="day",
                write_report=False,
                cash="10000000 USDT",
            )
        )
        with pages_of(folder) as pages, Page(folder / "browser") as page:
            page.visit(pages.link)
            began = time.perf_counter()
            page.go("time/day")
            page.wait("!!document.querySelector('#moment-bars .canvas')?.dataset.moment")
            opened = time.perf_counter() - began
            low, high, notch = page.js(
                "(({min, max, step}) => [min, max, step].map(Number))(document.querySelector('#moment input'))"
            )
            place = low + (high - low) / 2 // notch * notch
            took: dict[str, list[list[float]]] = {"first look there": [page.value(f"({SLIDE})({place})")]}
            moves = {"a notch on": [1] * STEPS, "a notch back": [-1] * STEPS}
            for what, notches in moves.items():
                took[what] = []
                for each in notches:
                    place += each * notch
                    took[what].append(page.value(f"({SLIDE})({place})"))
            been = [low + round(share * (high - low) / notch) * notch for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
            for anywhere in been:
                page.value(f"({SLIDE})({anywhere})")
            took["to where it has been"] = [page.value(f"({SLIDE})({dice.choice(been)})") for _ in range(STEPS)]
            took["anywhere"] = [
                page.value(f"({SLIDE})({low + dice.randrange(int((high - low) / notch)) * notch})")
                for _ in range(STEPS // 2)
            ]
    return [figure(f"pages: the time page of {inputs.events} events, opened", opened, "s", None)] + [
        figure(
            f"pages: slider, {what}, {part}, {word}",
            percent([at[index] for at in each], which),
            "ms",
            100.0 if "notch" in what else None,
        )
        for what, each in took.items()
        for index, part in enumerate(("state", "and bars"))
        for which, word in ((50, "p50"), (95, "p95"))
    ]


PARTS = {"paint": paint, "pixel": pixel, "memory": memory, "pan": pan, "slider": slider}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--bars", type=int, default=100_000)
    if CHROMIUM is None:
        raise SystemExit("no chromium (apt install --no-install-recommends chromium)")
    run(parser, PARTS)


if __name__ == "__main__":
    main()
