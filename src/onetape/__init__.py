"""onetape: backtest, paper and live trading as one program on one kind of tape."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

# Public name -> where it lives. Imported on first use: `import onetape` itself costs a few
# milliseconds, and `onetape --help` must not pay for numpy.
_PUBLIC = {
    "Strategy": "onetape.engine.strategy",
    "backtest": "onetape.engine.notebook",
    "open": "onetape.store.run",
}

__all__ = ["Strategy", "__version__", "backtest", "open"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'onetape' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
