"""A robot as its process runs it, in virtual time: the session that trades live reads the journals of a simulated
gateway and hub, and the gateway follows its journal. It may be killed between any two steps."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onetape.gateway.attached_robots import AttachedRobots
from onetape.gateway.robot_requests import Robots
from onetape.model.errors import OnetapeError, ProcessDown
from onetape.robot.earlier_run import earlier_of
from onetape.robot.live import LiveOptions, open_live
from onetape.robot.robot_run import RobotRun
from onetape.simulation import trader
from onetape.simulation.world import MS

if TYPE_CHECKING:
    from onetape.simulation.hub_world import HubWorld

__all__ = ["BEHIND", "ROBOT", "AttachedGateway", "RobotProcess"]

ROBOT = "three"
STEP_FRAMES = 2000
BEHIND = 600 * MS  # of its market, at the start: a tape has to have a frame since then


def waits(_seconds: float) -> None:
    """Instead of a wait: another process of its name begins later."""
    raise ProcessDown("the market has not come yet")


class StillLoop:
    """An event loop that calls nothing by itself: the world says when journals are read."""

    def add_reader(self, *_of: object) -> None: ...

    def remove_reader(self, *_of: object) -> None: ...

    def call_soon(self, *_of: object) -> None: ...

    def call_later(self, *_of: object) -> Any:
        return None


class AttachedGateway:
    """One incarnation of a gateway, as its robot's process asks it."""

    def __init__(self, account: HubWorld) -> None:
        self._account, core = account, account.core
        loop: Any = StillLoop()
        self.robots = Robots(core, loop=loop, moment=account.moment, wall=lambda: account.now)
        market: Any = self  # of the hub alone
        self.attached = AttachedRobots(
            account.life.options, core, self.robots, market, market, account.instruments, is_single=False
        )

    def close(self) -> None:
        self.robots.close()

    def hub_shown(self) -> dict[str, Any]:
        """Returns what the gateway's market says of its hub."""
        return {"journal": str(self._account.hub_path), "symbols": self._account.symbols, "own": []}

    def want(self, _symbol: str) -> bool:
        """Returns False: nobody brings depth."""
        return False

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Answers as the gateway's socket does. Raises ProcessDown where a robot would have to wait."""
        account = self._account
        account.core.stamp(account.moment())
        match do:
            case "life":
                return self.attached.last(fields["name"])
            case "attach":
                # Below the home, wherever that is: the tape is the same in each play.
                journal = str(Path(fields["journal"]).relative_to(account.home.path))
                return self.attached.attach(
                    fields["name"], journal, subaccount=fields["subaccount"], rate=0, epoch=fields["epoch"]
                )
            case "standing":
                answer = self.attached.status(fields["robot"])
                if not answer["settled"]:
                    raise ProcessDown(f"the gateway has not reconciled: {answer['waits_for']}")
                return answer
            case "follow":
                return self.attached.follow(fields["robot"], fields["books"])
            case "status":
                return {"market": {"hears": True, "bars": 0}}
        raise ProcessDown(f"no answer to {do}")


class RobotProcess:
    """The robot `three` of one account, in one incarnation after the other. It trades what the other robots do."""

    def __init__(self, account: HubWorld) -> None:
        self._account = account
        self.run: RobotRun | None = None
        self.count = 0  # runs begun
        self._is_resting = False
        self.number = 0  # its gateway's for it, 0: it has never attached

    def begin(self, gateway: AttachedGateway) -> bool:
        """Begins another incarnation; tells whether its gateway let it."""
        account, home = self._account, self._account.home.path
        traded = account.exchange.instruments[account.places[0]]
        qty = traded.size(account.robots[0].usual(traded.symbol)) * traded.multiplier
        self.count += 1
        options = LiveOptions(
            data=(),
            strategy=f"{trader.__file__}:Trader",
            strategy_named="trader.py:Trader",
            goes_on_since=1,
            params={"symbol": traded.symbol, "qty": float(qty), "tick": float(traded.tick)},
            home=home,
            subaccount="main",
            robot=ROBOT,
            out=home / "runs" / f"run-{self.count}",
            stopped=self._is_resting,
            wall=lambda: account.now - BEHIND,
            sleep=waits,
        )
        gateways = {"main": gateway}
        try:
            self.run = open_live(options, gateways, earlier_of(options, gateways))
        except OnetapeError as error:
            account.seen[f"robot waits: {type(error).__name__}"] += 1
            return False
        live = self.run.session.plan.live
        assert live is not None
        self.number = live.number
        account.seen["robot begins"] += 1
        return True

    def turn(self) -> None:
        """Reads what is new, and asks for what follows from it."""
        if self.run is not None:
            self.run.session.step(STEP_FRAMES, self._account.now)

    def kill(self) -> None:
        """kill -9: nothing is closed or sealed."""
        if self.run is not None:
            session, self.run = self.run.session, None
            assert session.writer is not None
            session.writer.__dict__.clear()
            session.writer = None
            session.close()
            del session
            gc.collect()  # its journal is free once nothing of it is left

    def rest(self) -> None:
        """It wants nothing from now on, as after `onetape send robot:three stop`."""
        if self.run is not None and not self._is_resting:
            self.run.session.ask("stop", {})
        self._is_resting = True

    def stop(self) -> None:
        """Asks it to end, as SIGTERM does: it cancels its orders first."""
        if self.run is not None:
            self.run.session.halt()

    @property
    def is_done(self) -> bool:
        """Tells whether a stopped one has heard the end of its orders."""
        return self.run is None or not self.run.session.loop.working(None)

    def close(self) -> None:
        """Ends as a process that was stopped."""
        if self.run is not None:
            run, self.run = self.run, None
            run.has_report = False
            run.close(keep=True)

    def runs(self) -> list[Path]:
        """Returns the folders of its runs."""
        folder = self._account.home.path / "runs"
        return sorted(path.parent for path in folder.glob("*/run.toml")) if folder.is_dir() else []
