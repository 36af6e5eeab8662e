"""The client ids of a robot's life."""

from __future__ import annotations

import pytest

from onetape.model.errors import BadInput
from onetape.model.ids import EPOCH_BITS, parse_client_id
from onetape.projections.robot_life import RobotLife


def life(epoch: int = 3) -> RobotLife:
    return RobotLife(1, "mm1", epoch, "/nowhere")


def test_each_order_has_one_id_of_its_own():
    first, second = life(), life()
    orders = [second.base + n for n in (1, 2, 3, 36, 1296, 1 << 20)]
    for order in orders:
        assert first.client_id(order) == second.client_id(order)
    assert len({second.client_id(order) for order in orders}) == len(orders)


def test_an_id_says_whose_order_it_is():
    robot = life()
    for ordinal in (6, 8, 7):
        reported = parse_client_id(robot.client_id(robot.base + ordinal))
        assert reported is not None
        assert (reported.tag, reported.epoch, reported.ordinal) == ("mm1", 3, ordinal)


def test_no_id_is_made_of_no_order_nor_behind_the_last_one_of_a_life():
    robot = life()
    assert robot.client_id(0) == ""
    last = robot.base + (1 << EPOCH_BITS) - 1
    reported = parse_client_id(robot.client_id(last))
    assert reported is not None and reported.order_id == last
    with pytest.raises(BadInput):
        robot.client_id(last + 1)
