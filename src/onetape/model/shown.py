"""Escape foreign text (symbols, reasons, order ids) for terminals and spreadsheets."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["json_shown", "line_shown", "sheet_text", "shown"]

_BREAK: Final = re.compile("[\t\n\u2028\u2029]")
# C0 without tab and newline, DEL, C1 (0x9b begins a sequence as ESC [ does), and characters that reverse the writing
# direction.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A spreadsheet treats cells with these as formulas; numbers may still begin with a sign.
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # also in full width
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z", re.ASCII)


def shown(text: str) -> str:
    r"""Returns the text with control characters escaped: \x1b for ESC."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def line_shown(text: str) -> str:
    r"""Escapes text for one line, as `shown`; a line break becomes \n."""
    return _BREAK.sub(lambda found: repr(found[0])[1:-1], shown(text))


def json_shown(text: str) -> str:
    r"""Escapes JSON text, whose writer leaves DEL and above: \u009b."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def sheet_text(value: str) -> str:
    """Puts an apostrophe before text that a spreadsheet would calculate."""
    if _FORMULA.match(value) and not _NUMBER.match(value):
        return "'" + value
    return value
