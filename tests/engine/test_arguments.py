"""What no service takes is refused in one line that names the argument and its value."""

from __future__ import annotations

import math
from pathlib import Path

from onetape import Strategy
from worlds.tapes import BTC, Market, play

NOTHING = object()
# By service: an argument and values that it does not take.
NO_TEXT = (None, 1.5, [1], NOTHING)
NO_FLAG = (None, "x", math.nan, -1, [1], NOTHING)
NO_WHOLE = ("x", math.nan, math.inf, 1.5, -1, 10**30, [1], NOTHING)
NO_NUMBER = (b"x", [1], NOTHING, True)
WRONG = {
    "buy": {
        "symbol": (None, [1]),
        "qty": (None, *NO_NUMBER),
        "price": NO_NUMBER,
        "trigger": NO_NUMBER,
        "post_only": NO_FLAG,
        "reduce_only": NO_FLAG,
        "tif": ("x", *NO_TEXT),
        "trigger_by": ("x", *NO_TEXT),
        "kind": ("x", *NO_TEXT[1:]),
        "position_side": ("x", *NO_TEXT[1:]),
        "expire": tuple(each for each in NO_WHOLE if each != -1),
        "tag": NO_TEXT,
        "signal": NO_WHOLE,
        "stop_loss": ("x", math.nan, -1, [1]),
        "account": ([1], {}),
    },
    "amend": {"order": (None, "x", 1, NOTHING), "price": NO_NUMBER, "qty": NO_NUMBER},
    "cancel": {"order": (None, "x", 1, NOTHING)},
    "cancel_all": {"symbol": (1.5, [1], NOTHING)},
    "set_quotes": {
        "symbol": (None, [1]),
        "bids": (None, "x", 1, [1], [(90, math.nan)], [(90, -1)], [("x", 1)], [(90, 1, 1)]),
        "asks": (None, "x", 1, [1], [(110, math.nan)], [(110, -1)], [("x", 1)], [(110, 1, 1)]),
        "keep_within": (None, *NO_WHOLE),
    },
    "set_target": {"symbol": (None, [1]), "qty": (None, "x", math.nan, *NO_NUMBER), "signal": NO_WHOLE},
    "set_timer": {"name": NO_TEXT, "every": (1, NOTHING, [1]), "at": ("x", math.nan, 1.5, 10**30, [1])},
    "subscribe": {
        "symbol": NO_TEXT,
        "quotes": NO_FLAG,
        "conflate": NO_FLAG,
        "bars": (1, NOTHING, [1]),
        "history": (None, *NO_WHOLE),
    },
}


class Wrong(Strategy):
    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.said = None

    def on_quote(self, quote):
        if self.said is not None:
            return
        self.said = {}
        rests = self.buy(BTC, 1, 90)
        usual = {
            "buy": {"symbol": BTC, "qty": 1, "price": 90},
            "amend": {"order": rests, "price": 89},
            "set_quotes": {"symbol": BTC, "bids": [(90, 1)], "asks": [(110, 1)]},
            "set_target": {"symbol": BTC, "qty": 1},
            "set_timer": {"name": "t"},
            "subscribe": {"symbol": BTC},
        }
        for service, wrong in WRONG.items():
            for name, values in wrong.items():
                for value in values:
                    options = {**usual.get(service, {}), name: value}
                    if name in ("trigger_by", "kind"):
                        options["trigger"] = 95
                    if service == "amend" and name == "qty":
                        del options["price"]
                    if service == "set_timer" and name == "name":
                        options["every"] = "1s"
                    try:
                        said = getattr(self, service)(**options)
                    except (TypeError, ValueError) as error:
                        said = str(error)
                    self.said[service, name, repr(value)] = said


def test_what_no_service_takes_is_refused_by_name(tmp_path: Path) -> None:
    market = Market(tmp_path / "t")
    for second in range(2):
        market.quote(second, 99, 101)
    session = play(Wrong, market.done())
    assert session.host.failures == []
    said = session.robot.said
    assert len(said) == sum(len(values) for wrong in WRONG.values() for values in wrong.values())
    unclear = {
        (service, name, value): words
        for (service, name, value), words in said.items()
        if not (isinstance(words, str) and words.startswith(name) and "\n" not in words)
    }
    assert unclear == {}
    without_value = [
        (key, words) for key, words in said.items() if key[2].strip("[]()") not in words and "<object" not in words
    ]
    assert [key for key, _ in without_value if key[1] not in ("bids", "asks")] == []
