"""The limits that a live account must set, or explicitly disable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onetape.model.errors import BadConfig
from onetape.model.sections import Config

__all__ = ["check_rails", "missing_rails"]

# The key of an account, the line that sets it, and the line that explicitly disables it.
ACCOUNT_RAILS: Final = (
    ("symbols", 'symbols = ["{symbol}"]', "symbols = []"),
    ("position_max", 'position_max = {{ "{symbol}" = 0.01 }}', "position_max = {{}}"),
    ("order_max", 'order_max = {{ "{symbol}" = 0.005 }}', "order_max = {{}}"),
    ("order_value_max", "order_value_max = {{ {currency} = 1000 }}", "order_value_max = {{}}"),
    ("price_band", "price_band = 0.02", "price_band = 0"),
    ("orders_per_second", "orders_per_second = 10", "orders_per_second = 0"),
)
SYSTEM_RAILS: Final = (
    (("guardian", "enabled"), "[guardian] enabled = true", "enabled = false"),
    (("guardian", "halts", "day"), '[guardian.halts] day = "100 {currency}"', 'day = ""'),
)


def missing_rails(config: Config, name: str) -> Iterator[BadConfig]:
    """Yields an error for each limit that a live account neither sets nor explicitly disables, with the line to write.
    An empty value (0, "", {}, []) disables it explicitly."""
    account = config.accounts[name]
    if config.venues[account.venue].mode != "live":
        return
    words = {"symbol": _symbol(config, name), "currency": _symbol(config, name).rpartition(":")[2].rpartition("/")[2]}
    section = f"[accounts.{name}]"
    for key, line, without in ACCOUNT_RAILS:
        if not config.has("accounts", name, key):
            yield BadConfig(
                f"a live account has no limit `{key}`",
                location=config.location("accounts", name) or section,
                todo=f"write {section} {line.format(**words)}, or {without.format(**words)} for none",
            )
    for path, line, without in SYSTEM_RAILS:
        # An existing section turns the guardian on.
        if not config.has(*path) and not (path[-1] == "enabled" and config.has(path[0])):
            yield BadConfig(
                f"a live account has no `{'.'.join(path)}`",
                location=config.location("accounts", name) or section,
                todo=f"write {line.format(**words)}, or {without} for none",
            )


def check_rails(config: Config, name: str) -> None:
    """Raises BadConfig that names all lines to write."""
    missing = list(missing_rails(config, name))
    if missing:
        lines = "; ".join(each.todo for each in missing)
        words = ", ".join(each.what.removeprefix("a live account has no ") for each in missing)
        raise BadConfig(f"a live account has no {words}", location=missing[0].location, todo=lines)


def _symbol(config: Config, name: str) -> str:
    """Returns a symbol in the parameters of the account's robots."""
    named = (symbol for robot in config.robots.values() if name in robot.traded_on for symbol in robot.symbols)
    return next(named, "binance:BTC/USDT:USDT")
