"""`onetape sample`: the flows it knows, and a strategy that trades on the plainest of them."""

from __future__ import annotations

from pathlib import Path

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


def test_a_market_maker_trades_on_a_random_walk(onetape, tmp_path: Path) -> None:
    made = onetape(
        "sample", "--flow", "random-walk", "--flow-param", "deviation=2", "--flow-param", "step=1s",
        "--seed", 5, "--events", 20_000, "--out", "walk.tape", "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.value["events"] == 20_000
    assert set(made.value["by_type"]) == {"quote", "trade", "book", "bar", "mark"}
    done = onetape(
        "backtest",
        STRATEGIES / "market_maker.py",
        "--data",
        "walk.tape",
        "--param",
        "shift=1",
        "--out",
        "run",
        "--json",
    )
    assert done.code == 0, done.err
    assert done.value["fills"] > 10
    second = onetape("replay", "run", "--verify", "--json")
    assert (second.code, second.value["divergences"]) == (0, 0)


def test_the_flow_s_parameters_are_checked_before_anything_is_written(onetape, tmp_path) -> None:
    for options, said in (
        (["--flow-param", "drift=1"], "the flow crowd has no parameters"),
        (["--flow", "random-walk", "--flow-param", "drift"], "a parameter is name=value"),
        (["--flow", "random-walk", "--flow-param", "levels=0"], "levels 0"),
        (["--flow", "tide"], "tide"),
    ):
        done = onetape("sample", "--out", "no.tape", *options)
        assert done.code == 2
        assert said in done.err
        assert not (tmp_path / "no.tape").exists()
