"""More bars than one request takes: a robot asks its gateway for them in parts, and none is left out."""

from __future__ import annotations

import time

import msgspec
import pytest

from onetape.model.errors import ProcessDown
from onetape.orders.order_frames import HISTORY_MAX
from onetape.robot.live_history import queried_history
from onetape.tape.journal import JournalWriter


class Gateway:
    """Answers on its tape, and refuses more at a time than a gateway does."""

    def __init__(self, path, *, answers: int = 9) -> None:
        self.writer, self.answers = JournalWriter(path, process="gateway:main"), answers

    def ask(self, do: str, *, robot: int, now: int, wanted: list) -> dict:
        assert do == "history" and 0 < len(wanted) <= HISTORY_MAX
        self.answers -= 1
        if self.answers < 0:
            raise ProcessDown("the gateway is gone")
        after = self.writer.published
        for symbol, period, bars in wanted:
            record = {"robot": robot, "symbol": symbol, "period": period, "first": 1, "last": bars, "bars": bars}
            self.writer.append("reply", msgspec.msgpack.encode({**record, "reason": ""}), time=time.time_ns())
        return {"after": after}


@pytest.mark.parametrize("count", [1, HISTORY_MAX, HISTORY_MAX + 1, 3 * HISTORY_MAX])
def test_history_of_any_number_of_subscriptions_is_asked_for(tmp_path, count):
    wanted = {(f"x:S{n}", 60): n + 1 for n in range(count)}
    gateway = Gateway(tmp_path / "tape")
    found = queried_history(gateway, 3, tmp_path / "tape", wanted, 0)
    assert [((each.symbol, each.period), each.bars, each.reason) for each in found] == [
        (key, bars, "") for key, bars in wanted.items()
    ]


def test_the_parts_that_nobody_answers_say_so(tmp_path):
    wanted = {(f"x:S{n}", 60): 5 for n in range(HISTORY_MAX + 1)}
    gateway = Gateway(tmp_path / "tape", answers=1)
    found = queried_history(gateway, 3, tmp_path / "tape", wanted, 0)
    *earlier, last = (each.reason for each in found)
    assert earlier == [""] * HISTORY_MAX and last.endswith("the gateway is gone")
