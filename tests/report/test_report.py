from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.report.report import json_for_script, render_report, thin, write_report
from onetape.report.report_data import Assumption, Fills, Market, ReportData, StressLine

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>{{data}}\u2028&'\""


def load_example():
    spec = importlib.util.spec_from_file_location("example_report", ROOT / "tools" / "example_report.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example


def hostile() -> ReportData:
    data = load_example()(20)
    data.title = data.subtitle = data.currency = data.why_no_orders = HOSTILE
    data.facts = {HOSTILE: HOSTILE, "parameters": {HOSTILE: [HOSTILE]}}
    data.assumptions = [Assumption(HOSTILE, 1, HOSTILE)]
    data.stress = [StressLine(HOSTILE, HOSTILE, 1.0, HOSTILE)]
    data.failures = [HOSTILE]
    data.markets[0].symbol = HOSTILE
    data.stats = {**data.stats, HOSTILE: HOSTILE}
    data.fills.tag = [HOSTILE] * 20
    return data


def embedded(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_asks_nobody_for_anything():
    page = render_report(load_example()())
    assert 20_000 < len(page) < 1_000_000
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert not re.search(r"url\(|@import|XMLHttpRequest|fetch\(|WebSocket|importScripts", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]


def test_hostile_text_stays_text():
    page = render_report(hostile())
    assert page.count("<script") == 3
    assert "owned'</script" not in page
    assert "<img" not in page
    assert embedded(page)["title"] == HOSTILE


def test_what_is_held_and_paid_is_drawn_to_the_end_of_the_run():
    data = load_example()(20)
    value = embedded(render_report(data))
    end = int(data.equity_ts[-1]) // 1_000_000
    for market, shown in zip(data.markets, value["markets"], strict=True):
        times, held = shown["position"]
        assert sum(times) == end > int(market.position_ts[-1]) // 1_000_000
        assert held[-1] == held[-2] == round(float(market.position[-1]), market.size_decimals)
    times, paid = value["fees_paid"]
    assert sum(times) == end and paid[-1] == paid[-2]


def test_equal_runs_give_equal_pages():
    assert render_report(load_example()()) == render_report(load_example()())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_embedded_json_cannot_leave_its_element(value):
    text = json_for_script(value)
    assert not set("<>&\u2028\u2029") & set(text)
    json.loads(text, parse_constant=pytest.fail)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 4000), st.integers(4, 300), st.integers(0, 2**32 - 1))
def test_thinning_keeps_ends_and_extremes(count, points, seed):
    values = np.random.default_rng(seed).normal(size=count).cumsum()
    kept = thin(values, points)
    assert len(kept) == count if count <= points else len(kept) <= points
    assert np.all(np.diff(kept) > 0)
    if count:
        assert kept[0] == 0 and kept[-1] == count - 1
        assert values[kept].max() == values.max() and values[kept].min() == values.min()


def test_a_run_without_orders_says_why_and_still_has_a_page():
    data = ReportData(title="Nothing", why_no_orders="no bar closed before the data ended")
    assert embedded(render_report(data))["why"].startswith("no bar closed")


def many_fills(count):
    ts = np.arange(count, dtype=np.int64) * 10**9
    one = np.ones(count)
    nothing = np.zeros(count, dtype=np.int64)
    fills = Fills(ts, nothing, nothing + 1, one, one, one, one, one > 0, ts // 10**9, ["t"] * count)
    return ReportData(title="x", markets=[Market("a:B/C")], fills=fills)


def test_a_hundred_thousand_fills_are_all_there_and_more_are_thinned_and_counted():
    shown = embedded(render_report(many_fills(100_000)))["fills"]
    assert (shown["total"], shown["step"], len(shown["ts"])) == (100_000, 1, 100_000)
    shown = embedded(render_report(many_fills(250_000)))["fills"]
    assert (shown["total"], shown["step"], len(shown["ts"])) == (250_000, 3, 83_334)
    assert np.cumsum(shown["order"])[:3].tolist() == [0, 3, 6]


def test_columns_in_steps_come_back_exactly():
    data = load_example()(400)
    shown = embedded(render_report(data))["fills"]
    assert np.cumsum(shown["ts"]).tolist() == (data.fills.ts // 10**6).tolist()
    assert np.cumsum(shown["price"]).tolist() == np.rint(data.fills.price * 10).tolist()
    flags = [int(each) for each in shown["flags"]]
    assert [each & 1 for each in flags] == (data.fills.side > 0).tolist()
    assert [each >> 1 & 1 for each in flags] == data.fills.is_maker.tolist()
    # The example buys, then sells: every first fill enters and every second one leaves.
    assert [each >> 2 & 1 for each in flags] == [1, 0] * 200


def test_the_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_report(ReportData(title="x"), path)
    assert path.read_text().startswith("<!doctype html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def browse(page: Path, tmp_path: Path, *, dark: bool = False) -> tuple[str, str, list[str]]:
    """The page's DOM after its scripts, what the console said, and the requests it made."""
    log = tmp_path / "net.json"
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
        "--disable-component-update --disable-sync --enable-logging=stderr --window-size=1360,2400"
    )
    colours = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    places = [f"--user-data-dir={tmp_path}/profile", f"--log-net-log={log}"]
    call = [str(CHROMIUM), *flags.split(), colours, *places, "--dump-dom", page.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    # Only what a page started: the browser's own traffic has no initiator.
    requests = []
    for line in log.read_text().splitlines():
        if '"initiator"' in line:
            params = json.loads(line.rstrip(","))["params"]
            if params["initiator"] != "not an origin" and params["url"].startswith("http"):
                requests.append(params["url"])
    return done.stdout, console, requests


needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)"
)


@needs_chromium
@pytest.mark.parametrize(("name", "dark"), [("example", False), ("hostile", True), ("empty", False)])
def test_a_browser_shows_it_without_errors_or_requests(tmp_path, name, dark):
    data = {"example": load_example(), "hostile": hostile, "empty": lambda: ReportData(title="Empty")}[name]()
    dom, console, request = browse(write_report(data, tmp_path / "report.html"), tmp_path, dark=dark)
    assert console == ""
    assert request == []
    assert 'data-ready="yes"' in dom
    assert f'data-theme="{"dark" if dark else "light"}"' in dom
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title and title[1] != "owned"
    # Equity, drawdown; price, position, leverage, fees; rolling Sharpe, volatility, beta; distribution.
    assert dom.count("<canvas") == (10 if data.markets else 2)
    assert "<img" not in dom


@needs_chromium
def test_the_browser_check_sees_what_it_looks_for(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<script>throw Error("boom")</script><img src="http://127.0.0.1:18089/x.png">')
    _, console, request = browse(page, tmp_path)
    assert "boom" in console
    assert set(request) == {"http://127.0.0.1:18089/x.png"}


@needs_chromium
def test_the_largest_page_is_small_and_drawn_without_complaint(tmp_path):
    # How soon it is made and drawn is measured in bench/report_page.py; what makes it so is here.
    page = write_report(load_example()(100_000, points=1_000_000), tmp_path / "report.html")
    assert page.stat().st_size < 5_000_000
    value = embedded(page.read_text())
    assert len(value["fills"]["ts"]) == 100_000
    lengths = [longest(each) for key, each in value.items() if key != "fills"]
    assert 1000 < max(lengths) <= 4 * 1360  # a few points for each pixel
    dom, console, request = browse(page, tmp_path)
    assert 'data-ready="yes"' in dom and console == "" and request == []


def longest(value) -> int:
    """Of the columns in it."""
    if isinstance(value, dict):
        return max(map(longest, value.values()), default=0)
    if isinstance(value, list):
        return max([len(value), *map(longest, value)])
    return 0


@needs_chromium
def test_every_figure_says_how_it_is_computed_and_charts_speak_to_screen_readers(tmp_path):
    dom, _, _ = browse(write_report(load_example()(), tmp_path / "report.html"), tmp_path)
    notes = re.search(r'<dl id="notes"[^>]*>(.*?)</dl>', dom, re.S)
    assert notes and notes[1].count("<dt>") > 50
    assert dom.count('role="img"') == 10
    assert 'aria-label="Equity. equity: first 10,000.00' in dom
    for head in ("World", "Instrument", "Day (UTC)", "Time (UTC)"):
        assert f'scope="col">{head}</th>' in dom or f'class="left" scope="col">{head}</th>' in dom
