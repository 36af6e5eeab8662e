"""The report as somebody uses it, in a real browser: pointer, keys, a narrow screen."""

from __future__ import annotations

import itertools
import json

import pytest
from test_report import load_example

from onetape.report.report import write_report
from worlds.chromium_pipe import CHROMIUM, Chromium

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)")
ROLLING = ("rolling-sharpe", "rolling-volatility", "rolling-beta")
TIME_CHARTS = ("equity", "underwater", "price", "position", "leverage", "costs", *ROLLING)
RANGES = (
    "JSON.stringify(kit.board.drawn.filter((each) => each.isTime)"
    ".map(({chart}) => [chart.scales.x.min, chart.scales.x.max]))"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_report(load_example()(), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def started(page, tmp_path_factory):
    with Chromium(page, tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def browser(started):
    started.js("localStorage.clear()")
    started.open()
    yield started
    assert started.console == []


def ranges(browser):
    found = {tuple(each) for each in json.loads(browser.js(RANGES))}
    assert len(found) == 1, "all charts of time show the same"
    return found.pop()


def place(browser, selector, x=0.5, y=0.5):
    """A point of an element, on the screen."""
    browser.js(f"document.querySelector('{selector}').scrollIntoView({{block: 'center'}})")
    left, top, width, height = browser.js(
        f"(() => {{ const r = document.querySelector('{selector}').getBoundingClientRect();"
        " return [r.left, r.top, r.width, r.height]; })()"
    )
    return left + width * x, top + height * y


def test_dragging_over_one_chart_zooms_all_and_a_double_click_shows_everything(browser):
    whole = ranges(browser)
    browser.drag(place(browser, "#equity .u-over", 0.4), place(browser, "#equity .u-over", 0.6))
    low, high = ranges(browser)
    span = whole[1] - whole[0]
    assert low == pytest.approx(whole[0] + 0.4 * span, abs=0.01 * span)
    assert high == pytest.approx(whole[0] + 0.6 * span, abs=0.01 * span)
    at = place(browser, "#price .u-over")
    for count in (1, 2):
        browser.mouse("mousePressed", *at, held=True, count=count)
        browser.mouse("mouseReleased", *at, count=count)
    assert ranges(browser) == pytest.approx(whole)


def test_the_pointer_reads_all_charts_at_once(browser):
    browser.mouse("mouseMoved", *place(browser, "#price .u-over", 0.5))
    texts = {name: browser.js(f"document.querySelector('.live[data-for={name}]').textContent") for name in TIME_CHARTS}
    assert all(text.startswith("2026-0") for text in texts.values()), texts
    assert "buy and hold" in texts["equity"] and "%" in texts["underwater"]
    days = {text[:10] for text in texts.values()}
    assert len(days) <= 2, "of one moment, as near as each curve has a point"


def test_keys_zoom_move_and_show_everything(browser):
    whole = ranges(browser)
    browser.js("document.querySelector('#equity').focus()")
    browser.key("+")
    low, high = ranges(browser)
    assert high - low == pytest.approx((whole[1] - whole[0]) / 2)
    browser.key("ArrowRight")
    assert ranges(browser)[0] == pytest.approx(low + (high - low) / 4)
    for _ in range(9):
        browser.key("ArrowRight")
    assert ranges(browser)[1] == pytest.approx(whole[1]), "not beyond the end"
    browser.key("0")
    assert ranges(browser) == pytest.approx(whole)
    browser.js("document.querySelector('[data-zoom=\"0.5\"]').click()")
    assert ranges(browser)[1] - ranges(browser)[0] == pytest.approx((whole[1] - whole[0]) / 2)


def rows(browser):
    return browser.js("document.querySelectorAll('#trades tbody tr').length")


def test_fills_are_paged_filtered_and_lead_to_their_place(browser):
    assert rows(browser) == 25
    assert browser.js("document.querySelector('#trades .pages span').textContent") == "1 of 17"
    browser.js("document.querySelector('#trades .pages button:last-child').click()")
    assert browser.js("document.querySelector('#trades .pages span').textContent") == "2 of 17"
    browser.js(
        "(() => { const f = document.querySelector('#filter'); f.value = 'sell taker leave';"
        " f.dispatchEvent(new Event('input')); })()"
    )
    browser.wait("document.querySelector('#shown').textContent.includes('match')")
    texts = browser.js("[...document.querySelectorAll('#trades tbody tr')].map((row) => row.textContent)")
    assert texts and all("sell" in each and "taker" in each for each in texts)
    before = ranges(browser)
    browser.js("document.querySelector('#trades tbody tr').focus()")
    browser.key("Enter")
    low, high = ranges(browser)
    assert high - low == pytest.approx((before[1] - before[0]) / 100)
    shown = browser.js("document.querySelector('#trades tbody tr').firstChild.textContent")
    moment = browser.js(f"Date.parse('{shown.replace(' ', 'T')}Z') / 1000")
    assert low < moment < high


def test_the_button_changes_colours_and_charts_are_drawn_again(browser):
    colour = "getComputedStyle(document.body).backgroundColor"
    before, charts = browser.js(colour), browser.js("document.querySelectorAll('canvas').length")
    browser.js("document.querySelector('#theme').click()")
    assert browser.js(colour) != before
    assert browser.js("document.querySelectorAll('canvas').length") == charts
    pressed = browser.js("document.querySelector('#theme').getAttribute('aria-pressed')")
    assert pressed == str(browser.js("document.documentElement.dataset.theme") == "dark").lower()


def test_buy_and_hold_goes_and_comes_back(browser):
    series = "kit.board.drawn[0].chart.series.length"
    assert browser.js(series) == 3
    browser.js("document.querySelector('#bench').click()")
    assert browser.js(series) == 2
    browser.js("document.querySelector('#bench').click()")
    assert browser.js(series) == 3


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_screen_scrolls_sideways(page, tmp_path, width):
    with Chromium(page, tmp_path, width=width) as browser:
        assert browser.js("document.documentElement.scrollWidth") <= width
        narrow = browser.js("document.querySelector('#equity canvas').getBoundingClientRect().right")
        assert narrow <= width


def test_every_control_has_a_name_and_headings_follow_each_other(browser):
    nameless = browser.js(
        "[...document.querySelectorAll('button, input, select')].filter((each) =>"
        " !(each.getAttribute('aria-label') || each.textContent.trim())).length"
    )
    assert nameless == 0
    levels = browser.js("[...document.querySelectorAll('h1, h2, h3')].map((h) => +h.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser, dark):
    """Contrast of at least 4.5 to 1 (WCAG 2.2 AA) for every colour that text has."""
    if (browser.js("document.documentElement.dataset.theme") == "dark") != dark:
        browser.js("document.querySelector('#theme').click()")

    def luminance(name):
        text = browser.js(f"kit.colour('{name}')")[1:7]
        parts = [int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for ground, inks in {
        "panel": ("ink", "quiet", "gain", "loss", "accent", "buy", "sell"),
        "warn-soft": ("ink", "quiet", "warn", "gain", "loss"),
        "page": ("ink", "quiet", "accent"),
    }.items():
        for ink in inks:
            light, deep = sorted((luminance(ink), luminance(ground)), reverse=True)
            assert (light + 0.05) / (deep + 0.05) >= 4.5, (ink, ground)


@pytest.mark.parametrize(("low", "high"), [(1_000_000, 1_000_040), (2_400_000, 2_600_000), (-3e6, 9e6), (5, 5.004)])
def test_no_two_labels_of_an_axis_are_equal(browser, low, high):
    chart = "kit.board.drawn.find((each) => each.isTime).chart"
    browser.js(f"{chart}.setScale('y', {{min: {low}, max: {high}}})")  # drawn behind this call
    labels = browser.js(f"{chart}.axes[1]._values")
    assert len(labels) > 2
    assert len(set(labels)) == len(labels)


def test_each_day_stands_in_a_calendar_coloured_by_its_profit(browser):
    days = browser.js("kit.data().days.map((each) => [each.day, each.pnl, each.fills])")
    cells = browser.js(
        "[...document.querySelectorAll('#calendar td[title]')]"
        ".map((each) => [each.title, each.className, each.innerText])"
    )
    year = days[-1][0][:4]
    assert [title[:10] for title, *_ in cells] == [day for day, *_ in days if day.startswith(year)]
    shown = {title[:10]: (title, kind, text) for title, kind, text in cells}
    for day, pnl, fills in days:
        if day in shown:
            title, kind, text = shown[day]
            assert ("gain-heat" in kind, "loss-heat" in kind) == (pnl > 0, pnl < 0)
            assert text.startswith(str(int(day[8:]))) and f"{fills} fills" in title.replace(",", "")
            assert text.endswith("+" if pnl > 0 else "\u2212" if pnl < 0 else str(int(day[8:])))
    weekdays = browser.js(
        "[...document.querySelectorAll('#calendar tr:has(td[title])')].map((each) => each.cells.length)"
    )
    assert set(weekdays) == {7}


def test_a_fill_on_the_chart_says_what_it_was_to_pointer_and_keys(browser):
    live = "document.querySelector('.live[data-for=price]').textContent"
    browser.js("document.querySelector('#price').focus()")
    browser.key("]")
    first = browser.js(live)
    assert ("buy " in first or "sell " in first) and " at " in first
    browser.key("]")
    assert browser.js(live) != first
    browser.key("[")
    assert browser.js(live) == first
    browser.mouse("mouseMoved", *place(browser, "#price .u-over", 0.99, 0.01))
    x, y = browser.js(
        "(() => { const {chart} = kit.board.drawn.find((each) => each.chart.root.closest('#price'));"
        " const d = kit.data().fills;"
        " const {left, top} = chart.over.getBoundingClientRect();"
        " const at = kit.summed(d.ts)[0] / 1000, price = kit.summed(d.price)[0] / 10 ** kit.data().markets[0].decimals;"
        " return [left + chart.valToPos(at, 'x'), top + chart.valToPos(price, 'y')] })()"
    )
    browser.mouse("mouseMoved", x, y)
    assert browser.js(live).endswith(first.partition("   ")[2].rpartition("   ")[2] or first)
    browser.js("document.querySelector('#price').focus()")
    for _ in range(20):
        browser.key("]")
        if "round trip" in browser.js(live):
            break
    assert "exit" in browser.js(live) and "round trip" in browser.js(live)


def test_a_table_that_is_wider_than_a_phone_says_so_and_keeps_its_last_column(browser):
    browser.resize(390, 900)
    browser.wait("document.querySelector('#trades .scroll').classList.contains('more')")
    last = "[...document.querySelectorAll('#trades tr > :last-child')]"
    assert browser.js(f"{last}.every((each) => each.getBoundingClientRect().right <= innerWidth)")
    assert browser.js("getComputedStyle(document.querySelector('#trades .rest')).display") == "block"
    assert browser.js("document.documentElement.scrollWidth") <= 390
    browser.resize(1280, 900)
    browser.wait("!document.querySelector('#days .scroll').classList.contains('more')")
