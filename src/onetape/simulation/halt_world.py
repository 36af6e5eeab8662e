"""A world in which a guardian halts and lifts at random: symbols, sub-accounts, the account, the system,
some for a while and some until they are lifted. Commands meet a gateway that is killed at any frame,
and are sent again under their id until they are answered.

What holds is kept here from what was answered, not from the gateway: while it holds no intent that
may open leaves, and afterwards nothing works that may.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onetape.model.enums import RequestKind
from onetape.model.sections import GUARDIAN
from onetape.orders.managed import IntentOut, Out
from onetape.simulation.gateway_life import SLOTS
from onetape.simulation.invariants import check, is_handed_over
from onetape.simulation.robots import NAMES
from onetape.simulation.world import SECOND, World

EVERY = 12  # s


@dataclass
class HaltWorld(World):
    halted: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id
    answered: dict[str, str] = field(default_factory=dict)  # commands, by their id

    def run(self, seconds: float) -> HaltWorld:
        self.at(self.now + EVERY * SECOND, self.stop_or_go)
        super().run(seconds)
        return self

    def stop_or_go(self) -> None:
        if self.stopping:
            return
        self.at(self.now + int(self.random.expovariate(1 / EVERY) * SECOND), self.stop_or_go)
        lasting = [name for name, each in self.halted.items() if not each.get("until")]
        if lasting and self.random.random() < 0.6:
            self.tell(f"lift {self.now}", "lift_halt", {"id": self.random.choice(lasting)})
            return
        fields: dict[str, Any] = self.random.choice(
            (
                {"symbol": self.random.choice(self.symbols)},
                {"strategy": self.random.choice([*SLOTS])},
                {"scope": "account", "subject": "main"},
                {"scope": "system"},
            )
        )
        fields = {**fields, "id": f"h{self.now}", "since": self.now}
        if self.random.random() < 0.7:
            fields["until"] = self.now + int(self.random.uniform(0.01, 90) * SECOND)
        self.tell(f"halt {self.now}", "halt", fields)

    def tell(self, id_: str, command: str, fields: dict[str, Any]) -> None:
        """Sends a command, again and again should the gateway die of it."""
        self.at(self.now + SECOND // 2, self.repeat, id_, command, fields)
        self.tell_once(id_, command, fields)

    def repeat(self, id_: str, command: str, fields: dict[str, Any]) -> None:
        if self.answered.get(id_) is None:
            self.tell(id_, command, fields)

    def tell_once(self, id_: str, command: str, fields: dict[str, Any]) -> None:
        # What is asked for may hold from here on, whether or not its answer comes.
        name = fields["id"]
        before = self.halted.get(name)
        if command == "lift_halt":
            self.halted.pop(name, None)
        answer = self.command(id_, command, fields, GUARDIAN)
        check(answer["status"] in ("applied", "duplicate") or before is None, f"{command}: {answer}")
        self.answered[id_] = answer["status"]
        if command == "halt":
            self.halted[name] = fields
            self.seen[f"halt of {fields.get('scope') or ('symbol' if 'symbol' in fields else 'strategy')}"] += 1
        else:
            self.seen["lifted"] += 1

    def is_halted(self, symbol: str, robot: int) -> bool:
        return any(
            (not each.get("until") or self.now < each["until"])
            and each.get("symbol", symbol) == symbol
            and each.get("strategy", NAMES.get(robot)) == NAMES.get(robot)
            for each in self.halted.values()
        )

    def out(self, out: Out) -> None:
        super().out(out)
        if not isinstance(out, IntentOut) or out.kind is RequestKind.CANCEL:
            return
        spec, order = out.order.spec, out.order
        if is_handed_over(order) or self.gate.reduces(spec, order) or not self.is_halted(spec.symbol, order.robot):
            return
        worst = self.invariants.worst(spec.symbol, spec.side, spec.position_side)
        check(worst <= 0, f"{out.kind} of {order.client_id} while halted: the account may come to {worst}")
        self.seen["reduced while halted"] += 1

    def differences(self) -> list[str]:
        return super().differences() + [
            f"order {o.client_id} outlives a halt"
            for o in self.manager.open.values()
            if o.robot
            and not self.gate.reduces(o.spec, o)
            and self.is_halted(o.spec.symbol, o.robot)
            and self.invariants.worst(o.spec.symbol, o.spec.side, o.spec.position_side) > 0
        ]
