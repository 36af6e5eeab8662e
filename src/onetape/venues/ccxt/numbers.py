"""Converts the bridge's decimal text to units, and order ids between our form and the venue's. A fill's price can be
finer than the tick if a venue reports averages: it is rounded half to even, and the caller counts such fills.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

from onetape.venues.client_ids import client_id_of as decoded
from onetape.venues.client_ids import short_id, uuid_of

__all__ = ["client_id_of", "client_id_text", "units"]

_ID_BYTES: Final = 16


def units(text: str | None, decimals: int) -> int:
    """Converts text to units, 0 for a missing value. Raises ValueError for an invalid number."""
    if text is None:
        return 0
    try:
        return int(Decimal(text).scaleb(decimals).to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"not a number: {text!r}") from error


def client_id_text(client_id: str, form: str) -> str:
    """Returns our id in a venue's notation. Raises ValueError if the id is too long."""
    if form == "text":
        return client_id
    if form == "short":
        return short_id(client_id)
    raw = client_id.encode()
    digits = uuid_of(client_id).replace("-", "") if len(raw) > _ID_BYTES else raw.ljust(_ID_BYTES, b"\0").hex()
    if form == "hex":
        return "0x" + digits
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def client_id_of(text: str, form: str) -> str:
    """Returns our id; a foreign id stays unchanged."""
    if form == "text" or not text:
        return text
    if form == "short":
        return decoded(text)
    digits = text.removeprefix("0x").replace("-", "")
    try:
        ours = bytes.fromhex(digits).rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError:  # a UUID of a longer id; ASCII has no byte like a UUID's variant
        ours = decoded(digits)
        return ours if ours != digits else text
    except ValueError:
        return text
    return ours if ours.isalnum() else text
