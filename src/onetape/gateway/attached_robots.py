"""Answers a robot's requests to its gateway before it trades: its number, its status, its earlier incarnations."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onetape.accounts.entries import MAIN
from onetape.feeds.depth_feed import DepthFeed
from onetape.gateway.core import GatewayCore
from onetape.gateway.gateway_market import GatewayMarket
from onetape.gateway.robot_requests import Robots
from onetape.model.enums import Kind
from onetape.model.errors import NotOwner, UnknownSubaccount
from onetape.model.home import gateway_journal, robot_journal
from onetape.model.instrument import Instrument
from onetape.model.money import money_text
from onetape.model.sections import OPERATOR
from onetape.options.gateway import GatewayOptions
from onetape.projections.robot_life import RobotLife
from onetape.security.tokens import grant_of

__all__ = ["AttachedRobots"]


class AttachedRobots:
    """Attaches robots to one gateway, and answers their requests at the start."""

    def __init__(
        self,
        options: GatewayOptions,
        core: GatewayCore,
        robots: Robots,
        market: GatewayMarket,
        depth: DepthFeed,
        instruments: list[Instrument],
        *,
        is_single: bool,
    ) -> None:
        """is_single: its one robot runs in the gateway's process."""
        self._options, self._home = options, Path(options.home)
        self._core, self._robots, self._market, self._depth = core, robots, market, depth
        self._instruments, self._is_single = instruments, is_single

    def not_granted(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Refuses a robot that `up` has not started on this sub-account. None: it is permitted."""
        name, subaccount = str(request["name"]), str(request.get("subaccount") or "main")
        wanted = grant_of(self._home, self._options.account, name, subaccount)
        if hmac.compare_digest(str(request.get("grant", "")).encode(), wanted.encode()):
            return None
        words = f"sub-account {subaccount[:80]} is not {name[:80]}'s"
        return {"status": "refused", **NotOwner(words).as_json()}

    def attach(self, name: str, journal: str, *, subaccount: str, rate: int, epoch: int = 0) -> dict[str, Any]:
        """Attaches a started robot: its number, and where its order ids begin. rate: orders a second, 0: no limit of
        its own. epoch: lowest epoch of its order ids, so that they are new at its other gateways, too."""
        options, core = self._options, self._core
        slot = {"main": MAIN, **options.subaccounts}.get(subaccount)
        if slot is None:
            words = f"account {options.account} has no sub-account {subaccount!r}"
            return {"status": "refused", **UnknownSubaccount(words).as_json()}
        if name.partition(":")[0] == OPERATOR:
            return {"error": f"no robot is called {name[:80]!r}"}
        life = self._robots.attach(name, journal, self._robots.wall(), slot=slot, rate=rate, epoch=epoch)
        if life is None:
            return {"error": "no number is left for one more robot"}
        core.robot_began(life)
        return {
            "robot": life.number,
            "base": life.base,
            "journal": str(gateway_journal(self._home, options.account)),
            "since": core.tape.state.since,
            "hub": self._market.hub_shown(),
            **self._shown(life),
        }

    def last(self, name: str) -> dict[str, Any]:
        """Returns the last journal of a robot of this name, "": none."""
        tape = self._core.tape
        found = next((r for r in tape.robots.values() if r.name == name), None)
        return {
            "journal": str(robot_journal(self._home, found.journal)) if found else "",
            "epoch": found.epoch if found else 0,
            "since": tape.state.since,
            "hub": self._market.hub_shown(),
        }

    def status(self, robot: int) -> dict[str, Any]:
        """Returns whether all orders of a robot's earlier incarnations are settled, with its money."""
        waits_for = self._core.waits_for(robot)
        return {"settled": not waits_for, "waits_for": waits_for, **self._shown(self._core.tape.robots[robot])}

    def follow(self, robot: int, books: list[str]) -> dict[str, Any]:
        """Follows the robot's journal, which exists now; books: symbols whose depth it needs on the tape."""
        self._robots.follow(robot, is_local=self._is_single)
        return {"lacking": [symbol for symbol in books if not self._depth.want(symbol)]}

    def _shown(self, life: RobotLife) -> dict[str, Any]:
        """Returns the balances of its sub-account, and their ledger frame. `balances`: settle currencies of its
        instruments, and base currencies of spot; `others`: the rest."""
        core = self._core
        names = dict.fromkeys(i.settle for i in self._instruments)
        names |= dict.fromkeys(i.base for i in self._instruments if i.kind is Kind.SPOT)
        has = core.money.shown_to(life.slot)
        mode = core.manager.mode
        return {
            "balances": {name: money_text(has.get(name, 0)) for name in names if name in has},
            "others": {n: money_text(total) for n, total in has.items() if n not in names and total},
            "slot": life.slot,
            "entries_after": core.tape.writer.published,
            "leverage": self._options.leverage,
            "currencies": {name: number for number, name in core.tape.currencies.items()},
            "hedge": bool(mode and mode.hedge),
        }
