"""What protects an entry goes on in the next incarnation of its robot's process: for what is still held, by its terms
of before."""

from __future__ import annotations

import pytest

from onetape import Strategy
from onetape.model.enums import OrderType, Side, TriggerBy, TriggerKind
from onetape.replay.replay import replay_run
from worlds.scripted_gateway import A, Robot


class Enters(Strategy):
    """Enters once, in its first life."""

    symbols: list[str]
    ladder: bool = False

    def on_start(self):
        self.subscribe(self.symbols[0], quotes=True)

    def on_quote(self, quote):
        if not self.resumed and not self.memory.get("set"):
            self.memory["set"] = True
            takes = [("10%", 0.5), (70_000, 0.25)] if self.ladder else None
            self.buy(self.symbols[0], 0.04, stop_loss="10%", take_profit=takes)


def legs(robot: Robot) -> list[tuple[str, float, float]]:
    return sorted((order.tag.partition(" of ")[0], order.qty, order.trigger) for order in robot.loop.working(A))


def leg(robot: Robot, name: str):
    return next(order for order in robot.loop.working(A) if order.tag.startswith(name))


def taken(robot: Robot, order):
    """As its gateway has it."""
    terms = {"type": OrderType.MARKET, "price_int": 0, "reduce_only": True, "trigger_by": TriggerBy.LAST}
    kind = TriggerKind.STOP if order.tag.startswith("stop") else TriggerKind.TAKE_PROFIT
    trigger = round(order.trigger * 10)
    made = robot.first.order(
        order.id, order.qty_int, Side.SELL, order.tag, trigger_int=trigger, trigger_kind=kind, **terms
    )
    robot.run.step()
    return made


def fill_leg(robot: Robot, name: str, size: int) -> None:
    robot.first.fill(taken(robot, leg(robot, name)), size, "USDT", Side.SELL)


@pytest.mark.parametrize("restart", ["memory", "replay"])
def test_legs_that_a_kill_has_ended_are_placed_again_for_what_is_held(tmp_path, restart):
    with Robot(tmp_path, Enters, restart=restart, params={"ladder": True}) as robot:
        robot.fill()
        whole = [("stop", 0.04, 54_000.0), ("take_profit 1", 0.02, 66_000.0), ("take_profit 2", 0.01, 70_000.0)]
        assert legs(robot) == whole
        gone = [taken(robot, order) for order in robot.loop.working(A)]
        robot.kill(*gone)
        robot.step()
        assert legs(robot) == whole and len(robot.said("goes on")) == 1
        made = {order.tag.partition(" of ")[0]: taken(robot, order) for order in robot.loop.working(A)}
        robot.first.fill(made["take_profit 1"], 20, "USDT", Side.SELL)
        robot.step()
        assert [name for name, *_ in legs(robot)] == ["stop", "take_profit 2"]
        assert leg(robot, "stop").state == "PENDING_UPDATE"  # it becomes smaller
        folder = robot.run.folder
        robot.run.close(keep=True)
    assert replay_run(folder, verify=True)["divergences"] == 0


def test_legs_that_still_work_stay_and_what_filled_meanwhile_counts(tmp_path):
    with Robot(tmp_path, Enters, params={"ladder": True}) as robot:
        robot.fill()
        before = {order.id for order in robot.loop.working(A)}
        made = {order.tag.partition(" of ")[0]: taken(robot, order) for order in robot.loop.working(A)}
        robot.run.session.close()
        robot.first.fill(made["take_profit 1"], 20, "USDT", Side.SELL)  # while no robot runs
        robot.begin()
        robot.step()
        assert [name for name, *_ in legs(robot)] == ["stop", "take_profit 2"]
        assert {order.id for order in robot.loop.working(A)} <= before
        assert leg(robot, "stop").state == "PENDING_UPDATE" and leg(robot, "take_profit 2").state == "ACCEPTED"


def test_an_entry_that_fills_while_no_robot_runs_is_protected_at_its_start(tmp_path):
    with Robot(tmp_path, Enters) as robot:
        (entry,) = robot.loop.working(A)
        made = robot.first.order(entry.id, entry.qty_int)
        robot.run.step()
        robot.run.session.close()
        robot.first.fill(made, 40, "USDT")
        robot.begin()
        robot.step()
        assert legs(robot) == [("stop", 0.04, 54_000.0)]


def test_a_protection_that_is_over_does_not_come_back(tmp_path):
    with Robot(tmp_path, Enters) as robot:
        robot.fill()
        fill_leg(robot, "stop", 40)
        robot.step()
        robot.kill()
        robot.step()
        assert robot.loop.working(A) == [] and robot.said("goes on") == []
