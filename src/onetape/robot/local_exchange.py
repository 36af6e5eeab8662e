"""Trade on a simulated exchange of this machine: `onetape run --live --exchange URL`.

Its keys are found in the home that both share, so that none is typed; only an
`onetape sim` of this machine writes them there, so that no real venue is ever reached this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from onetape.exchange.exchange_file import exchange_at, simulated_kind
from onetape.model.errors import BadConfig, UsageError, VenueUnavailable
from onetape.model.sections import AccountConfig, Config, VenueConfig
from onetape.model.symbol import exchange_of
from onetape.orders.calls import Call, Purpose
from onetape.preflight.venue_access import VenueAccess
from onetape.venues.hosts import is_loopback

__all__ = ["OnExchange", "on_exchange"]

FLAG: Final = "--exchange"
ID_DIGITS: Final = 12  # length of an exchange's identity in the name of its account
KEY: Final = "SIMULATED_KEY"  # key in the mapping from which secrets are read: in no environment
SECRET: Final = "SIMULATED_SECRET"  # noqa: S105 - a name
PASSWORD: Final = "SIMULATED_PASSWORD"  # noqa: S105 - a name


class OnExchange(NamedTuple):
    """What a live run on a simulated exchange needs. account: name in the configuration; environ: where the account's
    `env:` keys are read."""

    config: Config
    account: str
    environ: Mapping[str, str]


def on_exchange(address: str, *, account: str, hedge: bool, home: Path, environ: Mapping[str, str]) -> OnExchange:
    """Returns the configuration that trades on the simulated exchange at `address`. account: one of its accounts, "":
    the first. hedge: the first in hedge mode.

    The account's name in it carries the exchange's identity: the next run on the same exchange continues its
    ledger, and another exchange at the same address begins its own. Raises UsageError for an address that is not of
    this machine, VenueUnavailable where no exchange answers, BadConfig where its keys are not in this home,
    PermissionDenied for keys that others may read."""
    host, port = _place(address)
    rest = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    exchange = exchange_at(home, host, port)
    if exchange is None:
        raise _why_not(rest, port, home.absolute())
    kind = exchange["venue"]
    keys = _account_of(exchange["accounts"], account, rest)
    name = f"{keys['name']}-{exchange['exchange'][:ID_DIGITS]}"
    venue = exchange_of(kind)
    config = Config(
        venues={venue: VenueConfig(kind=kind, mode="sim", rest=rest)},
        accounts={
            name: AccountConfig(
                venue=venue,
                key=f"env:{KEY}",
                secret=f"env:{SECRET}",
                password=f"env:{PASSWORD}" if "password" in keys else "",
                position_mode="hedge" if hedge else "one-way",
                allow_withdraw=True,  # its money has no value
            )
        },
    )
    return OnExchange(
        config, name, {**environ, KEY: keys["key"], SECRET: keys["secret"], PASSWORD: keys.get("password", "")}
    )


def _place(address: str) -> tuple[str, int]:
    """Returns host and port. Raises UsageError for an address of another machine."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if host and not is_loopback(host):
        raise UsageError(
            f"{host} is not this machine",
            location=FLAG,
            todo="--exchange takes `onetape sim` alone; real venues are named in onetape.toml",
        )
    is_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "http" or not port or is_more:  # not shown: it may hold a password
        raise UsageError(
            "not the address of a simulated exchange",
            location=FLAG,
            todo="write the address that `onetape sim` prints, as http://127.0.0.1:9001",
        )
    return host, port


def _account_of(accounts: list[dict[str, Any]], wanted: str, rest: str) -> dict[str, Any]:
    for each in accounts:
        if wanted in ("", each["name"]):
            return each
    there = ", ".join(each["name"] for each in accounts)
    raise BadConfig(f"no account {wanted!r} at {rest}", location="--account", todo=f"it has {there}")


def _why_not(rest: str, port: int, home: Path) -> BadConfig | VenueUnavailable:
    """Returns why none of this home's exchanges is at the address: another home's, something else, or nothing."""
    from onetape.exchange.venues import VENUES  # a run that finds its exchange needs none of them

    access = VenueAccess(rest)
    try:
        _, _, body = access.ask(Call(Purpose.TIME, "GET", "/", b"", {}, weight=0))
    except VenueUnavailable as error:
        return VenueUnavailable(
            error.what, location=rest, todo=f"start one: onetape sim VENUE --port {port}, VENUE is {', '.join(VENUES)}"
        )
    finally:
        access.close()
    if kind := simulated_kind(body):
        return BadConfig(
            f"the home {home} has no keys of the {kind} there",
            location=rest,
            todo=f"give both the same --home: onetape sim {kind} --port {port} --home {home}",
        )
    return VenueUnavailable(
        "no simulated exchange for live runs answers there", location=rest, todo=f"it is one of {', '.join(VENUES)}"
    )
