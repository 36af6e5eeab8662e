"""What the market page asks for, of journals as gateways leave them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from test_chart_bars import SYMBOL, Tape

from onetape.dashboard import bars, market
from onetape.dashboard.market import Market
from onetape.model.catalogue import find
from onetape.model.errors import BadInput
from onetape.model.home import gateway_journal


def market_of(home, *symbols):
    """Of one account, whose tape is not there yet."""
    tape = SimpleNamespace(instruments={symbol: find(symbol) for symbol in symbols})
    views = SimpleNamespace(tapes={"main": tape}, is_of_hub=lambda account, symbol: False)
    return Market(SimpleNamespace(home=home, views=views, refresh=lambda: views), None)


async def requested(made: Market, topic: str, *words: object) -> object:
    return await made.topics()[topic].make(["main", SYMBOL, *map(str, words)])


def test_a_page_reads_on_until_it_has_all_bars_and_marks(tmp_path, monkeypatch):
    monkeypatch.setattr(bars, "FRAMES_MAX", 4_000)
    made, tape = (
        market_of(tmp_path, SYMBOL),
        Tape(gateway_journal(tmp_path, "main").parent, 10_000, name="gateway-main"),
    )

    async def all_of_it():
        found, before, more = [], "", True
        while more:
            answer = await requested(made, "history", "1s", 3_000, before)
            found, more = [*answer["bars"], *found], answer["more"]
            before = int(found[0][0]) if found else ""
        while (marks := await requested(made, "marks", "1s", int(found[0][0])))["more"]:
            pass
        return found, marks, await requested(made, "bars", "1s")

    found, marks, newest = asyncio.run(all_of_it())
    tape.writer.close()
    assert found == tape.bars("1s") and newest["bars"] == found[-2:]
    assert [each[:2] for each in marks["marks"]] == [each[:2] for each in tape.fills]
    assert 12_600 < marks["sequence"] < 12_700


def test_who_looks_at_many_symbols_leaves_few_readers(tmp_path, monkeypatch):
    """Their journals' files would be held."""
    monkeypatch.setattr(market, "FOLLOWED_MAX", 2)
    made, tape = market_of(tmp_path, SYMBOL), Tape(gateway_journal(tmp_path, "main").parent, 100, name="gateway-main")
    tape.writer.close()

    async def looked():
        await requested(made, "bars", "1s")
        first = next(iter(made._followed.values()))
        assert first._reader is not None
        for topic, *words in (("bars", "1m"), ("marks", "1s", 0), ("trades",), ("bars", "5m")):
            await requested(made, topic, *words)
            assert len(made._followed) <= 2
        await made._in_thread(lambda: None)
        return first, len(made._followed)

    first, count = asyncio.run(looked())
    assert first._reader is None and count == 2


@pytest.mark.parametrize(
    "words", [("1s", "0"), ("1s", "100001"), ("1s", "x"), ("1s", "1", "-1"), ("1s", "1", "1" * 12), ("2s", "1"), ("",)]
)
def test_what_is_no_page_is_refused(tmp_path, words):
    with pytest.raises(BadInput):
        asyncio.run(requested(market_of(tmp_path, SYMBOL), "history", *words))


def test_a_dollar_and_its_tokens_are_one_money_of_a_pair(tmp_path):
    others = "okx:BTC/USD:BTC", "kraken:BTC/EUR"
    rows = asyncio.run(market_of(tmp_path, SYMBOL, *others).topics()["symbols"].make(()))
    assert [row["pair"] for row in rows] == ["BTC/USD", "BTC/USD", "BTC/EUR"]
