"""Build and parse client order ids and robot tags, which carry robot and time.

A client order id is

    T <tag> X <epoch> X <ordinal> [X <again>] <check>         Tmm1X3lq0v2X1ca

with the robot's tag (lower case letters and digits), the epoch of the robot's incarnation and the
order's ordinal in base 36, and one check character. It identifies the order's robot without any table, so
that an order found at a venue after a power loss is attributed. When the rest of an order is sent as a new order,
`again` counts these orders. Letters and digits only, because some venues (OKX) take nothing else; the capitals
separate the parts, the check character excludes ids of other programs.

The epoch and the ordinal are the two halves of the order id, 62 bits:

    epoch, 30 bits | 1 by operator | 1 past a dead gateway | ordinal, 30 bits

An epoch is the start of an incarnation in seconds since 2020; both halves of an operator's order id are its time. So
ids do not repeat after a lost journal, a restored backup or a new home, where counters would. Epochs below
`EPOCH_DRAWN` come from tapes before November 2026, when an epoch counted the incarnations in a journal.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from onetape import _core
from onetape.model.time import SECOND

EPOCH_BITS: Final = 32  # of an order id, below the epoch
EPOCH_MAX: Final = 2**30 - 1  # until 2054; the core's exchange numbers its own orders from 2**62
EPOCH_DRAWN: Final = 2**24
ORDINAL_MAX: Final = 36**10 - 1
ATTEMPT_MAX: Final = 35

_EPOCHS_SINCE: Final = 1_577_836_800  # 2020, seconds UTC
_BY_HAND: Final = 1 << 31
_PAST_GATEWAY: Final = 1 << 30

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TAG = re.compile(r"[a-z0-9]{1,8}\Z")


class ClientId(NamedTuple):
    """The parts of a client order id. epoch >= 1, ordinal >= 1."""

    tag: str
    epoch: int
    ordinal: int
    attempt: int = 0

    @property
    def order_id(self) -> int:
        return self.epoch << EPOCH_BITS | self.ordinal

    def __str__(self) -> str:
        return _core.client_id(*self)


def epoch_of(now: int) -> int:
    """Returns the epoch of an incarnation that begins at a time, ns UTC."""
    return max(now // SECOND - _EPOCHS_SINCE, EPOCH_DRAWN)


def next_by_hand(last: int, now: int, *, is_past_gateway: bool = False) -> int:
    """Returns the id of an order that no robot requests, greater than `last`. now: ns UTC; is_past_gateway: a
    guardian places the order while no gateway runs."""
    fraction = now % SECOND * _PAST_GATEWAY // SECOND
    marks = _BY_HAND | _PAST_GATEWAY * is_past_gateway
    follows = last + 1
    if not follows % _PAST_GATEWAY:  # no ids left in this second: continue with the next second
        follows = (last >> EPOCH_BITS) + 1 << EPOCH_BITS | marks
    return max(follows, epoch_of(now) << EPOCH_BITS | marks | fraction)


def is_past_gateway(order_id: int) -> bool:
    """Returns True when a guardian placed the order while no gateway ran."""
    is_counted = order_id >> EPOCH_BITS < EPOCH_DRAWN
    return is_by_hand(order_id) and bool(order_id & (_BY_HAND if is_counted else _PAST_GATEWAY))


def client_id(tag: str, *, epoch: int, ordinal: int, attempt: int = 0) -> str:
    """Returns the id of a robot's order. Its length is not limited here, although a venue may take fewer characters
    (Kraken spot: 18). Raises BadInput for a tag or a number that does not fit."""
    return _core.client_id(tag, epoch, ordinal, attempt)


client_id_of_order = _core.client_id_of_order
is_by_hand = _core.is_by_hand


def parse_client_id(text: str) -> ClientId | None:
    """Returns the parts of a client order id; None for an id that is not ours: a venue may have other orders."""
    found = _core.parse_client_id(text)
    return None if found is None else ClientId(*found)


def checked(stem: str) -> str:
    """Returns the id with its check character added."""
    return stem + _core.check_of(stem)


def tag_of(text: str) -> str:
    """Returns the tag of an own client order id, without `parse_client_id`'s checks."""
    return text.partition("X")[0].removeprefix("T")


@lru_cache(maxsize=256)
def robot_tag(name: str) -> str:
    """Returns the tag of a robot's name: the name itself where it is valid, else its beginning and a checksum of the
    whole name, so that `market-maker-1` and `market-maker-2` differ."""
    if _TAG.match(name):
        return name
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain[:3] + _base36(zlib.crc32(name.encode()) % 36**5).rjust(5, "0")


def _base36(number: int) -> str:
    if number < 36:
        return _DIGITS[number]
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


__all__ = [
    "ATTEMPT_MAX",
    "EPOCH_BITS",
    "EPOCH_DRAWN",
    "EPOCH_MAX",
    "ORDINAL_MAX",
    "ClientId",
    "checked",
    "client_id",
    "client_id_of_order",
    "epoch_of",
    "is_by_hand",
    "is_past_gateway",
    "next_by_hand",
    "parse_client_id",
    "robot_tag",
    "tag_of",
]
