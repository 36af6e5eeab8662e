"""A gateway and a simulated exchange, each a process, for transfers of money."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import msgspec

from exchange.venue_process import VenueProcess
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.entries import Entry
from onetape.accounts.entry_frames import unpack
from onetape.accounts.ledger import Ledger
from onetape.ipc import IPCCommandSystem
from onetape.model.home import gateway_journal
from onetape.model.money import money
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess

PATH = "/sapi/v1/asset/transfer"
WAY = {"currency": "usdt", "from": "trading", "to": "spot"}
WAYS = {
    "kraken": ("/0/private/WalletTransfer", {"currency": "usd", "from": "trading", "to": "futures"}),
    "bybit": ("/v5/asset/transfer/inter-transfer", {"currency": "usdt", "from": "trading", "to": "funding"}),
    "okx": ("/api/v5/asset/transfer", {"currency": "usdt", "from": "trading", "to": "funding"}),
    "binance-spot": (PATH, {"currency": "usdt", "from": "trading", "to": "usdm"}),
}


class World:
    """One venue, and a gateway on its account `main`; `also` begins one on another account."""

    def __init__(self, folder, *, wallet_host: str = "127.0.0.1", kind: str = "binance-usdm", **options) -> None:
        self.path, self.way = WAYS.get(kind, (PATH, WAY))
        self.folder = folder
        self.home = folder / "home"
        self.venue = VenueProcess(folder / "state", kind)
        account = SimpleNamespace(**self.venue.ready["accounts"][0])
        options["rest_wallet"] = f"http://{wallet_host}:{self.venue.port}"
        self.gateway = GatewayProcess(
            kind,
            self.home,
            self.venue.port,
            account,
            commands="process",
            venue=kind.partition("-")[0],
            subaccounts={"a": 2, "b": 3},
            transfer_settled_ns=10**9,
            **options,
        )
        self.gateway.start()

        self.others: list[GatewayProcess] = []

    def also(self, name: str, **options) -> GatewayProcess:
        reported = next(each for each in self.venue.ready["accounts"] if each["name"] == name)
        account = SimpleNamespace(**reported)
        gateway = GatewayProcess(
            "binance-usdm",
            self.home,
            self.venue.port,
            account,
            commands="process",
            venue="binance",
            transfer_settled_ns=10**9,
            **options,
        )
        gateway.options["account"] = name
        gateway.start()
        self.others.append(gateway)
        return gateway

    def stop(self) -> None:
        for gateway in (self.gateway, *self.others):
            gateway.kill()
        self.venue.stop()

    def send(self, *commands, actor: str = "operator", to: str = "main"):
        async def work():
            system = IPCCommandSystem(actor, home=self.home)
            system.start()
            answers = [
                await system.send_command(f"gateway:{to}", name, fields, timeout=PATIENCE_S)
                for name, fields in commands
            ]
            system.stop()
            return answers[0] if len(answers) == 1 else answers

        return asyncio.run(work())

    def transfer(self, id_: str, amount, actor: str = "operator", at: str = "main", **fields):
        request = {**self.way, "id": id_, "amount": amount, **fields}
        return self.send(("transfer", request), actor=actor, to=at)

    def stands(self, id_: str, at: str = "main") -> dict:
        (row,) = self.send(("transfers", {"id": id_}), to=at).result["transfers"]
        return row

    def ends(self, id_: str, state: str = "done", at: str = "main") -> dict:
        wait_for(lambda: self.stands(id_, at)["state"] == state)
        return self.stands(id_, at)

    def control(self, path: str, **body: object):
        content = msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        status, reported, _ = self.venue.control.request("POST", path, content, headers)
        assert status == 200, reported
        return reported

    def fault(self, **rule: object) -> None:
        self.control("/faults", fault=[{"path": self.path, "method": "POST", "count": 1, **rule}])

    def entries(self, account: str = "main") -> list[Entry]:
        with JournalReader(gateway_journal(self.home, account)) as reader:
            return [unpack(frame.payload) for frame in reader.frames(("entry",))]

    def records(self, id_: str) -> list[str]:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            rows = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("transfer",))]
        return [row["state"] for row in rows if row["id"] == id_]

    def books(self, account: str = "main") -> tuple[Decimal, Decimal, Decimal]:
        """In the trading wallet, on its way, in the other wallet."""
        ledger = Ledger()
        for entry in self.entries(account):
            ledger.post(entry)
        currency, other = self.way["currency"].upper(), self.way["to"]
        found = ledger.total(currency), ledger.transit(currency), ledger.total(currency, other)
        return tuple(money(amount) for amount in found)

    def looked(self) -> None:
        """The gateway has compared its balances with the venue's. A look costs 50 of the 2400 that
        an address may ask in a minute."""
        self.gateway.ask("reconcile")
        wait_for(lambda: not self.gateway.ask("status")["reconciling"])

    @property
    def slots(self) -> list[Decimal]:
        return self.slots_of("main")

    def slots_of(self, account: str) -> list[Decimal]:
        venue = self.gateway.options["venue"]  # a busy machine may pause: its age is not what is tested
        manager = StrategyBalanceManager(venue, strategy_count=4, home=self.home, account=account, max_age=PATIENCE_S)
        return manager.get_all(self.way["currency"].upper())
