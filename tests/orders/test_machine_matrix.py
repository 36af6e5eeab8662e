"""The core's own tests move orders by the table of the model: one copy of it, kept equal here."""

from __future__ import annotations

import re
from pathlib import Path

from onetape.orders.machine import MATRIX_COLUMNS, as_matrix

COPY = Path(__file__).resolve().parents[2] / "core/tests/order_matrix.inc"


def test_the_copy_for_the_core_tests_is_the_table() -> None:
    cells = bytes(int(cell, 16) for cell in re.findall(r"0x[0-9a-f]{2}", COPY.read_text()))
    wanted = as_matrix()
    rows = (wanted[i : i + MATRIX_COLUMNS].hex(" ") for i in range(0, len(wanted), MATRIX_COLUMNS))
    assert cells == wanted, "the table is now:\n" + "\n".join(rows)
