"""What fills of a portfolio's orders while its robot is away, or in its next life, belongs to the members whose order
it was, as if the robot had not been killed."""

from __future__ import annotations

import pytest

from onetape.engine.loader import load_strategy
from onetape.portfolio.netting import UNOWNED
from onetape.replay.replay import replay_run
from worlds.scripted_gateway import A, Robot
from worlds.tapes import records

MEMBERS = """
from onetape import Strategy


class Steps(Strategy):
    symbol: str = ""
    level: float = 1.0
    is_lower: bool = False

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.is_lower |= quote.bid > 60_050
        if not self.resumed:
            self.set_target(self.symbol, 0.0 if self.is_lower else self.level)
"""
HIGHER = 601_000


@pytest.fixture
def robot(tmp_path):
    """Of a portfolio whose members want 10 and 20; an order of 30 works for them."""
    (tmp_path / "members.py").write_text(MEMBERS)
    section = f'strategy = "members.py:Steps"\nsymbols = ["{A}"]\nlots = 0.01\nparams = {{ level = [1.0, 2.0] }}'
    (tmp_path / "p.toml").write_text(f'[portfolio]\n[portfolio.strategies.steps]\n{section}\nalgo = "join"\n')
    with Robot(tmp_path, load_strategy(str(tmp_path / "p.toml"))) as made:
        made.options.params.clear()
        (order,) = made.loop.working(A)
        made.order = made.first.order(order.id, 30)
        made.run.step()
        yield made


def lower(robot) -> None:
    """Both members want nothing any more, and the order's cancel is not answered."""
    robot.first.quote(HIGHER)
    robot.run.step()
    robot.step()
    assert [order.state for order in robot.loop.working(A)] == ["PENDING_CANCEL"]


def held(robot) -> dict[int, int]:
    return {member: qty for member, qty in robot.robot._shared[A].held.items() if qty}


@pytest.mark.parametrize("is_lower", [False, True])
@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize("kills", [1, 2])
def test_a_fill_after_a_kill_is_whose_order_it_was(robot, is_lower, is_away, kills):
    if is_lower:
        lower(robot)
    for _ in range(kills - is_away):
        robot.kill()
    robot.first.fill(robot.order, 9, "USDT")
    if is_away:
        robot.kill(robot.order)
    else:
        robot.run.step()
    assert held(robot) == {0: 3, 1: 6} and robot.robot.position(A).qty_int == 9
    parts = [robot.robot._position(member, A) for member in (0, 1)]
    assert [each.holding.entry for each in parts] == [60_000, 60_000]
    assert sum(each.fees for each in parts) == 2 * 10**18
    robot.kill()
    assert held(robot) == {0: 3, 1: 6} and UNOWNED not in robot.robot._shared[A].missing(1)
    folder = robot.run.folder
    lines = [each.data["fields"] for each in records(folder / "journal", "log") if "member" in each.data["fields"]]
    assert [(each["member"], each["qty"], each["fill"]) for each in lines] == [
        ("steps.1", "0.003", "1"),
        ("steps.2", "0.006", "1"),
    ]
    robot.run.close(keep=True)
    assert replay_run(folder, verify=True)["divergences"] == 0
