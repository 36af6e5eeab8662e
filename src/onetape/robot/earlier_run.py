"""Find the earlier run of a restarted robot, and what it passes on.

Its gateway's tape names the journal that the robot of this name wrote last. That run continues when the supervisor
restarts an unchanged robot; otherwise a new run takes over positions and working orders from the gateway, and memory
from the old run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from onetape.engine.actions import first_difference, read_actions
from onetape.engine.incarnations import Life, incarnations_of
from onetape.engine.plan import LiveRobot, RunPlan, Seat, read_plan, seat_record
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import Divergence, ProcessDown
from onetape.replay.repeating import repeat_incarnations
from onetape.robot.live_history import Asks
from onetape.robot.live_inputs import hub_of, live_inputs
from onetape.robot.live_options import LiveOptions

__all__ = ["Earlier", "earlier_of", "live_robot", "rebuilt", "wait_until_settled"]

# For the venue's report on each order of the earlier incarnation; after this time the robot reports why it does not
# start, before its supervisor ends it.
SETTLED_WITHIN_S: Final = 20.0
LOOK_S: Final = 0.02
FRESH: Final = "fresh"
MEMORY: Final = "memory"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The earlier run. continues: the robot continues it."""

    folder: Path
    plan: RunPlan
    document: dict[str, Any]
    incarnations: list[Life]
    continues: bool

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def source(self) -> str:
        """The strategy as kept in the run."""
        return str(self.folder / "source" / self.plan.strategy)


def earlier_of(options: LiveOptions, gateways: Mapping[str, Asks]) -> Earlier | None:
    """Returns the earlier run; None: no robot of this name has traded on the venues as they are now. gateways: the
    robot's, by account."""
    if not options.robot:
        return None
    replies = {account: client.ask("life", name=options.robot) for account, client in gateways.items()}
    journal = Path(next((reply["journal"] for reply in replies.values() if reply["journal"]), ""))
    folder = journal.parent
    if not journal.name or not journal.is_dir() or not (folder / "run.toml").is_file():
        return None
    incarnations = incarnations_of(journal)
    if not incarnations:
        return None
    plan, document = read_plan(folder)
    if plan.live is None:
        return None
    seats = [seat.account for seat in plan.live.seats]
    positions = incarnations[0].live.positions or [incarnations[0].position]
    since = [replies[account]["since"] if account in replies else 0 for account in seats]
    if any(position < begun for position, begun in zip(positions, since, strict=False)):
        return None
    inputs = live_inputs(options.home, gateways, hub_of(replies.values()), options.streams)
    is_same = (
        seats == list(gateways)
        and 0 < options.goes_on_since <= incarnations[0].start
        and document.get("state", {}).get("strategy") == options.strategy_named
        and [Path(each.path).name for each in plan.inputs[1:]] == [path.name for path in inputs[1:]]
    )
    return Earlier(folder, plan, document, incarnations, is_same)


def live_robot(
    replies: Mapping[str, Mapping[str, Any]], venues: Mapping[str, str], policy: str, before: Earlier | None
) -> LiveRobot:
    """Returns the state that a new incarnation gets from its gateways, by account, and from the earlier one."""
    seats = [_seat(number, name, venues[name], reply, before) for number, (name, reply) in enumerate(replies.items())]
    base = max(int(reply["base"]) for reply in replies.values())
    live = LiveRobot(**seat_record(seats[0]), more=seats[1:], order_base=base)
    if before is None:
        return live
    live = replace(live, restart=policy, memory=b"" if policy == FRESH else before.incarnations[-1].memory)
    return replace(live, life=len(before.incarnations) + 1) if before.continues else live


def _seat(number: int, account: str, venue: str, reply: Mapping[str, Any], before: Earlier | None) -> Seat:
    seat = Seat(
        number=int(reply["robot"]),
        account=account,
        venue=venue,
        currencies=dict(reply["currencies"]),
        since=int(reply.get("since", 0)),
        slot=int(reply["slot"]),
        leverage=float(reply["leverage"]),
        entries_after=int(reply["entries_after"]),
        others=dict(reply["others"]),
    )
    if before is None or not before.continues:
        return seat
    first = before.incarnations[0]
    return replace(
        seat,
        run_from=first.live.positions[number] if number else first.position,
        heard=sum(life.news[number] for life in before.incarnations),
    )


def rebuilt(before: Earlier, strategy: type[Any]) -> dict[str, Any]:
    """Returns the strategy's attributes at the end of the last incarnation, rebuilt from the tapes. Raises
    Divergence where that is impossible."""
    if not before.continues:
        return {}
    recorded = read_actions(before.journal)
    repetition = repeat_incarnations(before.folder, before.incarnations, RunSpec(before.plan, strategy))
    count, _, words = first_difference(recorded, repetition.actions)
    if count:
        raise Divergence(
            f"the robot cannot be rebuilt: {words}",
            location=str(before.folder),
            todo='restart it with restart = "memory", and see onetape replay --verify',
        )
    return repetition.attributes


def wait_until_settled(client: Asks, robot: int, doing: Callable[[str], None] = lambda words: None) -> dict[str, Any]:
    """Returns the gateway's answer once it is reconciled and none of the robot's orders is unknown. doing: called
    with what is awaited. Raises ProcessDown."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while True:
        reply = client.ask("standing", robot=robot)
        if reply["settled"]:
            return reply
        doing(f"waits for {reply['waits_for']}")
        if time.monotonic() > deadline:
            raise ProcessDown(
                f"the gateway has not reconciled within {SETTLED_WITHIN_S:.0f} s: {reply['waits_for']}",
                location="the robot's orders",
                todo="see onetape status and onetape orders",
            )
        time.sleep(LOOK_S)
