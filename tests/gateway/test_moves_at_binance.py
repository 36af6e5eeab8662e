"""Money that moves at Binance, a gateway there or away: booked once, by kind."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import msgspec
import pytest

from exchange.venue_process import VenueProcess
from onetape.accounts.entries import Cause, Entry
from onetape.accounts.entry_frames import unpack
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot, news_of

RAW = "BTCUSDT"


@pytest.fixture
def world(tmp_path):
    venue = VenueProcess(tmp_path / "state", "binance-usdm")
    account = SimpleNamespace(**venue.ready["accounts"][0])
    gateway = GatewayProcess("binance-usdm", tmp_path / "home", venue.port, account)
    gateway.start()
    yield venue, gateway, tmp_path
    gateway.kill()
    venue.stop()


def by_hand(venue: VenueProcess, path: str, **body: object) -> None:
    content = msgspec.json.encode(body)
    status, reported, _ = venue.control.request("POST", path, content, {"Content-Type": "application/json"})
    assert status == 200, reported


def entries(gateway: GatewayProcess) -> list[Entry]:
    with JournalReader(gateway_journal(gateway.home, "main")) as reader:
        return [unpack(frame.payload) for frame in reader.frames(("entry",))]


def causes(gateway: GatewayProcess) -> Counter:
    return Counter(e.cause for e in entries(gateway) if e.cause not in (Cause.OPENING, Cause.FILL))


def test_deposits_and_funding_are_booked_once_whoever_tells_of_them(world):
    venue, gateway, folder = world
    robot = Robot(folder / "robot", gateway, 1)
    order = robot.place(Side.BUY, 0)
    wait_for(lambda: "accepted" in [word for word, _ in news_of(gateway.home, order)])
    by_hand(venue, "/deposit", account="main", currency="USDT", amount="1000.25")
    by_hand(venue, "/fund", symbol=RAW, rate="0.01")
    wait_for(lambda: causes(gateway) == {Cause.TRANSFER: 1, Cause.FUNDING: 1})
    gateway.kill()
    by_hand(venue, "/deposit", account="main", currency="USDT", amount="-20")
    by_hand(venue, "/fund", symbol=RAW, rate="0.02")
    gateway.start()
    # The history tells of all four; two of them are on the tape by the stream's word.
    wait_for(lambda: causes(gateway) == {Cause.TRANSFER: 2, Cause.FUNDING: 2})
    gateway.ask("reconcile")
    wait_for(lambda: not gateway.ask("status")["reconciling"])
    assert causes(gateway) == {Cause.TRANSFER: 2, Cause.FUNDING: 2}
    funding = [e for e in entries(gateway) if e.cause is Cause.FUNDING]
    assert all(entry.legs[0].amount < 0 for entry in funding)  # it is long, and paid


def test_what_nothing_tells_of_is_a_correction(world):
    venue, gateway, _ = world
    by_hand(venue, "/deposit", account="main", currency="USDT", amount="-7.5", silent=True)
    gateway.ask("reconcile")
    wait_for(lambda: causes(gateway) == {Cause.CORRECTION: 1})
    (entry,) = [e for e in entries(gateway) if e.cause is Cause.CORRECTION]
    assert entry.legs[0].amount == -75 * 10**17
