"""Resample rows with replacement (bootstrap) to find the uncertainty of a sum over them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["interval_of", "resampled"]

SAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
Floats = NDArray[np.float64]


def resampled(table: Floats) -> Floats:
    """Returns (draws, columns) sums of the columns over rows drawn with replacement, as many as the table has. The
    draws are always the same, so equal runs give equal intervals."""
    draw, count = np.random.default_rng(0), len(table)
    return np.array([np.bincount(draw.integers(0, count, count), minlength=count) @ table for _ in range(SAMPLES)])


def interval_of(samples: Floats) -> tuple[float, float] | None:
    """Returns the interval of the middle 95 % of the draws, or None without numbers."""
    kept = samples[np.isfinite(samples)]
    tail = (1 - CONFIDENCE) / 2
    return (float(np.quantile(kept, tail)), float(np.quantile(kept, 1 - tail))) if len(kept) else None
