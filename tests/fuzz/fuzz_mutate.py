"""Small, seeded damage to bytes: what a crash, a bad disk or a strange sender would do."""

from __future__ import annotations

import random

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


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
