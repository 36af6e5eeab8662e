"""onetape: backtest, paper and live trading as one program on one kind of tape.

Everything is imported at its first use: `import onetape` itself takes almost no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Param", "RequestKey", "Strategy", "__version__", "backtest", "compare", "compiled", "open", "sweep"]

if TYPE_CHECKING:
    from onetape.engine.compiled import compiled
    from onetape.engine.parameters import Param
    from onetape.engine.strategy import Strategy
    from onetape.model.request_key import RequestKey
    from onetape.report.run import open_run as open  # noqa: A004 - the contract's name
    from onetape.research.backtest import backtest
    from onetape.research.comparison import compare
    from onetape.research.sweep import sweep


# Public name -> its module. Text, not import statements: every module imports this package,
# so an import here would make every layer depend on the highest.
_HOME = {
    "Param": ("onetape.engine.parameters", "Param"),
    "RequestKey": ("onetape.model.request_key", "RequestKey"),
    "Strategy": ("onetape.engine.strategy", "Strategy"),
    "backtest": ("onetape.research.backtest", "backtest"),
    "compare": ("onetape.research.comparison", "compare"),
    "compiled": ("onetape.engine.compiled", "compiled"),
    "open": ("onetape.report.run", "open_run"),
    "sweep": ("onetape.research.sweep", "sweep"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'onetape' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOME[name]
    globals()[name] = value = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
