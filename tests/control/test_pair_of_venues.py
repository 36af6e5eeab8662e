"""The delta-neutral example between any two venues with perpetuals: real processes, real orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from control.test_chapter import HEDGE, Pair
from long_form import long_form
from waiting import wait_for
from worlds.command_lines import command_line
from worlds.supervised import Home


@pytest.mark.parametrize("kinds", ["hyperliquid,bybit", *long_form("okx,binance-usdm", "bybit,okx")])
def test_an_exposure_at_one_venue_is_offset_at_another(kinds: str, tmp_path: Path) -> None:
    assert command_line(["init", "--delta-neutral", "--venues", kinds, "pair"], tmp_path)[0] == 0
    first, second = (kind.removesuffix("-usdm") for kind in kinds.split(","))
    accounts = [f"{first}-main", f"{second}-hedge"]
    config = (tmp_path / "pair" / "onetape.toml").read_text().replace("port = 3000", "port = 0")
    with Home(tmp_path / "pair", config) as home:
        pair = Pair(home, home.run("up")["control"])

        def legs() -> dict[str, float]:
            (symbol,) = pair.get("/delta/status?symbol=BTC-USD")[1]["symbols"]
            return {each["accountId"]: each["delta"] for each in symbol["legs"]}

        def may_trade(account: str) -> bool:
            request = {**HEDGE, "targetAccounts": [account], "hedgeAmount": 0.05, "dryRun": True}
            return all(pair.post("/hedge/execute", {**request, "side": side})[1]["success"] for side in ("buy", "sell"))

        wait_for(lambda: all(map(may_trade, accounts)), lambda: (pair.get("/delta/status"), home.log()))
        opened = pair.post("/hedge/execute", {**HEDGE, "targetAccounts": accounts[:1], "hedgeAmount": 0.05})[1]
        assert opened["success"] and opened["netDeltaChange"] == pytest.approx(0.05, abs=0.001), opened
        wait_for(lambda: legs()[accounts[0]] == pytest.approx(0.05, abs=0.001), legs)
        # The other venue alone takes the way back.
        back = {**HEDGE, "targetAccounts": accounts[1:], "hedgeAmount": 0.05, "side": "sell"}
        closed = pair.post("/hedge/execute", back)[1]
        assert closed["success"] and closed["netDeltaChange"] == pytest.approx(-0.05, abs=0.001), closed
        wait_for(lambda: abs(sum(legs().values())) < 0.002 and abs(legs()[accounts[1]]) > 0.04, legs)
        whole = {"targetDelta": 0.0, "accounts": accounts, "maxDeviation": 0.1, "symbol": "BTC-USD"}
        idle = pair.post("/delta/control", whole)[1]
        assert idle["success"] and not idle["adjustmentNeeded"], idle


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--venues", "bybit,okx"], "without --delta-neutral"),
        (["--delta-neutral", "--venues", "bybit"], "two or three kinds"),
        (["--delta-neutral", "--venues", "kraken,okx"], "no perpetual of BTC"),
    ],
)
def test_venues_that_make_no_pair_are_refused_and_nothing_is_written(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    code, *said = command_line(["init", *arguments, "pair"], tmp_path)
    assert code == 2 and words in str(said) and not (tmp_path / "pair").exists()
