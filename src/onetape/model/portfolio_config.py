"""Define the section [portfolio] of a configuration: strategies, symbols, and how their targets become positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, Final, Literal

import msgspec

from onetape.model.errors import BadConfig, BadInput, UsageError
from onetape.model.symbol import at_exchange, parse_symbol
from onetape.model.time import parse_period

__all__ = ["SCHEMES", "MemberConfig", "PortfolioConfig", "check_portfolio"]

SCHEMES: Final = ("equal", "inverse_volatility", "risk_parity", "mean_variance", "hierarchical")


class MemberConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[portfolio.strategies.NAME]: one strategy class, instantiated for each symbol, period and set of parameters."""

    strategy: str  # file.py:Class, relative to this file's folder
    symbols: list[str]
    periods: list[str] = []  # bars that it may subscribe to; its parameter `period` takes each
    params: dict[str, Any] = {}  # a list of values for a scalar parameter makes a member for each
    share: float = 0  # of the equity, if [portfolio] has weights; 0: an equal part of the rest
    lots: dict[str, float] | float = 1.0  # without weights: the quantity for a target of 1
    algo: str = "touch"
    options: dict[str, Any] = {}  # of the algorithm


class PortfolioConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[portfolio]: the account, weights and limits of a portfolio."""

    account: str = ""  # account of the robot `portfolio` that `up` starts; "" and no `accounts`: no robot
    accounts: list[str] = []  # instead of `account`: each trades the symbols that its venue lists
    subaccount: str = "main"
    on_error: Literal["halt", "flatten", "continue"] = "halt"
    # One of SCHEMES, or a weight by symbol.
    weights: dict[str, float] | str = ""  # "": targets are multiples of `lots`
    returns: str = "1h"  # period of bars; their returns define the weights
    window: int = 60  # number of these bars
    rebalance: str = "1d"  # how often weights and sizes are recomputed, at UTC multiples
    volatility_change: float = 0  # 0.5: recompute also when a symbol's volatility has changed by half; 0: only by time
    volatility: float = 0  # 0.2: scale all weights to this annual volatility; 0: they add up to 1
    leverage_max: float = 1.0  # upper limit of that scaling
    symbol_max: float = 0  # largest share of the equity in one symbol; 0: no limit
    gross_max: float = 0  # largest sum of absolute weights
    net_max: float = 0  # largest absolute sum of weights
    turnover_max: float = 0  # largest increase traded at once
    band: float = 0  # smallest difference from a target that is traded
    strategies: dict[str, MemberConfig] = {}

    @property
    def symbols(self) -> list[str]:
        """All symbols traded, in the order of the file."""
        return list(dict.fromkeys(symbol for each in self.strategies.values() for symbol in each.symbols))

    def robot(self, file: str) -> dict[str, Any]:
        """Returns the section of the robot that trades the portfolio. file: the portfolio's file, which is the
        robot's strategy."""
        return {
            "strategy": file,
            "account": self.account,
            "accounts": self.accounts,
            "subaccount": self.subaccount,
            "on_error": self.on_error,
            "params": {"symbols": self.symbols},
        }


Bad = Callable[[tuple[str, ...], str, str], BadConfig]


def check_portfolio(config: PortfolioConfig, bad: Bad) -> None:
    """Raises BadConfig for an invalid value, and for two values that contradict each other (naming both)."""
    for path, what, todo in _violations(config):
        raise bad(("portfolio", *path), what, todo)


def _violations(config: PortfolioConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if not config.strategies:
        yield (), "no strategies", "add [portfolio.strategies.NAME]"
    for key in ("volatility_change", "volatility", "symbol_max", "gross_max", "net_max", "turnover_max", "band"):
        if not isfinite(value := getattr(config, key)):
            yield (key,), f"{value} is no finite number", "0: none"
        if value < 0:
            yield (key,), f"{value} is below 0", "0: none"
    if config.leverage_max <= 0:
        yield ("leverage_max",), f"with leverage_max = {config.leverage_max:g} nothing is traded", "above 0"
    if config.window < 2:
        yield ("window",), f"window {config.window} is too small", "2 or more"
    for key in ("returns", "rebalance"):
        if fault := _period_fault(getattr(config, key)):
            yield (key,), fault, 'as "1h"'
    for name, each in config.strategies.items():
        for symbol in each.symbols:
            if at_exchange(symbol) != symbol:
                todo = f"write {at_exchange(symbol)}: targets are divided over the accounts"
                yield ("strategies", name, "symbols"), f"{symbol} names an account", todo
    traded = set(config.symbols)
    if isinstance(config.weights, dict):
        for symbol in sorted(config.weights.keys() ^ traded):
            both = "a weight, but no strategy trades it" if symbol in config.weights else "a strategy, but no weight"
            yield ("weights",), f"{symbol} has {both}", "weights and strategies must name the same symbols"
        for symbol, weight in config.weights.items():
            if not 0 <= weight < float("inf"):
                yield (
                    ("weights",),
                    f"{symbol} has a weight of {weight}",
                    "give 0 or more; a short position is a target below 0",
                )
    elif config.weights and config.weights not in SCHEMES:
        yield ("weights",), f"unknown weights `{config.weights}`", f"there are {', '.join(SCHEMES)}"
    if not isinstance(config.weights, str) or config.weights in ("", "equal"):
        for key in ("volatility_change", "volatility"):
            if getattr(config, key):
                yield (key,), f"{key} needs weights that are computed from returns", 'as weights = "inverse_volatility"'
    seen: dict[str, str] = {}
    for name, each in config.strategies.items():
        path = ("strategies", name)
        if not name.isprintable() or "/" in name or not name:
            yield path, f"a strategy cannot be called `{name}`", "choose another name"
        for fault, key, todo in _member_faults(each, bool(config.weights)):
            yield (*path, key), fault, todo
        same = repr(
            (each.strategy, sorted(each.symbols), sorted(map(parse_period, each.periods)), sorted(each.params.items()))
        )
        if (other := seen.setdefault(same, name)) != name:
            yield path, f"the same strategy, symbols, periods and parameters as `{other}`", "remove one of both"
    if config.weights and (shares := sum(each.share for each in config.strategies.values())) > 1 + 1e-9:
        yield ("strategies",), f"shares add up to {shares:g}", "together at most 1, all of the equity"


def _member_faults(each: MemberConfig, has_weights: bool) -> Iterator[tuple[str, str, str]]:
    if not each.symbols:
        yield "no symbols", "symbols", "name the symbols that it trades"
    for key, values in (("symbols", each.symbols), ("periods", each.periods)):
        for value in values:
            if values.count(value) > 1:
                yield f"{value} is written twice", key, "write it once"
    for symbol in each.symbols:
        try:
            parse_symbol(symbol)
        except BadInput as error:
            yield error.what, "symbols", "as binance:BTC/USDT:USDT"
    spans: dict[int, str] = {}
    for period in each.periods:
        if fault := _period_fault(period):
            yield fault, "periods", 'as "1m"'
        elif (other := spans.setdefault(parse_period(period), period)) != period:
            yield f"{period} is the same as {other}", "periods", "write one of them"
    if not 0 <= each.share <= 1:
        yield f"a share of {each.share}", "share", "from 0 to 1"
    if has_weights and each.lots != 1.0:
        yield "lots, although [portfolio] has weights", "lots", "sizes come from lots or from weights: remove one"
    if not has_weights and each.share:
        yield "a share, although [portfolio] has no weights", "share", "without weights sizes come from `lots`"
    for lots in each.lots.values() if isinstance(each.lots, dict) else [each.lots]:
        if not isfinite(lots):
            yield f"lots of {lots}", "lots", "a finite number"
    if isinstance(each.lots, dict):
        for symbol in sorted(each.lots.keys() ^ set(each.symbols)):
            other = "is not among its symbols" if symbol in each.lots else "is traded without an entry"
            yield f"lots: {symbol} {other}", "lots", "lots and symbols must name the same symbols"


def _period_fault(text: str) -> str:
    try:
        parse_period(text)
    except UsageError as error:
        return error.message
    return ""
