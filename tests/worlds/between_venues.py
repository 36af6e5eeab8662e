"""Two simulated exchanges that a chain joins, and a gateway at each, all processes."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import NamedTuple

import msgspec

from exchange.venue_process import VenueProcess
from onetape.accounts.entries import MAIN as MAIN_SLOT
from onetape.accounts.entries import Cause, Entry, Outside
from onetape.accounts.entry_frames import unpack
from onetape.accounts.ledger import Ledger
from onetape.ipc import IPCCommandSystem
from onetape.model.home import gateway_journal
from onetape.model.money import money
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess

CURRENCY = "BTC"
FEE = Decimal("0.0001")


class End(NamedTuple):
    """An account at an exchange. wallet: that money leaves from and comes to. path: of what asks
    for a withdrawal, `no` what the venue says where it refuses one."""

    account: str
    kind: str
    wallet: str
    path: str
    no: str

    @property
    def venue(self) -> str:
        return self.kind.partition("-")[0]

    @property
    def place(self) -> str:
        return f"{self.venue}.{self.account}.{self.wallet or 'trading'}"


MAIN = End("main", "binance-usdm", "spot", "/sapi/v1/capital/withdraw/apply", "-4026")
HEDGE = End("hedge", "kraken", "", "/0/private/Withdraw", "EFunding:Insufficient funds")
ENDS = (MAIN, HEDGE)


def other(end: End) -> End:
    return ENDS[1 - ENDS.index(end)]


def open_venue(folder, end: End, port: int = 0) -> VenueProcess:
    state, chain = folder / f"venue-{end.venue}", str(folder / "chain")
    return VenueProcess(state, end.kind, "--chain", chain, "--withdraw", port=port)


def open_venues(folder, delay: str = "100ms") -> dict[End, VenueProcess]:
    """Whose first keys may withdraw."""
    venues = {}
    for end in ENDS:
        venues[end] = open_venue(folder, end)
        steer(venues[end], "/outside", delay=delay)
    return venues


def steer(venue: VenueProcess, path: str, **body: object):
    content = msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"}
    status, reported, _ = venue.control.request("POST", path, content, headers)
    assert status == 200, reported
    return reported


def destinations(venues: dict[End, VenueProcess], end: End) -> dict:
    """As a gateway's options say it: where the other end takes bitcoins."""
    there = other(end)
    address = venues[there].ready["accounts"][0]["addresses"][CURRENCY]
    to = {CURRENCY: ["BTC", address, "", "there"]}
    return {there.account: {"venue": there.venue, "wallet": there.wallet, "to": to}}


class World:
    def __init__(self, folder) -> None:
        self.home = folder / "home"
        self.venues = open_venues(folder)
        self.folder = folder
        self.gateways = {}
        for end in ENDS:
            account = SimpleNamespace(**self.venues[end].ready["accounts"][0])
            self.gateways[end] = GatewayProcess(
                end.kind,
                self.home,
                self.venues[end].port,
                account,
                commands="process",
                venue=end.venue,
                transfer_settled_ns=10**9,
                subaccounts={"a": 2},
                withdraw=destinations(self.venues, end),
            )
            self.gateways[end].options["account"] = end.account
            self.gateways[end].start()
        self.send(MAIN, "transfer", id="fund", currency=CURRENCY, amount="0.5", **{"from": "trading", "to": "spot"})
        self.ends(MAIN, "fund")

    def stop(self) -> None:
        for gateway in self.gateways.values():
            gateway.kill()
        for venue in self.venues.values():
            venue.stop()

    def restart(self, end: End) -> None:
        """The exchange is killed, and there again, as it was and where it was."""
        old = self.venues[end]
        old.stop()
        self.venues[end] = open_venue(self.folder, end, old.port)

    def send(self, end: End, command: str, actor: str = "operator", **fields):
        async def work():
            system = IPCCommandSystem(actor, home=self.home)
            system.start()
            try:
                return await system.send_command(f"gateway:{end.account}", command, fields, timeout=PATIENCE_S)
            finally:
                system.stop()

        return asyncio.run(work())

    def transfer(self, end: End, id_: str, amount: str, **fields):
        words = {
            "id": id_,
            "currency": CURRENCY.lower(),
            "amount": amount,
            "from": end.wallet or "trading",
            "to": other(end).place,
            **fields,
        }
        actor = words.pop("actor", "operator")
        return self.send(end, "transfer", actor, **words)

    def stands(self, end: End, id_: str) -> dict:
        (row,) = self.send(end, "transfers", id=id_).result["transfers"]
        return row

    def ends(self, end: End, id_: str, state: str = "done") -> dict:
        wait_for(lambda: self.stands(end, id_)["state"] == state)
        return self.stands(end, id_)

    def arrives(self, end: End, id_: str) -> dict:
        """At its end, and both gateways know it."""
        row = self.ends(end, id_)
        wait_for(lambda: f"{id_}/out" in [e.reference for _, e in self.entries(end)])
        return row

    def fault(self, end: End, **rule: object) -> None:
        steer(self.venues[end], "/faults", fault=[{"path": end.path, "method": "POST", "count": 1, **rule}])

    def entries(self, end: End) -> list[tuple[int, Entry]]:
        """With when they were written."""
        with JournalReader(gateway_journal(self.home, end.account)) as reader:
            return [(frame.time, unpack(frame.payload)) for frame in reader.frames(("entry",))]

    def records(self, end: End, id_: str) -> list[str]:
        with JournalReader(gateway_journal(self.home, end.account)) as reader:
            rows = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("transfer",))]
        return [row["state"] for row in rows if row["id"] == id_]

    def books(self, end: End) -> tuple[Decimal, Decimal]:
        """In the wallet that it leaves and comes to, and on its way."""
        ledger = Ledger()
        for _, entry in self.entries(end):
            ledger.post(entry)
        found = ledger.total(CURRENCY, end.wallet), ledger.transit(CURRENCY)
        return money(found[0]), money(found[1])

    def looked(self, end: End) -> None:
        """The gateway has compared its balances with the venue's."""
        self.send(end, "reconcile")

    def corrections(self) -> list[Entry]:
        return [e for end in ENDS for _, e in self.entries(end) if e.cause is Cause.CORRECTION]


def sums(world: World) -> set[Decimal]:
    """What both have, what is on its way and the fees, after each entry of both. Money that has
    come is on its way no longer, though its sender has not heard of it yet."""
    ledgers = {end: Ledger() for end in ENDS}
    steps = sorted(
        ((time, at, entry) for at, end in enumerate(ENDS) for time, entry in world.entries(end)),
        key=lambda step: step[0],
    )
    come: dict[str, int] = {}  # to one, and not yet taken off by the other
    found = set()
    for _, at, entry in steps:
        ledgers[ENDS[at]].post(entry)
        first = entry.legs[0] if entry.legs else None
        has_come = first is not None and first.amount > 0 and entry.legs[1].holder == Outside.WORLD
        if entry.cause is Cause.COMMAND and entry.reference.startswith("transfer "):
            if first.holder == Outside.WORLD:  # the venue has told of it before
                del come[next(name for name in come if come[name] == first.amount)]
            come[entry.reference.removeprefix("transfer ")] = first.amount
        elif entry.cause is Cause.TRANSFER and has_come and first.holder == MAIN_SLOT:
            come[entry.reference] = first.amount
        elif entry.reference.endswith("/out"):
            del come[entry.reference.removesuffix("/out")]
        elif entry.reference.endswith("/back") and first.holder == Outside.WORLD:
            del come[next(name for name in come if come[name] == first.amount)]
        if all(CURRENCY in ledger.currencies() for ledger in ledgers.values()):
            found.add(money(sum(map(ours, ledgers.values())) - sum(come.values())))
    return found


def ours(ledger: Ledger) -> int:
    """In any wallet, on its way, and gone in fees of transfers."""
    wallets = sum(ledger.total(CURRENCY, wallet) for wallet in ledger.wallets())
    fees = sum(ledger.balance(CURRENCY, int(Outside.FEES), w) for w in ledger.wallets())
    return wallets + ledger.transit(CURRENCY) + fees
