"""Quotes and trades of the Moscow Exchange: merged, in order, cut."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from kind_files import MOEX_STATS, MOEX_TRADES, NS, reasons


def test_moex_quotes_and_trades_are_merged_by_time(load: Any, tmp_path: Path) -> None:
    stats = (
        "number,symbol,side,action,MDEntryTime,SendingTime,PacketTime,price,size,type,session,sub\n"
        + MOEX_STATS
        + f"4,USD000UTSTOM,ask,1,{NS + 30},{NS + 31},{NS + 32},65600000,500000,C,CETS,\n"
        + f"3,USD000UTSTOM,bid,1,{NS + 10},{NS + 11},{NS + 12},65585000,3000000,C,CETS,\n"  # late
        + f"5,USD000UTSTOM,bid,2,{NS + 40},{NS + 41},{NS + 42},0,0,C,CETS,\n"
        + f"6,EUR_RUB__TOM,bid,1,{NS + 40},{NS + 41},{NS + 42},70000000,1000000,C,CETS,\n"
        + f"7,USD000UTSTOM,ask,1,{NS + 50},1704"
    )
    usd = "moex:USD/RUB"
    result, tape = load("moex", {"fx_stat.stats": stats, "fx.trades": MOEX_TRADES}, f"USD000UTSTOM={usd}")
    assert result.by_symbol == {usd: {"quote": 5, "trade": 1}}
    assert (result.rejected, result.late) == (1, 0)
    assert result.ignored["symbol EUR_RUB__TOM"] == 1
    assert "last line is truncated" in reasons(tmp_path / "tape")[0][1]
    quotes = tape.of("quote")
    both = [(tape.price(q.data["bid"]), tape.price(q.data["ask"])) for q in quotes]
    ask = Decimal("65.59")
    assert both == [
        (Decimal("65.58"), 0),
        (Decimal("65.58"), ask),
        (Decimal("65.585"), ask),
        (Decimal("65.585"), Decimal("65.6")),
        (0, Decimal("65.6")),
    ]
    assert tape.size(quotes[1].data["ask_size"]) == 2000
    [trade] = tape.of("trade")
    assert (trade.data["ts_event"], trade.time) == (NS, NS + 2)
    assert (trade.data["side"], tape.size(trade.data["size"])) == ("buy", 20)
    times = [record.time for record in tape.of("quote", "trade")]
    assert times == sorted(times)


def test_moex_rows_without_receipt_and_in_short_form(load: Any) -> None:
    stats = f"1,SBER,bid,0,{NS},,,250.5,10,C,TQBR,\n2,SBER,ask,0,{NS},,,250.6,10,C,TQBR,\n"
    trades = f"SBER,{NS},{NS},{NS},250500000,7000000,S\n"
    result, tape = load("moex", {"eq.stats": stats, "eq.trades": trades}, "moex:SBER/RUB")
    assert result.by_type == {"quote": 2, "trade": 1}
    # Equal times: in the order of the files and of their rows.
    assert [record.type for record in tape.records[-3:]] == ["quote", "quote", "trade"]
    assert tape.price(tape.of("quote")[1].data["ask"]) == Decimal("250.6")
    assert tape.price(tape.of("trade")[0].data["price"]) == Decimal("250.5")
    bad = f"1,SBER,bid,0,{NS},,,xyz,10,C,TQBR,\n"
    result, _ = load("moex", {"eq.stats": bad + stats}, "moex:SBER/RUB")
    assert (result.by_type, result.rejected) == ({"quote": 2}, 1)
    for receipt in ("0", "-", "n/a"):
        stats = f"1,SBER,bid,0,{NS},x,{receipt},250.5,10,C,TQBR,\n"
        result, tape = load("moex", {"eq.stats": stats}, "moex:SBER/RUB")
        assert (result.first_ts, result.rejected) == (NS, 0)
