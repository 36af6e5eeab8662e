"""A column of bars: a numpy array with fast plain reductions on short windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onetape import _core

__all__ = ["Column"]

if TYPE_CHECKING:

    class Column(np.ndarray):
        """The type of `self.bars(...).close`."""

else:
    # Plain `sum`, `mean`, `std`, `min` and `max` of floats take a tenth of numpy's time; other calls are numpy's.
    Column = type("Column", (np.ndarray,), {"__slots__": (), "__module__": __name__, **_core.column_methods()})
