"""The public page of a world that was recorded, in a real browser: what was chosen, late, on a phone, and as text."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from onetape.model.time import DAY
from onetape.recorder import public as public_page
from onetape.recorder.public import file_writer, public
from onetape.simulation.seeds import Seed, play
from onetape.store.record_queries import equity, ledger
from recorder.recorded_worlds import record_all
from worlds.chromium_pipe import CHROMIUM, Chromium

FIGURES = ["equity", "days", "symbols", "strategies"]
HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_a_world_is_shown_late_by_strategy_and_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = play(Seed("World", "binance-usdm", 2, 60).begun(), 60)
    records = record_all(world.home.path)
    early: dict[str, bytes] = {}
    try:
        last = max(row["ts"] for row in equity(records, by="all"))
        public(records, write=early.__setitem__, now=last, delay=1000 * DAY, figures=FIGURES)
        public(records, write=file_writer(tmp_path), now=last + 2, delay=1, figures=FIGURES)
        expected = {row["key"]: Decimal(row["realized"]) for row in ledger(records, by="strategy", until=last + 1)}
        rows = json.loads((tmp_path / "strategies.json").read_text())["strategies"]
        rows["30"] = [{**rows["all"][0], "key": HOSTILE}]
        monkeypatch.setitem(public_page._MAKE, "strategies", lambda *_: rows)
        public(records, write=file_writer(tmp_path), now=last + 2, delay=1, figures=FIGURES)
    finally:
        records.close()
    assert not json.loads(early["days.json"])["days"] and not any(
        json.loads(early["strategies.json"])["strategies"].values()
    )
    assert rows["all"] and all(Decimal(row["realized"]) == expected[row["key"]] for row in rows["all"])
    assert set(rows["all"][0]) == {"key", "currency", "realized", "fees", "funding", "net"}
    if CHROMIUM is None:
        pytest.skip("no chromium (apt install --no-install-recommends chromium)")
    for width, scheme, ground in ((1000, "light", "rgb(246, 246, 243)"), (390, "dark", "rgb(12, 15, 19)")):
        with Chromium(tmp_path / "index.html", tmp_path, width=width) as browser:
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            assert browser.js("getComputedStyle(document.body).backgroundColor") == ground
            assert browser.js("document.documentElement.scrollWidth") <= width and not browser.console
            titles = browser.js("[...document.querySelectorAll('h2')].map(each => each.textContent).join()")
            assert titles.startswith("Equity, ") and titles.endswith("Days,Symbols,Strategies")
            assert browser.js("[...document.querySelectorAll('td')].at(-6).textContent") == HOSTILE
            assert browser.js("document.querySelectorAll('img').length") == 0
            browser.js("[...document.querySelectorAll('button')].at(-1).click()")
            count = browser.js("[...document.querySelectorAll('section')].at(-1).querySelectorAll('tbody tr').length")
            assert count == len(rows["all"])
