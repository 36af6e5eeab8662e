"""Writes the transition table into docs/concepts/orders.md; --check only says if it differs."""

from __future__ import annotations

import sys
from pathlib import Path

from onetape.orders.machine import as_markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "concepts" / "orders.md"
BEGIN = "<!-- the table is made by tools/order_table.py -->\n"
END = "<!-- /table -->"


def with_table(page: str) -> str:
    """The page with the table of today between its two marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{as_markdown()}\n{END}{tail}"


def main(arguments: list[str]) -> int:
    page = PAGE.read_text()
    fresh = with_table(page)
    if "--check" in arguments:
        return 0 if fresh == page else 4
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
