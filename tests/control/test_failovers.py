"""What is kept of failovers: enough to go on from, however often sources change."""

from __future__ import annotations

import errno
import time
from types import SimpleNamespace

from onetape.figures import market as markets
from onetape.figures.market import Market


def test_of_a_source_that_flaps_few_records_are_kept_and_the_last_one(monkeypatch):
    now, kept, moved = 0.0, [], []
    monkeypatch.setattr(markets, "time", SimpleNamespace(monotonic=lambda: now, time_ns=time.time_ns))
    market = Market(None, None)  # type: ignore[arg-type]
    market.keep, market.moved = kept.append, lambda: moved.append(now)
    for n in range(101):
        market._taken_from("ab"[n % 2])
    assert (len(kept), len(moved)) == (10, 100)
    now = 600.0
    market._taken_from("a")
    assert len(kept) == 11 and (kept[-1]["active"], kept[-1]["at"]) == ("a", market.last_failover)
    market._taken_from("a")
    assert len(kept) == 11 and len(moved) == 100


def test_a_full_disk_keeps_nobody_from_looking_and_what_is_unkept_follows():
    def full(_record: dict) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept, moved = [], []
    market = Market(None, None)  # type: ignore[arg-type]
    market.keep, market.moved = full, lambda: moved.append(1)
    for active in "ab":
        market._taken_from(active)
    assert moved == [1]
    market.keep = kept.append
    market._taken_from("b")
    assert [(each["previous"], each["active"]) for each in kept] == [("a", "b")]
