"""The client ids of a robot's life, made when they are needed or before."""

from __future__ import annotations

import pytest

from onetape.model.errors import BadInput
from onetape.model.ids import EPOCH_BITS, parse_client_id
from onetape.projections.robot_life import RobotLife


def life(epoch: int = 3) -> RobotLife:
    return RobotLife(1, "mm1", epoch, "/nowhere")


def test_an_id_made_ahead_is_the_one_that_it_would_be():
    ahead, plain = life(), life()
    orders = [plain.base + n for n in (1, 2, 3, 36, 1296, 1 << 20)]
    for order in orders:
        ahead.look_ahead(order)
        assert ahead.client_id(order) == plain.client_id(order)
    assert len({plain.client_id(order) for order in orders}) == len(orders)


def test_another_order_than_the_one_foreseen_has_its_own_id():
    robot = life()
    robot.look_ahead(robot.base + 7)
    for ordinal in (6, 8, 7):
        reported = parse_client_id(robot.client_id(robot.base + ordinal))
        assert reported is not None
        assert (reported.tag, reported.epoch, reported.ordinal) == ("mm1", 3, ordinal)


def test_nothing_is_foreseen_behind_the_last_order_of_a_life():
    robot = life()
    last = robot.base + (1 << EPOCH_BITS) - 1
    name = robot.client_id(last)
    robot.look_ahead(last + 1)
    assert robot.client_id(last) == name
    with pytest.raises(BadInput):
        robot.client_id(last + 1)
