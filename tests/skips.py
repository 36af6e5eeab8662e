"""What the tests that were skipped need, how many they are, and what brings it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from recorded import LACKING

__all__ = ["summed_up"]

_INSTALL = "apt-get install --no-install-recommends"
_DEV = "make setup"
# What is needed, the words of the reasons, and what brings it.
_NEEDS = (
    ("the long form", "in the long form", "make prove WHAT=long"),
    ("recorded market data", re.escape(LACKING), "ONETAPE_RECORDED=FOLDER make test"),
    ("nats-server", "nats-server", f"{_INSTALL} nats-server"),
    ("MariaDB", "MariaDB", f"{_INSTALL} mariadb-server"),
    ("PostgreSQL", "PostgreSQL", f"{_INSTALL} postgresql"),
    ("chromium", "chromium", f"{_INSTALL} chromium"),
    ("clients' environments", "make certify", "make certify"),
    ("an environment for ccxt", "make bridge|ccxt", "make bridge"),
    ("ray", r"\bray\b", "pip install 'onetape[ray]'"),
    ("a library of the tests", "is not installed|could not import|pip install", _DEV),
    ("root, or a mount of one's own", r"\broot\b|tmpfs|read-only mount", "sudo make test"),
)


def summed_up(reasons: Iterable[str]) -> list[str]:
    """Lines of a table, most of them first; what nothing here brings has its reason for a name."""
    counts = Counter(map(_need, reasons))
    if not counts:
        return []
    rows = [("tests", "need", "which brings")]
    rows += [(str(count), *need) for need, count in counts.most_common()]
    wide = [max(len(row[at]) for row in rows) for at in (0, 1)]
    return [f"{count:>{wide[0]}}  {what:{wide[1]}}  {brings}".rstrip() for count, what, brings in rows]


def _need(reason: str) -> tuple[str, str]:
    for what, words, brings in _NEEDS:
        if re.search(words, reason):
            return what, brings
    return reason.removeprefix("Skipped: ")[:60], ""
