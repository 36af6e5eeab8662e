"""What is shipped of venues as a whole: dated, sourced, and the same as the venues' documents."""

from __future__ import annotations

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from onetape.model import catalogue, inference, venue_facts
from onetape.model.enums import AmendRule, Kind
from onetape.model.time import parse_time
from onetape.model.user_instruments import parse_instruments

D = Decimal
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def asset_pairs(shared: Path) -> Path:
    return shared / "kraken-spot" / "AssetPairs-2021-04-17.http.txt"


@pytest.fixture
def document(asset_pairs: Path) -> dict:
    line = next(line for line in asset_pairs.read_text().splitlines() if " -> " in line)
    return json.loads(line.partition(" -> ")[2].split(": ", 1)[1])


def every_schedule() -> list[venue_facts.FeeSchedule]:
    return list(venue_facts._file().fees)


def test_every_schedule_has_its_source_its_date_and_falling_fees() -> None:
    found = every_schedule()
    assert {each.venue for each in found} == {"binance", "kraken", "krakenfutures", "bitmex"}
    for each in found:
        assert each.about
        assert parse_time(each.as_of) >= each.since
        volumes, makers, takers = zip(*each.tiers, strict=True)
        assert volumes[0] == 0
        assert list(volumes) == sorted(set(volumes))
        assert list(makers) == sorted(makers, reverse=True)
        assert list(takers) == sorted(takers, reverse=True)
        assert each.tiers_in("USD") == each.tiers_in("USDT")
        assert each.tiers_in("JPY") == ()


def test_the_tool_makes_the_file(asset_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("make_venues", ROOT / "tools/make_venues.py")
    assert spec is not None
    assert spec.loader is not None
    tool: ModuleType = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_venues", tool)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "OUT", tmp_path / "venues.json")
    assert tool.main([str(asset_pairs)]) == 0
    shipped = (ROOT / "src/onetape/model/venues.json").read_bytes()
    assert (tmp_path / "venues.json").read_bytes() == shipped


def test_kraken_s_schedules_are_those_that_it_gave_for_each_pair(document: dict) -> None:
    at, seen = parse_time("2021-04-17"), set()
    for name, pair in document["result"].items():
        found = catalogue.find_raw("kraken", name, at=at)
        if found is None or "fees_maker" not in pair:
            continue
        rows = [
            (D(volume), D(str(maker)) / 100, D(str(taker)) / 100)
            for (volume, taker), (_, maker) in zip(pair["fees"], pair["fees_maker"], strict=True)
        ]
        assert (found.maker_fee, found.taker_fee) == rows[0][1:], name
        tiers = [(t.volume_min, t.maker_fee, t.taker_fee) for t in found.fee_tiers]
        assert tiers == (rows[1:] if found.quote in {"USD", "USDT", "USDC", "DAI"} else []), name
        seen.add(len(rows))
    assert seen == {9, 6}


@pytest.mark.parametrize(
    ("symbol", "at", "fees", "tiers"),
    [
        ("kraken:BTC/USD", "2021-04-17", ("0.0016", "0.0026"), 8),
        ("kraken:BTC/USD", "2024-12-31", ("0.0016", "0.0026"), 8),
        ("kraken:BTC/USD", "2025-01-01", ("0.0025", "0.004"), 9),
        ("kraken:ETH/BTC", "2025-06-01", ("0.0025", "0.004"), 0),  # its volume is in BTC
        ("bitmex:BTC/USD:BTC", "2021-07-22", ("-0.00025", "0.00075"), 0),
        ("bitmex:BTC/USD:BTC", "2021-08-18", ("-0.0001", "0.0005"), 4),
        ("bitmex:BTC/USD:BTC", None, ("0.0002", "0.00075"), 9),
        ("krakenfutures:BTC/USD:BTC", None, ("0.0002", "0.0005"), 7),
        ("binance:BTC/USDT", None, ("0.001", "0.001"), 9),
        ("binance:BTC/USDT:USDT", None, ("0.0002", "0.0005"), 0),  # no dated source
        ("okx:BTC/USDT", None, ("0.0008", "0.001"), 0),
    ],
)
def test_a_version_has_the_schedule_of_its_time(symbol: str, at: str | None, fees: tuple[str, str], tiers: int) -> None:
    found = catalogue.find(symbol, None if at is None else parse_time(at))
    assert found is not None
    assert (found.maker_fee, found.taker_fee) == (D(fees[0]), D(fees[1]))
    assert len(found.fee_tiers) == tiers


def test_what_is_older_than_the_schedule_says_so() -> None:
    old = catalogue.find("krakenfutures:BTC/USD:BTC", parse_time("2021-07-22"))
    new = catalogue.find("krakenfutures:BTC/USD:BTC", parse_time("2024-01-01"))
    assert old
    assert new
    assert old.fee_tiers == new.fee_tiers
    assert "fee_tiers" in old.defaulted
    assert "fee_tiers" not in new.defaulted
    numbers = [each.version for each in catalogue.versions("krakenfutures:BTC/USD:BTC")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_symbol_that_only_its_venue_is_known_of() -> None:
    found = inference.infer("kraken:NEW/USD", price_decimals=2, size_decimals=3)
    assert (len(found.fee_tiers), found.amend) == (9, AmendRule.DECREASE_KEEPS)
    assert "fee_tiers" in found.defaulted
    found = inference.infer("binance:NEW/USDT:USDT", price_decimals=2, size_decimals=3)
    assert (found.fee_tiers, found.amend) == ((), AmendRule.REQUEUES)


def test_fees_of_a_file_replace_the_schedule() -> None:
    """Tiers of the catalogue below somebody's own fees would be a jump that nobody asked for."""
    facts = '[[instrument]]\nsymbol = "kraken:BTC/USD"\n'
    kept = parse_instruments(facts + 'tick = "0.1"\n')["kraken:BTC/USD"]
    assert len(kept.fee_tiers) == 9
    own = parse_instruments(facts + 'taker_fee = "0.001"\n')["kraken:BTC/USD"]
    assert (own.taker_fee, own.fee_tiers) == (D("0.001"), ())


@pytest.mark.parametrize(
    ("symbol", "rule", "triggers"),
    [
        ("binance:BTC/USDT", "decrease_only", True),
        ("binance:BTC/USDT:USDT", "requeues", False),
        ("binance:BTC/USD:BTC", "requeues", False),
        ("kraken:BTC/USD", "decrease_keeps", True),
        ("okx:BTC/USDT", "decrease_keeps", True),  # not known: the common rule
    ],
)
def test_amend_rules(symbol: str, rule: str, triggers: bool) -> None:
    found = catalogue.find(symbol)
    assert found is not None
    assert (found.amend, found.amend_triggers) == (rule, triggers)
    fact = venue_facts.amend_fact(found.venue, found.kind)
    assert (fact is None) == (found.venue == "okx")


def test_the_schedule_of_an_instrument_is_found_again() -> None:
    found = catalogue.find("binance:ETH/USDT")
    assert found
    fees = (found.maker_fee, found.taker_fee)
    schedule = venue_facts.fee_source("binance", Kind.SPOT, fees, found.fee_tiers)
    assert schedule is not None
    assert (schedule.as_of, "BNB" in schedule.needs) == ("2022-05-31", True)
    assert venue_facts.fee_source("binance", Kind.SPOT, fees, found.fee_tiers[1:]) is None
