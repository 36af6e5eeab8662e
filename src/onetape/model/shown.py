"""Text of strangers (symbols, reasons, ids of orders) for a terminal and for a sheet."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["json_shown", "line_shown", "sheet_text", "shown"]

_BREAK: Final = re.compile("[\t\n\u2028\u2029]")
# C0 without tab and newline, DEL, C1 (0x9b begins a sequence as ESC [ does), and what turns the
# direction of writing round.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# With these a spreadsheet takes a cell for a formula; a number may begin with a sign all the same.
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # also in full width
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z", re.ASCII)


def shown(text: str) -> str:
    r"""Writes out what a terminal would obey: \x1b for ESC."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def line_shown(text: str) -> str:
    r"""The same for what is one line: what would begin another one is \n."""
    return _BREAK.sub(lambda found: repr(found[0])[1:-1], shown(text))


def json_shown(text: str) -> str:
    r"""The same for JSON, whose own writer leaves DEL and above: \u009b."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def sheet_text(value: str) -> str:
    """Puts an apostrophe before what a spreadsheet would calculate."""
    if _FORMULA.match(value) and not _NUMBER.match(value):
        return "'" + value
    return value
