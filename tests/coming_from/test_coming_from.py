"""The pages for users of other systems: both programs on them make the fills that they show."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from coming_from.both_sides import FOLDER, RIVALS, commands, deviations, environment, kept, ours, table, theirs
from coming_from.generated_data import walk_of_bars

WORDS_MAX = 450  # of a page, without its code
OUR_LINES_MAX = 25
PROFIT_ERROR = 1e-6  # of sums of floats there
NAMES = [*RIVALS]
SHANGHAI = ZoneInfo("Asia/Shanghai")
BAR_COLUMNS = ("ts_open", "open", "high", "low", "close", "volume")


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", RIVALS[name].page.read_text(), re.DOTALL)


@pytest.fixture(scope="module", params=NAMES)
def our_run(request, tmp_path_factory):
    """(rival, folder with its data, what the page's commands give)"""
    rival = RIVALS[request.param]
    place = tmp_path_factory.mktemp(rival.name)
    return rival, place, ours(rival, place)


def test_the_page_s_commands_give_the_kept_fills(our_run):
    rival, _, our = our_run
    content = kept(rival)
    assert deviations(content["trades"], our["trades"]) == content["deviations"]
    local = content["ours"]
    assert (local["fills"], local["profit"]) == (len(our["trades"]), our["profit"])
    assert local["quantity"] == pytest.approx(sum(row[1] for row in our["trades"]))


def test_the_rival_still_gives_the_kept_fills(our_run):
    rival, place, _ = our_run
    python = environment(rival)
    if python is None:
        pytest.skip(f"no environment for {rival.name}: `python tests/coming_from/both_sides.py --setup {rival.name}`")
    their, content = theirs(rival, python, place / rival.data), kept(rival)
    assert their["version"] == content["version"]
    assert their["trades"] == content["trades"]
    assert their["profit"] == pytest.approx(content["profit"], abs=PROFIT_ERROR)


@pytest.mark.parametrize("name", NAMES)
def test_each_field_that_differs_has_its_reason(name):
    content = kept(RIVALS[name])
    fields = {field for each in content["deviations"] for field in each} - {"trade"}
    if abs(content["profit"] - content["ours"]["profit"]) > PROFIT_ERROR:
        fields.add("profit")
    assert set(content["why"]) == fields


def test_the_profits_of_freqtrade_differ_by_stops_and_the_position_at_the_end():
    content = kept(RIVALS["freqtrade"])
    trades, fee = content["trades"], 0.0005
    last_close = 60_318.3
    sold_at_the_end = trades[-1][3]
    end = (last_close - sold_at_the_end * (1 - fee)) * trades[-1][1]
    pairs = [(trades[each["trade"]], each["price"]) for each in content["deviations"] if "price" in each]
    stops = sum((price - their[3]) * (1 - fee) * their[1] for their, price in pairs)
    assert (len(pairs), round(end, 4), round(stops, 4)) == (4, 0.3556, -0.004)
    assert end + stops == pytest.approx(content["ours"]["profit"] - content["profit"], abs=PROFIT_ERROR)


def test_the_profits_of_hummingbot_differ_by_the_fees_of_the_end_and_of_sales():
    content = kept(RIVALS["hummingbot"])
    prices, quantity, fee = [row[3] for row in content["trades"]], 0.01, 0.001
    purchases, sales = prices[::2], prices[1::2]
    end = (purchases[-2] + 2 * purchases[-1]) * quantity * fee
    sold = sum(purchase - sale for purchase, sale in zip(purchases[:-2], sales[:-2], strict=True)) * quantity * fee
    assert sales[-2:] == [purchases[-1]] * 2
    page = RIVALS["hummingbot"].page.read_text()
    assert f"explain {end:.4f} of" in page
    assert f"explains {sold:.4f}." in page
    assert end + sold == pytest.approx(content["ours"]["profit"] - content["profit"], abs=PROFIT_ERROR)


# The file that another system exports: its header, and its row from a time in s and the five figures of a bar.
EXPORTS = {
    "vnpy": (
        "symbol,exchange,datetime,open,high,low,close,volume,turnover,open_interest",
        lambda time, bar: f"BTCUSDT_SWAP_BINANCE,GLOBAL,{datetime.fromtimestamp(time, SHANGHAI):%F %T},{bar},0,0",
    ),
    "hummingbot": (
        "timestamp,open,high,low,close,volume,quote_asset_volume,n_trades,taker_buy_base_volume,taker_buy_quote_volume",
        lambda time, bar: f"{time}.0,{bar},0.0,0.0,0.0,0.0",
    ),
}


@pytest.mark.parametrize("name", [*EXPORTS])
def test_the_page_s_import_reads_what_the_other_system_exports(name, tmp_path):
    header, row = EXPORTS[name]
    bars = [(time, *(each / 100 for each in (*prices, volume))) for time, prices, volume in walk_of_bars()]
    tool, *words = shlex.split(re.search(r"onetape import csv .*", RIVALS[name].page.read_text())[0])
    lines = [header, *(row(time, ",".join(map(str, figures))) for time, *figures in bars)]
    (tmp_path / words[2]).write_text("\n".join(lines) + "\n")
    tool = str(Path(sys.executable).parent / tool)
    for line in (words, ["export", words[-1], "--format", "csv", "--out", "tables"]):
        subprocess.run([tool, *line], cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "tables" / "bar.csv").open(newline="") as file:
        read = [tuple(float(each[name]) for name in BAR_COLUMNS) for each in csv.DictReader(file)]
    assert read == [(float(time) * 10**9, *figures) for time, *figures in bars]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_both_programs_as_they_are_run(name):
    rival = RIVALS[name]
    their, our, *_ = python_blocks(name)
    assert their in rival.source.read_text()
    assert our == rival.our_source.read_text()
    assert len(our.splitlines()) <= OUR_LINES_MAX
    assert any(str(rival.our_source.relative_to(FOLDER.parents[1])) in line for line in commands(rival))


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_kept_fills_and_few_words(name):
    rival = RIVALS[name]
    text = rival.page.read_text()
    assert table(rival, kept(rival)) in text
    words = re.sub(r"```.*?```|\]\([^)]*\)|[|`]", " ", text, flags=re.DOTALL).split()
    assert len(words) <= WORDS_MAX
    assert kept(rival)["version"] == rival.version
    rows = re.search(r"## Words\n\n(.*?)\n\n", text, re.DOTALL)[1].splitlines()[2:]
    assert 5 <= len(rows) <= 15


@pytest.mark.parametrize("kind", ["bars", "candles", "quotes", "depth"])
def test_the_data_are_the_same_each_time(kind, tmp_path):
    for name in ("first", "second"):
        program = [sys.executable, str(FOLDER / "generated_data.py"), kind, str(tmp_path / f"{name}.npz")]
        subprocess.run(program, check=True)
    first, second = ((tmp_path / f"{name}.npz").read_bytes() for name in ("first", "second"))
    assert first == second
