"""Check the operator's target commands and find the portfolio members that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from onetape.engine.handlers import ALL
from onetape.engine.marks import SIDES
from onetape.engine.parent_terms import ParentTerms
from onetape.engine.robot_commands import CANCEL_TARGET, TARGET
from onetape.execution.amount import finite_of
from onetape.model.errors import UnknownSymbol, UsageError

if TYPE_CHECKING:
    from onetape.engine.host import Host

__all__ = ["check_target", "members_meant", "target_of"]


class Named(Protocol):
    """A portfolio member: its name, the name of its section in the file, and its symbols."""

    @property
    def name(self) -> str: ...
    @property
    def entry(self) -> str: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...


def target_of(fields: Mapping[str, Any]) -> tuple[str, Any, str, dict[str, Any]]:
    """Returns symbol, quantity, algorithm and its options."""
    options = dict(fields)
    return (str(options.pop("symbol", "")), options.pop("qty", None), str(options.pop("algo", "touch")), options)


def check_target(
    host: Host, works: Callable[..., bool], command: str, fields: Mapping[str, Any], *, is_net: bool = False
) -> None:
    """Raises an OnetapeError for a target command that cannot be carried out. works: returns whether an algorithm
    works for a symbol and, in hedge mode, a side. is_net: targets are net positions, without a side."""
    symbol, qty, algo, options = target_of(fields)
    side = options.pop("side", None)
    if symbol not in host.instruments:
        traded = ", ".join(list(host.instruments)[:5])
        raise UnknownSymbol(f"this robot does not trade {symbol!r}", todo=f"symbol={traded}")
    is_sided = not is_net and None not in host.sides_of(symbol)
    if side is not None and (side not in SIDES or not is_sided):
        raise UsageError("side is long or short, of contracts on an account in hedge mode", location=command)
    if command != TARGET:
        if len(fields) > 1 + (side is not None):
            raise UsageError(f"{command} takes a symbol alone" + ", or with a side" * is_sided)
        if command != CANCEL_TARGET and not works(symbol, side):
            raise UsageError(f"no target of {symbol} is at work", todo="target symbol=S qty=Q algo=A")
        return
    if is_sided and side is None:
        raise UsageError("the account is in hedge mode", location=TARGET, todo="side=long or side=short")
    try:
        if finite_of("qty", qty) < 0 and side == "long":
            raise ValueError(f"a long position is of 0 or more, not {qty}")
        if algo == "touch" and options:
            raise ValueError(f"touch takes at once and knows no {', '.join(options)}")
    except ValueError as problem:
        raise UsageError(str(problem), location=TARGET) from None
    if algo != "touch":
        ParentTerms(host).tried(symbol, 1, 1, algo, options)


def members_meant(members: Sequence[Named], name: object, symbol: str) -> list[int]:
    """Returns the numbers of the members that a command names and that trade the symbol: one by a member's name, all
    members by a strategy's name, everyone by ALL. None: the only member with the symbol. Raises UsageError for an
    ambiguous name, and UnknownSymbol."""
    trading = {number: each for number, each in enumerate(members) if symbol in each.symbols}
    if not trading:
        raise UnknownSymbol(f"no member of the portfolio trades {symbol!r}")
    names = ", ".join(each.name for each in trading.values())
    todo = f"member={ALL} for all of them, or one of {names}"
    if name == ALL or (name is None and len(trading) == 1):
        return [*trading]
    if name is None:
        raise UsageError(f"{len(trading)} members trade {symbol}, and the command names none", todo=todo)
    own = [number for number, each in trading.items() if each.name == name]
    of_entry = [number for number, each in trading.items() if each.entry == name]
    if own and of_entry and own != of_entry:
        raise UsageError(f"{name!r} is a member and another strategy's name", todo="rename one of them in the file")
    if found := own or of_entry:
        return found
    is_listed = any(name in (each.name, each.entry) for each in members)
    fault = f"{name!r} does not trade {symbol}" if is_listed else f"the portfolio has no member {name!r}"
    raise UsageError(fault, todo=todo)
