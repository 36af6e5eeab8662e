"""Names that carry who and when: client order ids, robot tags, run names.

A client order id is

    T <tag> X <epoch> X <ordinal> [X <again>] <check>         Tmm1X2X1c8k

with the robot's tag (lower case letters and digits), the journal's epoch and the order's ordinal in
base 36, and one check character. It says whose order it is without any table, so that an order
found at a venue after a power loss is attributed, and it never repeats: epochs count the writer's
starts, ordinals the orders within one. What is left of an order may go to the venue again as a
new one: `again` counts how often. Letters and digits only, because some venues (OKX) take nothing
else; the capitals separate the parts, the check keeps the ids of others out.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from onetape.model.errors import BadInput, OrderInvalid

CLIENT_ID_CHARS_MAX: Final = 36
TAG_CHARS_MAX: Final = 8
EPOCH_MAX: Final = 36**5 - 1
ORDINAL_MAX: Final = 36**10 - 1
ATTEMPT_MAX: Final = 35

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TAG = re.compile(r"[a-z0-9]{1,8}\Z")
_CLIENT_ID = re.compile(
    r"T(?P<tag>[a-z0-9]{1,8})X(?P<epoch>[0-9a-z]{1,5})X(?P<ordinal>[0-9a-z]{1,10})"
    r"(?:X(?P<again>[1-9a-z]))?(?P<check>[0-9a-z])\Z"
)


class ClientId(NamedTuple):
    """The parts of a client order id. epoch >= 1, ordinal >= 1."""

    tag: str
    epoch: int
    ordinal: int
    attempt: int = 0

    def __str__(self) -> str:
        return client_id(self.tag, epoch=self.epoch, ordinal=self.ordinal, attempt=self.attempt)


def client_id(tag: str, *, epoch: int, ordinal: int, attempt: int = 0, chars_max: int = CLIENT_ID_CHARS_MAX) -> str:
    """Returns the id of a robot's order. `chars_max` is the venue's limit (Kraken spot: 18).

    Raises OrderInvalid when it would be longer, BadInput for a tag or number that cannot be in one.
    """
    stem, checksum = _stem(tag, epoch)
    if not 1 <= ordinal <= ORDINAL_MAX:
        raise BadInput(f"ordinal out of range: {ordinal}")
    digits = _base36(ordinal)
    if attempt:
        if not 1 <= attempt <= ATTEMPT_MAX:
            raise BadInput(f"a new order again, at most {ATTEMPT_MAX} times: {attempt}")
        digits += "X" + _DIGITS[attempt]
    text = stem + digits + _DIGITS[zlib.crc32(digits.encode(), checksum) % 36]
    if len(text) > chars_max:
        raise OrderInvalid(f"client order id {text} is longer than the venue's {chars_max}")
    return text


def parse_client_id(text: str) -> ClientId | None:
    """Returns what an id says; None for one that is not ours, which is an ordinary thing at a venue."""
    match = _CLIENT_ID.match(text)
    if match is None or _check_of(text[:-1]) != match["check"]:
        return None
    parsed = ClientId(match["tag"], int(match["epoch"], 36), int(match["ordinal"], 36), int(match["again"] or "0", 36))
    # Leading zeros would give one order two ids.
    if parsed.epoch < 1 or parsed.ordinal < 1 or str(parsed) != text:
        return None
    return parsed


def tag_of(text: str) -> str:
    """Returns the tag of a client id of ours, by its form alone: what `parse_client_id` would refuse is not noticed."""
    return text.partition("X")[0].removeprefix("T")


@lru_cache(maxsize=256)
def robot_tag(name: str) -> str:
    """Returns the tag of a robot's name: the name itself where it can be one, else its beginning and a checksum of all
    of it, so that `market-maker-1` and `market-maker-2` differ."""
    if _TAG.match(name):
        return name
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain[:3] + _base36(zlib.crc32(name.encode()) % 36**5).rjust(5, "0")


@lru_cache(maxsize=256)
def _stem(tag: str, epoch: int) -> tuple[str, int]:
    """Returns what all ids of a robot's life begin with, and its checksum."""
    if not _TAG.match(tag):
        raise BadInput(f"a robot's tag is 1 to {TAG_CHARS_MAX} of a-z and 0-9: {tag!r}")
    if not 1 <= epoch <= EPOCH_MAX:
        raise BadInput(f"epoch out of range: {epoch}")
    stem = f"T{tag}X{_base36(epoch)}X"
    return stem, zlib.crc32(stem.encode())


def _base36(number: int) -> str:
    if number < 36:
        return _DIGITS[number]
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def _check_of(text: str) -> str:
    return _DIGITS[zlib.crc32(text.encode()) % 36]


__all__ = [
    "ATTEMPT_MAX",
    "CLIENT_ID_CHARS_MAX",
    "EPOCH_MAX",
    "ORDINAL_MAX",
    "TAG_CHARS_MAX",
    "ClientId",
    "client_id",
    "parse_client_id",
    "robot_tag",
    "tag_of",
]
