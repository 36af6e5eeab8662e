"""onetape: backtest, paper and live trading as one program on one kind of tape.

Everything is imported when first asked for: `import onetape` itself costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Strategy", "__version__", "backtest", "open"]

if TYPE_CHECKING:
    from onetape.engine.strategy import Strategy
    from onetape.services.backtest import backtest
    from onetape.store.run import open_run as open  # noqa: A004 - the contract's name


def __getattr__(name: str) -> Any:
    if name == "Strategy":
        from onetape.engine.strategy import Strategy

        return Strategy
    if name == "backtest":
        from onetape.services.backtest import backtest

        return backtest
    if name == "open":
        from onetape.store.run import open_run

        return open_run
    raise AttributeError(f"module 'onetape' has no attribute {name!r}")
