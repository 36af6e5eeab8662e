"""Recorded market data, which lies beside the repository or nowhere: what needs it asks the fixture
`shared`, and is skipped where it is not."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LACKING", "RECORDED"]

_BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
# ONETAPE_RECORDED: another folder; empty: there is none, as for whoever has the repository alone.
RECORDED = Path(os.environ.get("ONETAPE_RECORDED", _BESIDE) or os.devnull)
LACKING = "NOT_AVAILABLE: no recorded market data"
