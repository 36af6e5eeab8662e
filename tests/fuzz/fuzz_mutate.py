"""Small, seeded damage to bytes: what a crash, a bad disk or a strange sender would do."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
WORDS = (
    "",
    " ",
    "0",
    "-1",
    "1e400",
    "NaN",
    "Infinity",
    "9" * 40,
    "0." + "0" * 40 + "1",
    "\ud800",
    "\u00b2",
    "BUY",
    "x",
)
STRANGE = (None, True, False, 0, -1, 1, 1 << 63, 1 << 200, 0.1, 1e308, [], {}, [[]], {"a": 1}, *WORDS)


def mutate(data: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """One to four changes of `data`. other: a second seed, to splice from."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        changed = bytearray(_change(changed, rng, other))
    return bytes(changed)


def _change(data: bytearray, rng: random.Random, other: bytes) -> bytes:
    if not data:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
    at = rng.randrange(len(data))
    length = min(len(data) - at, rng.choice((1, 2, 8, 32, 128, 4096)))
    block = bytes(data[at : at + length])
    match rng.randrange(9):
        case 0:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            data[at] = rng.choice(INTERESTING)
        case 2:
            del data[at:]
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = block
        case 5:
            to = rng.randrange(len(data))
            data[to : to + length] = block
        case 6:
            data[at : at + length] = bytes(length)
        case 7:
            number = int.from_bytes(block, "little") + rng.choice((-1, 1, 255))
            data[at : at + length] = (number % (1 << 8 * length)).to_bytes(length, "little")
        case _:
            start = rng.randrange(len(other)) if other else 0
            data[at : at + length] = other[start : start + length]
    return bytes(data)


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """One to three values of a JSON text are others, names are missing or rows come twice; other bytes stay."""
    try:
        value = [json.loads(data)]
    except ValueError:
        return mutate(data, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at: Any = value
        key: Any = 0
        while isinstance(at[key], dict | list) and at[key] and rng.random() < 0.9:
            at = at[key]
            key = rng.choice(sorted(at)) if isinstance(at, dict) else rng.randrange(len(at))
        if at is value or rng.random() < 0.7:
            at[key] = copy.deepcopy(rng.choice(STRANGE))
        elif isinstance(at, dict):
            del at[key]
        else:
            at.insert(key, copy.deepcopy(at[key]))
    return json.dumps(value[0]).encode()


class Target:
    """Seeds, and a check of one input derived from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seeds: list[bytes] = []

    def input(self, rng: random.Random) -> bytes:
        return mutate(rng.choice(self.seeds), rng, rng.choice(self.seeds))

    def check(self, data: bytes) -> None:
        raise NotImplementedError
