"""Our client order ids at venues that take a UUID, 128 bits in hexadecimal, or few letters.

Of a UUID 122 bits are free (RFC 9562); our ids use 38 letters, so 23 of them fit. For longer ids the first letter
(always the same) and the last (computable from the others) are left out, and the highest bit is set, which shorter ids
never set. A foreign id stays unchanged.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from uuid import UUID

from onetape.model.ids import checked, parse_client_id

__all__ = ["UUID_CHARS", "client_id_of", "short_id", "uuid_of"]

UUID_CHARS: Final = 25  # letters that fit in a UUID
_WHOLE: Final = 23
_ORDINAL: Final = 4  # letters at the end that differ between orders of a robot
_SHORT: Final = 18  # length of Kraken's ids that are no UUIDs
_LONG: Final = 1 << 121
_LETTERS: Final = "\0TX0123456789abcdefghijklmnopqrstuvwxyz"  # \0 fills up shorter ids
_INNER: Final = "X0123456789abcdefghijklmnopqrstuvwxyz"  # of a longer id, whose second letter is never an X
_VALUES: Final = {letters: {letter: at for at, letter in enumerate(letters)} for letters in (_LETTERS, _INNER)}
_LOW: Final = (1 << 62) - 1
_MIDDLE: Final = (1 << 12) - 1
_MARKS: Final = 4 << 76 | 2 << 62  # version and variant


def uuid_of(client_id: str) -> str:
    """Encodes an id as a UUID. Raises ValueError for other letters, or too many."""
    is_long = len(client_id) > _WHOLE
    if len(client_id) > UUID_CHARS:
        raise ValueError(f"{client_id} has more than {UUID_CHARS} letters")
    letters, text = (_INNER, client_id[1:-1]) if is_long else (_LETTERS, client_id)
    values = _VALUES[letters]
    try:
        number = _number(text[:-_ORDINAL], letters)
        for letter in text[-_ORDINAL:]:
            number = number * len(values) + values[letter]
    except KeyError:
        raise ValueError(f"{client_id} has other letters than T, X, a to z and 0 to 9") from None
    number |= _LONG * is_long
    high, middle, low = number >> 74, number >> 62 & _MIDDLE, number & _LOW
    text = f"{high << 80 | middle << 64 | low | _MARKS:032x}"  # like UUID's text, in a third of the time
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=1024)  # the ids of a robot begin alike
def _number(text: str, letters: str) -> int:
    number, values = 0, _VALUES[letters]
    for letter in text:
        number = number * len(values) + values[letter]
    return number


def short_id(client_id: str) -> str:
    """Returns an id in the notation of a venue that takes UUIDs, or free text of 18 letters."""
    is_ours = client_id.startswith("T") and client_id.isalnum()
    return uuid_of(client_id) if is_ours and len(client_id) > _SHORT else client_id


@lru_cache(maxsize=4096)  # a venue repeats the id of an order in each of its messages
def client_id_of(text: str) -> str:
    """Returns our id; a foreign id stays unchanged."""
    try:
        raw = UUID(text.removeprefix("0x")).int
    except ValueError:
        return text
    number = raw >> 80 << 74 | (raw >> 64 & _MIDDLE) << 62 | raw & _LOW
    is_long = number >= _LONG
    letters = _INNER if is_long else _LETTERS
    number &= _LONG - 1
    found = ""
    while number:
        number, value = divmod(number, len(letters))
        found = letters[value] + found
    if is_long:
        found = checked(f"T{found}")
    return found if parse_client_id(found) is not None and (len(found) > _WHOLE) is is_long else text
