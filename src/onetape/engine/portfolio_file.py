"""Build a strategy class from a portfolio's file: find its members, check the file's entries against them, and
expand them over symbols, periods and parameters."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from onetape.engine.compiled import is_compiled
from onetape.engine.parameters import Parameter, parameters_of, resolve
from onetape.engine.parent_terms import terms_of
from onetape.engine.portfolio import Member, Portfolio
from onetape.engine.strategy import Strategy
from onetape.execution.algorithm import Parent
from onetape.execution.algorithms import ALGORITHMS, make_algorithm
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, OnetapeError, UsageError
from onetape.model.portfolio_config import MemberConfig, PortfolioConfig
from onetape.model.sections import PORTFOLIO
from onetape.model.symbol import exchange_of
from onetape.portfolio.weights import check_scheme

__all__ = ["portfolio_class"]

Load = Callable[[str], type[Strategy]]
CLASS: Final = "Portfolio"


def portfolio_class(path: Path, load: Load) -> type[Strategy]:
    """Returns the strategy that trades a portfolio's file. load: returns a strategy class by its reference. Raises
    BadConfig naming the line and both sides of a contradiction."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(
            f"cannot read the portfolio: {error}", location=str(path), todo="name an existing file"
        ) from None
    config = parse_config(text, name=str(path))
    if not config.portfolio.strategies:
        raise BadConfig("no section [portfolio]", location=str(path), todo="add it, and [portfolio.strategies.NAME]")
    if isinstance(config.portfolio.weights, str):
        check_scheme(config.portfolio.weights)

    def bad(name: str, key: str, what: str, todo: str) -> BadConfig:
        place = (PORTFOLIO, "strategies", name, *([key] if key else []))
        return BadConfig(f"{what} at {'.'.join(place)}", location=config.location(*place), todo=todo)

    members = list(_members(config.portfolio, path, load, bad))
    module = ModuleType(f"onetape_strategy_{path.stem if path.stem.isidentifier() else PORTFOLIO}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    made = type(
        CLASS,
        (Portfolio,),
        {
            "__module__": module.__name__,
            "__annotations__": {"symbols": list[str]},
            "symbols": config.portfolio.symbols,
            "_config": config.portfolio,
            "_instances": members,
            "_exchanges": {
                name: exchange_of(config.venues[config.accounts[name].venue].kind) for name in config.portfolio.accounts
            },
        },
    )
    setattr(module, CLASS, made)
    return made


Bad = Callable[[str, str, str, str], BadConfig]


def _members(config: PortfolioConfig, path: Path, load: Load, bad: Bad) -> Iterator[Member]:
    files: dict[str, Path] = {}
    seen: dict[str, str] = {}
    names: dict[str, str] = {}  # of members, with their owner
    silent = [each for each in config.strategies.values() if not each.share]
    rest = max(1 - sum(each.share for each in config.strategies.values()), 0.0)
    for name, each in config.strategies.items():
        kind = _kind(name, each, path, load, bad, files)
        declared = parameters_of(kind)
        if each.algo not in ALGORITHMS:
            raise bad(name, "algo", f"no algorithm {each.algo!r}", f"there are {', '.join(ALGORITHMS)}")
        _check_options(name, each, bad)
        instances = list(_instances(name, each, kind, declared, bad))
        for number, (params, symbols, periods) in enumerate(instances, 1):
            try:
                values = resolve(kind, params)
            except OnetapeError as error:
                raise bad(name, "params", f"{kind.__name__}: {error.what}", error.todo) from None
            same = repr((each.strategy.partition(":")[0], kind.__name__, symbols, periods, sorted(values.items())))
            share = (each.share or rest / len(silent)) / (len(instances) * len(symbols) / len(each.symbols))
            own = name if len(instances) == 1 else f"{name}.{number}"
            if (other := seen.setdefault(same, own)) != own:
                what = f"{own} has the same strategy, symbols, periods and parameters as {other}"
                raise bad(name, "", what, "remove one of both")
            if (other := names.setdefault(own, name)) != name:
                raise bad(name, "", f"{own} is a member's name in {other} and in {name}", "rename one of both")
            yield Member(own, name, each, kind, params, symbols, periods, share)


def _check_options(name: str, each: MemberConfig, bad: Bad) -> None:
    """Check algorithm options without price and instrument, long before the first target."""
    if each.options and each.algo == "touch" and not {"limit", "slippage"} & set(each.options):
        raise bad(name, "options", "options without an algorithm", 'write algo = "twap", or remove the options')
    left = dict(each.options)
    try:
        terms = terms_of(left, 0)
        parent = Parent(
            1, 1, 0, terms.deadline, clip=None if terms.clip is None else 1, participation=terms.participation
        )
        make_algorithm(each.algo, parent, float, left)
    except (ValueError, TypeError, UsageError) as error:
        raise bad(name, "options", str(getattr(error, "what", error)), "as of set_target") from None


def _kind(name: str, each: MemberConfig, path: Path, load: Load, bad: Bad, files: dict[str, Path]) -> type[Strategy]:
    reference, colon, class_name = each.strategy.partition(":")
    if reference.endswith(".py"):
        file, folder = (path.parent / reference).resolve(), path.parent.resolve()
        if not file.is_relative_to(folder):
            raise bad(
                name,
                "strategy",
                f"{reference} is not beside the portfolio's file or below",
                "move it there: a run keeps a copy of each file",
            )
        if files.setdefault(file.stem, file) != file:
            raise bad(
                name,
                "strategy",
                f"{reference} and {files[file.stem].name} are both modules called {file.stem}",
                "rename one",
            )
        reference = str(file)
    try:
        kind = load(f"{reference}{colon}{class_name}")
    except BadConfig as error:
        raise bad(name, "strategy", error.what, error.todo) from None
    if is_compiled(kind):
        raise bad(
            name,
            "strategy",
            f"{kind.__name__} is @compiled",
            "members of a portfolio cannot be compiled: remove @compiled",
        )
    return kind


def _instances(
    name: str, each: MemberConfig, kind: type[Strategy], declared: dict[str, Parameter], bad: Bad
) -> Iterator[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]]:
    """Returns (parameters, symbols, periods) of each instance."""
    for key in each.params:
        if key not in declared:
            todo = f"{kind.__name__} has {', '.join(declared) or 'none'}"
            raise bad(name, "params", f"{kind.__name__} has no parameter {key!r}", todo)
        if key in ("symbol", "symbols", "period", "periods"):
            raise bad(name, "params", f"`{key}` is set by the section's own key", f"{key.rstrip('s')}s = [...]")
    choices: dict[str, list[Any]] = {}
    for key, value in each.params.items():
        is_list = typing.get_origin(declared[key].kind) in (list, tuple, set, frozenset)
        choices[key] = value if isinstance(value, list) and not is_list else [value]
        if not choices[key]:
            raise bad(name, "params", f"`{key}` has no values", "name one, or leave it out")
    takes_one, takes_all = "symbol" in declared, "symbols" in declared
    if not (takes_one or takes_all):
        symbols = ", ".join(each.symbols)
        raise bad(
            name, "symbols", f"{kind.__name__} has no parameter `symbol` or `symbols` for {symbols}", "add one to it"
        )
    groups = [tuple(each.symbols)] if takes_all else [(symbol,) for symbol in each.symbols]
    spans = [(period,) for period in each.periods] if "period" in declared and each.periods else [tuple(each.periods)]
    for symbols_of, periods, values in product(groups, spans, product(*choices.values())):
        params = dict(zip(choices, values, strict=True))
        params["symbols" if takes_all else "symbol"] = list(symbols_of) if takes_all else symbols_of[0]
        if "period" in declared and periods:
            params["period"] = periods[0]
        elif "periods" in declared and periods:
            params["periods"] = list(periods)
        yield params, symbols_of, periods
