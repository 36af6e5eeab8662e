"""A whole system in one virtual time: three accounts at three simulated exchanges, each with a gateway, a guardian, a
hub of two sources and robots, over all of them the desk of the control plane and the recorder, and one bad network.

One seed decides everything. Processes are killed before any frame of their journals, alone or all at once; the operator
takes the system down and up, puts another version in its place, changes limits, and asks the desk for operations.
`System(seed).play(seconds)` holds to all invariants after every event, to the desk's promises after every operation and
to the records after every `down`; at the end everything has to recover within `RECOVERS_WITHIN`, and every run of a
robot to be repeated from its tapes.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from onetape.model.enums import RequestKind
from onetape.model.home import gateway_journal
from onetape.model.ids import robot_tag
from onetape.model.money import money
from onetape.model.sections import GUARDIAN
from onetape.orders.managed import FillOut
from onetape.orders.order_frames import fill_of, request_of
from onetape.recorder.recorder import Recorder
from onetape.replay.replay import replay_run
from onetape.simulation.faults import Faults
from onetape.simulation.gateway_life import Home
from onetape.simulation.hub_world import HubWorld
from onetape.simulation.invariants import check
from onetape.simulation.operations import check_end, operate
from onetape.simulation.operations_world import ZERO, GuardedVenue, House, Venue
from onetape.simulation.record_sums import moved, opened
from onetape.simulation.robot_process import BEHIND, ROBOT, AttachedGateway, RobotProcess
from onetape.simulation.world import MS, SECOND
from onetape.store.records import Records, metadata
from onetape.tape.journal import JournalReader

__all__ = ["KINDS", "Account", "System"]

KINDS = ("binance-usdm", "aster", "pacifica", "bybit", "okx", "hyperliquid")
RECOVERS_WITHIN = 30 * SECOND  # of the last fault, once every process runs
# An order that waits for a trigger is absent once no query has found it for a minute: venues were seen not to list one
# for half a minute.
PROVEN_WITHIN = 75 * SECOND
TURN = 100 * MS
AWAY_MAX = 200  # looks of a second until a killed gateway is there
DONE_WITHIN = 10 * SECOND  # of a robot's last orders


class Account(GuardedVenue, HubWorld):
    """One account with all its processes. Its first symbol is the desk's, the others are its robots'."""

    def __init__(self, name: str, seed: int, kind: str, faults: Faults, place: str) -> None:
        self.sources = []
        self.robot = RobotProcess(self)
        self.gateway: AttachedGateway | None = None
        self.is_down = False
        super().__init__(name, seed, kind, faults, place)
        self.places = list(range(1, len(self.symbols)))
        self.invariants.tags = (*self.invariants.tags, f"T{robot_tag(ROBOT)}X")

    # --- its processes ----------------------------------------------------------------------------

    def begin_gateway(self, home: Home, **options: Any) -> None:
        super().begin_gateway(home, **options)
        self.gateway = AttachedGateway(self)

    def rise(self) -> None:
        if self.gateway is not None:
            self.gateway.close()
            self.gateway = None
        super().rise()

    def _come(self) -> None:
        if self.is_down:
            self.at(self.now + SECOND, self._come)
        else:
            super()._come()

    def begin_guardian(self) -> None:
        if self.is_down:
            self.at(self.now + SECOND, self.begin_guardian)
        else:
            super().begin_guardian()

    def begin_robot(self) -> None:
        """As the supervisor begins it: again a second later where its gateway does not let it."""
        if self.robot.run is not None:
            return
        if not self.is_down and self.now - max(self.live_at.values()) >= BEHIND:
            self.at(self.now + TURN, self.begin_robot)  # it would wait for the market
            return
        is_begun = False
        try:  # its gateway may die of it
            is_begun = (
                not self.is_down and not self.is_dead and self.gateway is not None and self.robot.begin(self.gateway)
            )
        finally:
            if not is_begun:
                self.at(self.now + SECOND, self.begin_robot)

    def kill_robot(self) -> None:
        if self.robot.run is None:
            return
        self.seen["robot killed"] += 1
        self.robot.kill()
        self.miss(self.now + int(self.random.uniform(0.5, 8) * SECOND))

    def miss(self, until: int) -> None:
        """Until another one begins, the gateway knows that the robot is gone."""
        if self.robot.run is not None:
            return
        if self.now >= until:
            self.begin_robot()
            return
        self.at(min(self.now + SECOND, until), self.miss, until)
        if not self.is_dead and self.robot.number:
            self.core.robots_ended([self.robot.number], self.moment())

    def gateway_step(self) -> None:
        if not self.is_dead and self.gateway is not None:
            self.robot.turn()
            self.gateway.robots.look()
        super().gateway_step()

    def trade(self) -> None:
        super().trade()
        self.at(self.now + SECOND, self.begin_robot)

    def chances(self) -> tuple[tuple[Callable[[int], None], int], ...]:
        return (self.meddle, 15), (self.pay, 40), (self.lose_robot, 80), (self.lose_process, 60)

    def lose_process(self, every: int) -> None:
        if self.stopping:
            return
        self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), self.lose_process, every)
        if not self.is_down:
            self.kill_robot()

    def stop_faults(self) -> None:
        super().stop_faults()
        self.robot.rest()

    # --- what the operator does -------------------------------------------------------------------

    def close(self) -> None:
        """As `down` ends its gateway and its guardian."""
        self.is_down = True
        self.end_guardian()
        if not self.is_dead:
            assert self.gateway is not None
            self.gateway.close()
            self.gateway = None
            self.life.close()
            self.is_dead, self.died_at, self.began = True, self.now, self.now
            self.at(self.now, self._come)
        self.disconnect()

    def come_up(self) -> None:
        """As `up`."""
        self.is_down = False
        self.begin_guardian()

    def change_limits(self, factor: int) -> None:
        """Another version of the configuration."""
        self.limits = {symbol: 12 * factor * self.robots[0].usual(symbol) for symbol in self.symbols}

    # --- what must hold ---------------------------------------------------------------------------

    def unsettled(self) -> dict[str, int]:
        """Returns what has not recovered, with the time within which it has to, ns."""
        if self.is_dead:
            return {"no gateway": RECOVERS_WITHIN}
        unknown = self.manager.unknown
        found = {
            f"{order.client_id} is {order.state}": PROVEN_WITHIN if order.spec.trigger_int else RECOVERS_WITHIN
            for order in unknown
        }
        if not self.core.gate.ready:
            found["its gateway takes no orders"] = RECOVERS_WITHIN
        if self.hub is not None and self.hub.stale:
            found[f"a market is stale: {self.hub.stale}"] = RECOVERS_WITHIN
        if self.guardian is None:
            found["no guardian"] = RECOVERS_WITHIN
        if self.robot.run is None and not any(order.spec.trigger_int for order in unknown):  # it waits for these
            found["no robot"] = RECOVERS_WITHIN
        if bare := [key for key in self.wrong if key[2] == "bare"]:
            found[f"{bare} is not protected"] = RECOVERS_WITHIN
        if lost := [guard.instrument.symbol for guard in self.guards() if guard.is_lost]:
            found[f"{lost} is not protected, as its guardian says"] = RECOVERS_WITHIN
        return found


class System(House):
    """Everything of one seed. seen: faults and events, counted."""

    def __init__(self, seed: int, faults: Faults | None = None, *, kinds: tuple[str, ...] = (), crashes: bool = True):
        chance = random.Random(seed * 31 + 7)
        self.account_kinds = kinds or tuple(chance.sample(KINDS, 3))
        self.power_at = 0
        self.is_operating = False
        self.operations: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.coming: list[Callable[[], None]] = []
        super().__init__(seed, accounts=len(self.account_kinds), faults=faults, crashes=crashes)
        self.crashes = crashes
        for account in self.accounts():
            account.trade()
        self.store = Records("sqlite:///store.db", home=self.path)
        check(self.store.take_lease() == "", "the records are another's")
        self.recorder = self.new_recorder()

    def new_venue(self, number: int, name: str, kind: str, place: str) -> Venue:
        seed = self.seed * 3 + number
        return Account(name, seed - (seed % 5 == 4), kind, Faults.none(), place)

    def accounts(self) -> Iterator[Account]:
        """Yields its accounts."""
        for venue in self.venues.values():
            assert isinstance(venue, Account)
            yield venue

    @property
    def seen(self) -> Counter[str]:
        """Returns how often each fault and event came, of all accounts."""
        return sum((account.seen for account in self.accounts()), Counter(self.events))

    # --- time -------------------------------------------------------------------------------------

    def advance(self, span: int) -> None:
        super().advance(span)
        if self.power_at and self.now >= self.power_at:
            self.power_at = 0
            self.lose_power()

    def lose_power(self) -> None:
        """Every process dies at the same moment."""
        self.events["power lost"] += 1
        for account in self.accounts():
            account.catch_up(self.now)
            if account.robot.run is not None:
                account.robot.kill()
                account.miss(account.now + int(self.random.uniform(1, 5) * SECOND))
            account.end_guardian()
            account.at(account.now + int(self.random.uniform(1, 5) * SECOND), account.begin_guardian)
            if not account.is_dead:
                account.die()
        self.recorder = self.new_recorder()
        self.is_killed = self.is_operating

    # --- a campaign -------------------------------------------------------------------------------

    def play(self, seconds: float) -> System:
        """Trades so long, and holds the end to account. Raises Broken, or what broke."""
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            what = self.random.random()
            if what < 0.5:
                self.operate_once()
            elif what < 0.9 or not self.crashes:
                self.advance_long(self.random.uniform(1, 30))
            else:
                self.next_event()()
            if self.random.random() < 0.3:
                self.recorder.step()
        self.end()
        return self

    def next_event(self) -> Callable[[], None]:
        """Returns what happens to the whole system: each in turn, in an order that is drawn."""
        if not self.coming:
            self.coming = [self.down_and_up, self.upgrade, self.change, self.lose_power, self.kill_recorder]
            self.random.shuffle(self.coming)
        return self.coming.pop()

    def advance_long(self, seconds: float) -> None:
        until = self.now + int(seconds * SECOND)
        while self.now < until:
            self.advance(min(TURN, until - self.now))

    def operate_once(self) -> None:
        """One operation of the desk, during which the desk or everything may die."""
        number = sum(self.operations.values())
        if self.crashes and self.random.random() < 0.15:
            self.power_at = self.now + int(self.random.uniform(0.01, 3) * SECOND)
        kill_at = self.random.choice((0, 0, 0, 1, 2, 3, 5, 8)) if self.crashes else 0
        self.is_operating = True
        try:
            self.operations[operate(self, number, kill_at=kill_at)] += 1
        finally:
            self.is_operating = False
        self.events["desk killed"], self.power_at = self.kills, 0

    def down(self) -> None:
        """`onetape down`: robots first, then what they trade through."""
        self.events["down"] += 1
        for account in self.accounts():
            account.is_down = account.is_dead
            if not account.is_dead:
                account.robot.stop()
        until = self.now + DONE_WITHIN
        while self.now < until and not all(a.robot.is_done for a in self.accounts()):
            self.advance(TURN)
        for account in self.accounts():
            account.catch_up(self.now)
            account.robot.close()
            account.close()
        self.hold_records()

    def up(self) -> None:
        """`onetape up`."""
        self.advance_long(self.random.uniform(0.5, 20))
        for account in self.accounts():
            account.come_up()
            account.at(account.now + SECOND, account.begin_robot)

    def down_and_up(self) -> None:
        self.down()
        self.up()

    def upgrade(self) -> None:
        """The next version reads the tapes from their beginning: it takes no checkpoint of another one."""
        self.down()
        self.events["upgrade"] += 1
        for account in self.accounts():
            for file in (account.home.path / "state").glob("*.checkpoint"):
                file.unlink()
        self.up()

    def change(self) -> None:
        """Other limits in the configuration, which `up` takes."""
        self.down()
        self.events["limits changed"] += 1
        for account in self.accounts():
            account.change_limits(self.random.choice((1, 2)))
        self.up()

    def kill_recorder(self) -> None:
        self.events["recorder killed"] += 1
        self.recorder = self.new_recorder()

    def new_recorder(self) -> Recorder:
        return Recorder(self.path, self.store, leverage={}, frames_max=self.random.randrange(50, 5000))

    # --- what must hold ---------------------------------------------------------------------------

    def end(self) -> None:
        """Liveness, then equality of all sides, then `down`, and each run again."""
        self.recover()
        check_end(self)
        self.down()
        for account in self.accounts():
            self.hold_robot(account)

    def recover(self) -> None:
        """Everything is ready in time after the last fault, once every process is there."""
        for account in self.accounts():
            account.stop_faults()
        for _ in range(AWAY_MAX):
            if not any(account.is_dead or account.guardian is None for account in self.accounts()):
                break
            self.advance_long(1)
        since: dict[str, int] = {}  # a robot begins only once nothing of its account is unknown
        until = self.now + PROVEN_WITHIN + RECOVERS_WITHIN
        while left := {f"{a.name}: {what}": bound for a in self.accounts() for what, bound in a.unsettled().items()}:
            since = {what: since.get(what, self.now) for what in left}
            late = [what for what, bound in left.items() if self.now > min(since[what] + bound, until)]
            check(not late, f"not recovered: {', '.join(late)}")
            self.advance_long(1)

    def hold_records(self) -> None:
        """What the recorder has written is what the gateway's ledger has."""
        while self.recorder.step():
            pass
        fills = metadata.tables["record_fills"]
        for name, account in self.venues.items():
            began, came = opened(self.store, name), moved(self.store, "symbol", {name})
            books = account.money.ledger
            for asset in books.currencies():
                recorded, has = began.get(asset, ZERO) + came.get(asset, ZERO), money(books.total(asset))
                check(recorded == has, f"{name}: records say {recorded} {asset}, the ledger {has}")
            rows = self.store.rows(sa.select(fills.c.seq).where(fills.c.account == name))
            booked = sum(isinstance(out, FillOut) for out in account.outs)
            check(len(rows) >= booked, f"{name}: {len(rows)} fills recorded, {booked} booked")

    def hold_robot(self, account: Account) -> None:
        """Its orders are those that it asked for, it has heard of each of its fills once, and each of its runs decides
        the same again."""
        tape, number = gateway_journal(account.home.path, "main"), account.robot.number
        if not number:
            return  # no gateway let it begin
        requested, heard = set[int](), Counter[tuple[int, int]]()
        for folder in account.robot.runs():
            requested |= _orders(folder / "journal")
            heard += _fills(folder / "journal")
        taken, booked = _orders(tape, number), _fills(tape, number)
        check(taken <= requested, f"{account.name}: orders {sorted(taken - requested)} are of no request")
        check(heard == booked, f"{account.name}: its robot heard of {heard - booked} and not of {booked - heard}")
        for folder in account.robot.runs():
            answer = replay_run(folder, verify=True)
            check(not answer["divergences"], f"{account.name}: {folder.name} decides otherwise: {answer}")

    def journals(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for account in self.accounts():
            found |= {
                f"{account.name} gateway": gateway_journal(account.home.path, "main"),
                f"{account.name} guardian": account.home.path / "journal" / GUARDIAN,
                f"{account.name} hub": account.hub_path,
                **{f"{account.name} {folder.name}": folder / "journal" for folder in account.robot.runs()},
            }
        return found


def _orders(tape: Path, robot: int = 0) -> set[int]:
    """Returns the orders that a tape asks for, without the guardian's. robot: of this one alone."""
    with JournalReader(tape) as reader:
        requests = [request_of(frame.payload, "") for frame in reader.frames(("order_request",))]
    places = [each for each in requests if each.kind is RequestKind.PLACE and each.spec.tag != GUARDIAN]
    return {each.order_id for each in places if robot in (0, each.robot)}


def _fills(tape: Path, robot: int = 0) -> Counter[tuple[int, int]]:
    """Returns the fills on a tape by order and trade. robot: of this one alone."""
    with JournalReader(tape) as reader:
        fills = [fill_of(frame.payload) for frame in reader.frames(("fill",))]
    return Counter((each.order_id, each.trade_id) for each in fills if robot in (0, each.robot))
