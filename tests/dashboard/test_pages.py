"""The pages in a real browser, before a real `up` on a simulated exchange: what is done there is seen here, and back.
One home for all; each test leaves it as it was."""

from __future__ import annotations

import json
import os
import signal
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import pytest

from long_form import LONG
from onetape.model.home import gateway_journal
from onetape.model.time import format_time
from waiting import wait_for
from worlds.chromium_pipe import CHROMIUM, Chromium
from worlds.pages import AXE, HOSTILE, MANY, PAGES, POISON, confirm, faults_of_access, fill_in, go, page_of, press, text
from worlds.supervised import Home

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)")

SYMBOL = "binance:BTC/USDT:USDT"
MARKET = "market/main/binance%3ABTC%2FUSDT%3AUSDT/1s"
QUOTER = """
import sys

from onetape import Strategy


class Quoter(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    lots: int = 0  # <b>so many</b> are held
    note: str = HOSTILE
    below: float = 2000.0  # quote units under the market, where a bid stands

    def on_start(self):
        self.memory[HOSTILE] = HOSTILE
        print(HOSTILE, file=sys.stderr)
        self.subscribe(self.symbol, quotes=True, book=True)
        self.set_timer("act", every="50ms")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        if quote is None:
            return
        orders = self.orders(self.symbol)
        missing = self.lots * 0.01 - self.position(self.symbol).qty
        if abs(missing) > 0.001 and not any(each.type == "market" for each in orders):
            (self.buy if missing > 0 else self.sell)(self.symbol, abs(missing))
        price = round(quote.bid - self.below, -2)
        bids = [each for each in orders if each.type == "limit"]
        for each in bids:
            if abs(each.price - price) > 150:
                self.cancel(each)
        if not bids:
            self.buy(self.symbol, 0.02, price)
""".replace("HOSTILE", repr(HOSTILE))
SIGNALLER = """
from onetape import Strategy


class Signaller(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="200ms")

    def on_timer(self, name):
        if (quote := self.quote(self.symbol)) is None:
            return
        self.seen += 1
        signal = self.signal(self.symbol, "buy", why=HOSTILE)
        if self.seen == 1:
            self.set_target(self.symbol, self.size, signal=signal)
            self.buy(self.symbol, 900, quote.bid)
""".replace("HOSTILE", repr(HOSTILE))
CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[guardian]
[recorder]
[dashboard]
port = 0
[robots.q]
strategy = "maker.py:Quoter"
account = "main"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with Home(tmp_path_factory.mktemp("pages"), CONFIG, QUOTER) as made:
        state = made.run("up")
        assert state["dashboard"].startswith("http://127.0.0.1:")
        yield made
        made.run("down")


@pytest.fixture(scope="module")
def page(home, tmp_path_factory):
    with page_of(home, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def change(page: Chromium, name: str, value: str) -> None:
    go(page, "robots/q")
    fill_in(page, f"#p-{name}", value)
    press(page, "Preview ...")
    confirm(page, "Change")


def test_a_parameter_is_changed_with_a_preview_the_next_quote_moves_and_undo_takes_it_back(home, page):
    def bids() -> list[float]:
        return [float(each["price"]) for each in home.run("orders") if each["type"] == "limit"]

    (before,) = wait_for(lambda: len(found := bids()) == 1 and found)
    go(page, "robots/q")
    fill_in(page, "#p-below", "3000")
    press(page, "Preview ...")
    page.wait("document.querySelector('dialog')?.innerText.includes('3000')")
    confirm(page, "Change")
    wait_for(lambda: (found := bids()) and found[0] < before - 500, bids)
    press(page, "Undo")
    wait_for(lambda: (found := bids()) and found[0] > before - 500, bids)
    assert "so many" in text(page, "#parameters")


def test_a_fill_is_a_marker_and_a_row_within_a_second(home, page):
    change(page, "lots", "1")
    go(page, MARKET)
    page.wait("document.querySelectorAll('#fills tbody tr').length >= 1")
    page.wait("Number(document.querySelector('.canvas')?.dataset.markers) >= 1")
    before = page.js("document.querySelectorAll('#fills tbody tr').length")
    markers = page.js("Number(document.querySelector('.canvas').dataset.markers)")
    page.js(
        f"new MutationObserver(() => {{ if (document.querySelectorAll('#fills tbody tr').length > {before}"
        f" && Number(document.querySelector('.canvas').dataset.markers) > {markers}) window.seen ??= Date.now() }})"
        ".observe(document.body, {subtree: true, childList: true, attributes: true})"
    )
    home.run("send", "robot:q", "params", "lots=2")
    page.wait("!!window.seen")
    if LONG:  # a machine that has more to do takes its time
        newest = max(each["ts_event"] for each in home.fills()) / 1e6
        assert page.js("window.seen") - newest < 1000
    page.wait("document.querySelector('#position')?.innerText.includes('0.02')")
    page.wait("document.querySelector('#orders')?.innerText.includes('stop market')")
    home.run("send", "robot:q", "params", "lots=0")
    page.wait("document.querySelector('#position')?.innerText.includes('Nothing is held')")


def test_an_order_on_the_ladder_says_about_how_much_stands_before_it(home, page):
    go(page, MARKET)
    page.wait("document.querySelectorAll('#depth tr.bid').length > 5")
    assert "Best prices only" not in text(page, "#depth")
    row = "[...document.querySelectorAll('#depth tr.bid')].find(row => row.innerText.includes('ahead'))?.innerText"
    price = ""

    def cancel_all() -> None:  # those of tests before this one, too
        for each in home.run("orders"):
            if each["robot"] == "operator":
                home.run("cancel", each["client_id"])

    def is_sound() -> bool:
        """What stands before it and the level are told apart: for a moment they may be of two books."""
        nonlocal price
        bids = page.js("[...document.querySelectorAll('#depth tr.bid')].map(row => row.children[1].innerText)")
        if price not in bids or not any(each["robot"] == "operator" for each in home.run("orders")):
            # The market has risen until it is out of sight, or has fallen to it: another one, in the middle.
            cancel_all()
            price = bids[len(bids) // 2]
            home.run("buy", SYMBOL, "0.01", "--price", price, "--post-only")
        words = (page.js(row) or "").split()
        is_whole = len(words) == 7 and words[0] == "about" and words[4] == "0.010" and words[5] == price
        return is_whole and 0 <= Decimal(words[1]) <= Decimal(words[6])

    wait_for(is_sound, lambda: page.js(row))
    assert page.js("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.depth'))")
    cancel_all()
    page.wait(f"!{row}")


def test_the_kill_switch_is_tripped_with_a_typed_word_and_lifted_and_its_alert_acknowledged(home, page):
    go(page, "guardian")
    press(page, "Kill switch ...")
    page.wait("[...document.querySelectorAll('dialog button')].at(-1)?.disabled === true")  # the word is missing
    confirm(page, "Stop trading", "kill")
    page.wait("document.querySelector('#kill')?.innerText.includes('stopped: by the page')")
    home.run(
        "send", "gateway", "halt", "scope=system", "reason=</script><img src=x onerror=taken=1>{{7*7}}", "until=1h"
    )
    page.wait("/in 59 min|in 60 min/.test(document.querySelector('#halts')?.innerText)")
    page.wait("document.querySelector('#alerts')?.innerText.includes('{{7*7}}')")  # hostile words are words
    assert page.js("document.querySelectorAll('main img').length") == 0
    press(page, "Acknowledge", "#alerts")
    page.wait("document.querySelector('#alerts')?.innerText.includes('acknowledged by dashboard')")
    press(page, "Lift ...", "#halts")
    confirm(page, "Lift", "lift")
    page.wait("document.querySelector('#halts')?.innerText.includes('Nothing is halted')")
    press(page, "Lift ...", "#kill")
    confirm(page, "Lift", "lift")
    page.wait("document.querySelector('#kill')?.innerText.includes('stopped') === false")
    assert page.js("document.title") == "Guardian · onetape"
    home.run("send", "gateway", "ping")


def test_the_slider_shows_the_moment_that_replay_shows_and_its_link_leads_there_again(home, page):
    run = next(each.parent.name for each in sorted((home.home / "runs").glob("*/run.toml")))
    go(page, f"time/{run}")
    page.wait("document.querySelector('#moment')?.innerText.includes('frame') && !!document.querySelector('#had dd')")
    page.js(
        "(() => { const e = document.querySelector('#moment input[type=range]'); e.value = (+e.min + +e.max) / 2;"
        " e.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    page.wait("document.querySelector('#moment').getAttribute('aria-busy') === 'false' && location.hash.includes('T')")
    press(page, "+1 frame")
    page.wait("location.hash.endsWith('/1') && document.querySelector('#moment').getAttribute('aria-busy') === 'false'")
    link = page.js("location.hash")
    place = unquote(link.split("/")[2])
    (state,) = home.run("replay", run, "--until", place, "--step", "1")["steps"]
    there = f"document.querySelector('#moment')?.innerText.replace(/\\s+/g, ' ').includes('frame {state['frames']}')"
    page.wait(there)
    assert f"{Decimal(state['equity']):,.2f}" in text(page, "#had")
    for each in state["orders"]:
        assert (each["price"] or each["trigger"] or "–") in text(page, "#had-orders")
    go(page, "overview")
    page.wait("!document.querySelector('#moment')")
    go(page, link.removeprefix("#"))
    page.wait(there)


def test_a_field_without_a_value_is_not_among_those_of_a_frame(home, page):
    # Of a robot that runs then: another test may have stopped this one, or not have begun it again.
    home.wait_for(lambda: home.process("robot:q")["state"] == "running")
    run = home.run("send", "robot:q", "status")["result"]["run"]
    go(page, f"time/{run}")
    page.wait("document.querySelector('#moment')?.innerText.includes('frame ')")  # it is read up to now
    sent = home.run("send", "gateway:main", "cancel_all")["id"]
    journal = str(gateway_journal(home.home, "main"))
    replies = home.run("journal", "cat", journal, "--type", "reply")
    (reply,) = [each for each in replies if each.get("id") == sent]  # a reply to nobody has none
    moment = format_time(reply["time"])
    own = str(home.home / "runs" / run / "journal")
    home.wait_for(lambda: home.run("journal", "cat", own, "--from", moment))  # a moment of the run, by now
    go(page, f"time/{run}/{moment}")
    page.wait("document.querySelector('#had-frames')?.innerText.includes('status applied')")
    assert page.js(NO_VALUE) == []


def choose(page: Chromium, what: str, value: str) -> None:
    page.wait(f"!!document.querySelector({what + f' option[value={json.dumps(value)}]'!r})")
    page.js(
        f"(() => {{ const e = document.querySelector({what!r}); e.value = {value!r};"
        " e.dispatchEvent(new Event('change', {bubbles: true})) })()"
    )


def test_a_server_that_is_lost_is_said_to_be_so_and_the_page_goes_on_with_the_one_that_comes(home, page):
    go(page, "overview")
    page.wait("document.querySelector('#equity .big')?.innerText.includes('USDT')")
    process = home.process("dashboard")
    os.kill(process["pid"], signal.SIGSTOP)  # asleep: no connection breaks
    page.wait("document.querySelector('.banner')?.innerText.includes('does not answer')")
    page.wait("!!document.querySelector('.is-stale .age')")  # what is old has its age
    os.kill(process["pid"], signal.SIGKILL)
    page.wait("!document.querySelector('.banner') && !document.querySelector('.is-stale')")
    assert home.process("dashboard")["restarts"] == process["restarts"] + 1
    assert "USDT" in text(page, "#equity")


def test_two_users_see_what_one_of_them_does_and_a_phone_has_room_for_all_of_it(home, page, tmp_path):
    with page_of(home, tmp_path, width=390, height=844) as phone:
        go(page, "robots/q")
        go(phone, "robots/q")
        press(phone, "Stop ...")
        confirm(phone, "Stop it")
        page.wait("document.querySelector('#robot')?.innerText.includes('stopped')")
        press(page, "Start")
        phone.wait("document.querySelector('#robot')?.innerText.includes('started')")
        for place in ("overview", MARKET, "portfolio", "robots", "guardian", "delta", "time", "backtests", "system"):
            go(phone, place)
            phone.wait("!document.querySelector('.loading') && !!document.querySelector('.panel')")
            wide = phone.js("document.documentElement.scrollWidth")
            assert wide <= 390, (place, wide)


def test_a_page_is_used_by_keyboard_alone(home, page):
    go(page, "overview")
    page.wait("location.hash === '#overview'")
    page.js("document.activeElement.blur()")
    page.key("5")
    page.wait("location.hash === '#guardian' && document.querySelector('#kill')?.innerText.includes('Kill switch ...')")

    def focused() -> str:
        return page.js("document.activeElement.innerText ?? ''")

    for _ in range(100):
        page.key("Tab")
        if focused() == "Kill switch ...":
            break
    assert focused() == "Kill switch ..."
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.key("Enter")
    page.wait("document.activeElement?.matches('dialog input')")
    page.write("kil")
    page.key("Escape")
    page.wait("!document.querySelector('dialog')")
    assert "stopped" not in text(page, "#kill")
    page.key("t")
    page.wait("document.documentElement.dataset.theme === 'dark'")
    page.key("h")
    page.key("1")
    page.wait("document.querySelector('#equity .amount')?.innerText === '••••'")  # a screenshot shows no amounts
    assert not [c for c in text(page, "#equity .big") if c.isdigit()]
    page.key("h")


def beside(page: Chromium, call: str) -> object:
    return page.js(f"import('/pages/beside.js').then(({{ranked, middles, closes}}) => {call})")


def test_side_by_side_stand_twins_first_and_nothing_old_is_compared(page):
    rows = [{"account": "a", "symbol": f"S{n}", "pair": "B/USD" if n in (3, 20) else f"O{n}/USD"} for n in range(30)]
    shown = beside(page, f"ranked({json.dumps(rows)}, {json.dumps(rows)}[0]).length")
    assert shown == 12
    order = beside(page, f"(rows => ranked(rows, rows[20]).map(row => row.symbol))({json.dumps(rows)})")
    assert order[:4] == ["S20", "S3", "S0", "S1"] and len(order) == 12
    fresh = {"data": {"bids": [["10", "1"]], "asks": [["12", "1"]], "is_stale": False}}
    old, failed = {"data": fresh["data"] | {"is_stale": True}}, fresh | {"error": "gone"}
    found = [
        beside(page, f"middles(...{json.dumps(each)})") for each in ([fresh, fresh], [old, fresh], [fresh, failed])
    ]
    assert found == [[11, 11], None, None]
    bars = [[second, 1, 1, 1, second] for second in (900, 939, 941, 1000)]
    assert beside(page, f"closes({bars}, '1s', 1000_000)") == [941, 1000]


def test_stops_and_targets_of_a_position_are_lines_of_their_own(page):
    rungs = (
        [{"trigger": "90", "distance": "10.00%", "venue_id": "7"}],
        [{"trigger": "120", "distance": "+20.00%", "venue_id": ""}],
    )
    position = {"side": "both", "qty": "1", "entry": "100", "liquidation": "50"}
    data = {"orders": [], "positions": [position], "stops": [dict(zip(("levels", "targets"), rungs, strict=True))]}
    lines = page.js(f"import('/pages/market.js').then(({{linesOf}}) => linesOf({json.dumps(data)}))")
    assert {key: (each["price"], each["title"], each["role"]) for key, each in lines.items()} == {
        "entry both": ("100", "entry 1", "accent"),
        "liquidation both": ("50", "liquidation ≈", "act"),
        "stop 7": ("90", "stop 10.00%", "look"),
        "target 120": ("120", "target +20.00%", "gain"),
    }


def test_a_chart_reads_what_was_before_as_it_comes_into_view(page):
    """A page that is empty so far is asked for again, one that failed when it is looked at again; where bars are
    missing at the end, the newest are read and joined."""
    seen, wanted, said = page.js(Path(__file__).with_name("panned.js").read_text())
    assert wanted == [["", 600], [4400, 600], [4400, 600]] and said == "it is gone"
    ((first, is_kept), *rest) = seen
    assert first == 1200 and is_kept  # in view is what was
    is_all, bars, marks, pages, *later = rest
    assert is_all and bars == 4999 and marks == 3 * pages + 1
    note = later.pop()
    assert note == "sell 0.5 at 2 · <b>quote · round trip +1.20 USDT\nbuy 0.5 at 2 · <b>quote"
    assert later == [False, 5299, True, True, 5300, 7800, 8999, True]


def test_nothing_is_taken_from_elsewhere_and_the_first_load_is_small(home, page):
    page.open()
    loaded = page.js("performance.getEntriesByType('resource').map(e => [e.name, e.transferSize])")
    own = home.status()["dashboard"]
    assert loaded and all(name.startswith((own, "data:")) for name, _ in loaded)
    assert sum(size for _, size in loaded) < 300_000


@pytest.mark.parametrize(
    "place", ["overview", MARKET, "portfolio", "robots", "guardian", "delta", "backtests", "system"]
)
def test_each_page_is_drawn_whole(home, page, place):
    go(page, place)
    page.wait("!!document.querySelector('.panel') && !document.querySelector('.loading, .note.error')")
    assert page.js("document.querySelectorAll('main h1').length") == 1


WHAT_RAN = """[
    ...("taken" in window ? ["it ran"] : []),
    ...(window.violations ?? []),
    ...[...document.querySelectorAll("main :is(img, script, style), main [onload], main [onfocus], main [onmouseover]")]
        .map((each) => each.outerHTML.slice(0, 200)),
    ...[...document.querySelectorAll("a, iframe")].map((each) => each.href ?? each.src)
        .filter((each) => !each.startsWith(location.origin) && each !== "https://www.tradingview.com/"),
]"""
OUTSIDE = """[...document.querySelectorAll(".bar, .panel, .panel > header, main, footer, .red li")].filter((each) => {
    const at = each.getBoundingClientRect();
    return at.left < 0 || at.right > innerWidth + 1 || (each.matches(".bar, .red li") && at.height > 400);
}).map((each) => `${each.outerHTML.slice(0, 80)} ${JSON.stringify(each.getBoundingClientRect())}`)"""


def test_hostile_words_that_come_the_real_way_stay_words_on_every_page(home, page):
    seen = HOSTILE.replace("\u202e", "\ufffd").replace("\u2066", "\ufffd")
    run = next(each.parent.name for each in sorted((home.home / "runs").glob("*/run.toml")))
    for place, words in (
        ("robots/q", "document.querySelector('#p-note')?.value"),
        (f"time/{run}", "document.querySelector('#had-memory')?.textContent"),
        ("system", "document.querySelector('#logs')?.textContent"),
    ):
        go(page, place)
        page.wait(f"({words} ?? '').includes({seen[:60]!r}) && ({words}).includes({seen[-11:]!r})")
        assert page.js(WHAT_RAN) == []


def test_a_robot_is_added_on_the_page_says_what_it_decided_and_why_it_placed_no_order_and_is_removed(home, page):
    (home.folder / "signaller.py").write_text(SIGNALLER)
    go(page, "overview")
    go(page, "robots")
    press(page, "Open", "#add")
    fill_in(page, "#add-name", "../s")
    choose(page, "#add select", "signaller.py")
    fill_in(page, "#add-size", "0.02")
    press(page, "Add ...", "#add")
    confirm(page, "Add it")
    page.wait("document.querySelector('.toasts')?.innerText.includes('is no name')")  # a file would be anywhere
    fill_in(page, "#add-name", "s")
    press(page, "Add ...", "#add")
    confirm(page, "Add it")
    page.wait("document.querySelector('#robot h2')?.innerText === 's'")
    page.wait("document.querySelector('#decisions')?.innerText.includes('buy 0.020 at market: filled')")
    page.wait("document.querySelector('#decisions')?.innerText.includes('no target was set')")
    page.wait("/buy 900.000 at [0-9.]+/.test(document.querySelector('#refusals')?.innerText.replaceAll('\\t', ' '))")
    press(page, "Compute", "#explained")
    page.wait("document.querySelector('#explained')?.innerText.includes('of traded value')")
    assert "no market" not in text(page, "#explained")
    assert "4201" in text(page, "#refusals") and page.js(WHAT_RAN) == []
    press(page, "Stop ...", "#robot")
    confirm(page, "Stop it")
    page.wait("document.querySelector('#refusals')?.innerText.includes('it was stopped by a command')")
    home.run("flatten", "--symbol", SYMBOL)
    press(page, "Remove ...", "#robot")
    confirm(page, "Remove it")
    page.wait("document.querySelectorAll('#robots tbody tr').length === 1")
    home.wait_for(
        lambda: all(each["name"] != "robot:s" or each["state"] == "stopped" for each in home.now()["processes"])
    )


def check_of_text(page: Chromium, place: str) -> None:
    for width in (1280, 390):
        page.resize(width, 900)
        assert page.js(WHAT_RAN) == [], (place, width)
        assert page.js(OUTSIDE) == [], (place, width)
        assert page.js("document.documentElement.scrollWidth") <= width, (place, width)


def test_a_sweep_is_started_on_the_page_and_is_a_heat_map_of_two_parameters_and_a_figure(home, page, tmp_path):
    home.run("sample", "--out", "market.tape", "--events", "20000")
    go(page, "overview")
    go(page, "backtests")
    press(page, "Open", "#start")
    choose(page, "#start form label:nth-of-type(1) select", "sweep")
    choose(page, "#start form label:nth-of-type(2) select", "maker.py")
    fill_in(page, "#p-lots", "1,2,3")
    fill_in(page, "#p-below", "100:300:200")
    hostile = "<img src=x onerror=taken=1>"
    fill_in(page, "#p-note", hostile)
    page.wait(
        "[...document.querySelectorAll('#start .check')].some(e => e.innerText === 'market.tape' && (e.click(), 1))"
    )
    press(page, "Start", "#start")
    page.wait("!!document.querySelector('#trials a')")
    page.js("document.querySelector('#trials a').click()")
    page.wait("document.querySelector('#sweep')?.innerText.includes('6 of 6 variants')")
    page.wait("document.querySelector('#trials').innerText.includes('done')")
    choose(page, "#sweep label:nth-of-type(1) select", "fills")
    page.wait(
        "document.querySelector('#sweep caption')?.innerText === 'Fills: lots across, below down; of note the best'"
    )
    assert page.js("document.querySelectorAll('#sweep .map tbody td').length") == 6
    assert "★" in text(page, "#sweep .map") and hostile in text(page, "#sweep")
    choose(page, "#sweep label:nth-of-type(3) select", "note")
    page.wait("document.querySelectorAll('#sweep .map tbody tr').length === 1")
    assert hostile in text(page, "#sweep .map") and page.js(WHAT_RAN) == []
    name = text(page, "#trials a")
    rows = [json.loads(line) for line in (home.home / "sweeps" / name / "results.jsonl").read_text().splitlines()]
    assert str(max(row["fills"] for row in rows)) in text(page, "#sweep .map b")
    with page_of(home, tmp_path, poison=POISON) as poisoned:
        go(poisoned, "backtests")
        poisoned.wait(
            f"[...document.querySelectorAll('#runs a')].some(a => a.textContent.startsWith({name!r}) && (a.click(), 1))"
        )
        poisoned.wait("document.querySelector('#sweep .map')?.textContent.includes('constructor.constructor')")
        check_of_text(poisoned, "sweep")


def test_whatever_the_server_says_is_text_and_no_page_leaves_its_width(home, tmp_path):
    with page_of(home, tmp_path, poison=POISON) as page:
        for place in PAGES:
            go(page, place)
            page.wait("!!document.querySelector('.panel') && !document.querySelector('.loading')")
            if place != "delta":
                page.wait("document.querySelector('main').textContent.includes('constructor.constructor')")
            check_of_text(page, place)


# A null within JSON is data.
NO_VALUE = r"""[...document.querySelectorAll("main *")].filter((each) => !each.children.length
    && /undefined|NaN|(^|\s)null\b|Infinity|\[object/.test(each.textContent))
    .map((each) => each.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("count", [0, 1, 5, 50])
def test_pages_of_no_few_and_many_symbols_keep_their_width_and_their_words(home, tmp_path, count):
    many = MANY.replace("COUNT = 1", f"COUNT = {count}")
    with page_of(home, tmp_path, poison=many, ready="!!document.querySelector('main .panel')") as page:
        for place in PAGES:
            go(page, place)
            page.wait("!!document.querySelector('.panel') && !document.querySelector('.loading')")
            for width in (1280, 390):
                page.resize(width, 900)
                assert page.js(OUTSIDE) == [], (place, width)
                assert page.js("document.documentElement.scrollWidth") <= width, (place, width)
            assert page.js(NO_VALUE) == [], place


def test_on_a_phone_the_page_that_is_open_and_the_last_column_are_in_sight(page):
    page.resize(390, 900)
    seen = "(each) => { const at = each.getBoundingClientRect(); return at.left >= 0 && at.right <= innerWidth }"
    for place in ("system", "overview"):
        go(page, place)
        page.wait(f"[...document.querySelectorAll('nav a[aria-current]')].every({seen})")
    table = "document.querySelector('#risk .scroll')"
    page.wait(f"{table}?.classList.contains('more')")
    assert page.js(f"[...{table}.querySelectorAll('tr > :last-child')].every({seen})")
    assert page.js("getComputedStyle(document.querySelector('#risk .rest')).display") == "block"
    page.js(f"{table}.scrollLeft = 10000")
    page.wait("getComputedStyle(document.querySelector('#risk .rest')).display === 'none'")
    page.resize(1280, 900)
    page.wait(f"!{table}.classList.contains('more')")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core-python is not installed")
def test_axe_finds_nothing_serious_on_any_page_light_or_dark_wide_or_on_a_phone(home, page):
    home.run("send", "robot:q", "params", "lots=1")
    home.run("send", "gateway", "halt", "scope=system", "reason=by hand", "until=1h")
    found = {}
    go(page, "guardian")
    press(page, "Kill switch ...")
    page.wait("!!document.querySelector('dialog[open]')")
    if faults := faults_of_access(page):
        found["dialog"] = faults
    page.key("Escape")
    for theme, width in (("light", 1280), ("dark", 390)):
        page.resize(width, 900)
        next_theme = "document.querySelector('.tools button:nth-of-type(2)').click()"
        page.wait(f"document.documentElement.dataset.theme === {theme!r} || ({next_theme}, false)")
        for place in PAGES:
            go(page, place)
            page.wait("!!document.querySelector('.panel') && !document.querySelector('.loading')")
            if place == "time":
                page.wait("!!document.querySelector('#had dd')")
            if faults := faults_of_access(page):
                found[f"{place} {theme} {width}"] = faults
    page.resize(1280, 900)
    home.run("send", "robot:q", "params", "lots=0")
    go(page, "guardian")
    press(page, "Lift ...", "#halts")
    confirm(page, "Lift", "lift")
    page.wait("document.querySelector('#halts')?.innerText.includes('Nothing is halted')")
    assert not found, "\n".join(f"{place}: {each}" for place, all_ in found.items() for each in all_)


@pytest.mark.skipif("ONETAPE_PICTURES" not in os.environ, reason="make pictures")
def test_pictures_of_the_documents_are_of_the_pages_as_they_are(home, tmp_path):
    home.run("send", "robot:q", "params", "lots=2")
    for theme in ("light", "dark"):
        with page_of(home, tmp_path / theme, width=1440, height=900) as page:
            page.js(f"(localStorage.setItem('theme', {theme!r}), location.reload())")
            go(page, MARKET)
            page.wait("Number(document.querySelector('.canvas')?.dataset.markers) >= 1")
            page.wait("document.querySelector('#orders')?.innerText.includes('stop market')")
            page.wait("document.querySelectorAll('#depth tbody tr').length > 20")
            page.wait("!document.querySelector('.banner, .is-stale')")
            page.picture(Path(os.environ["ONETAPE_PICTURES"]) / f"pages-{theme}.png")
    home.run("send", "robot:q", "params", "lots=0")
