"""What a command for a transfer asks for: its words looked at, nothing changed.

Places are written `venue.account.wallet` or `venue.account`; of the account itself also by the
wallet alone. `trading` is the wallet that is traded from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from onetape.accounts.amounts import given_units
from onetape.accounts.slots import OPERATOR, Refused, SubAccounts, amount_of
from onetape.accounts.transfers import Place
from onetape.model.errors import NotOwner, UsageError
from onetape.model.time import SECOND, parse_duration

__all__ = ["ARRIVAL_FIELDS", "FIELDS", "TRADING", "Asked", "Coming", "Here", "asked_for", "coming"]

FIELDS: Final = ("id", "strategy", "currency", "amount", "from", "to", "index", "deadline", "transfer_id", "delta")
# What another gateway says of money that it has sent here from another venue.
ARRIVAL_FIELDS: Final = ("transfer_id", "currency", "amount", "wallet", "txid", "since")
TRADING: Final = "trading"
ID_MAX: Final = 64  # characters


class Here(NamedTuple):
    """The account that is commanded. venues: what its venue is called, the first is its name on
    the tape. deadline: the longest, ns. elsewhere: accounts at other venues, by these."""

    venues: Collection[str]
    account: str
    deadline: int
    elsewhere: Collection[tuple[str, str]] = ()

    @property
    def place(self) -> Place:
        return Place(next(iter(self.venues)), self.account)


class Asked(NamedTuple):
    """amount: 1e-18. deadline: ns from when it is asked."""

    name: str
    source: Place
    target: Place
    currency: str
    amount: int
    slot: int
    deadline: int


def asked_for(accounts: SubAccounts, here: Here, actor: str, fields: Mapping[str, Any]) -> Asked | Refused:
    """In the order in which a refusal says most: who, the id, where, what, how long."""
    strategy = fields.get("strategy", actor)
    if actor != OPERATOR and strategy != actor:
        return Refused(NotOwner, f"{actor} is not {strategy}")
    try:
        name = _id(fields)
        source, target = (_place(here, key, fields.get(key)) for key in ("from", "to"))
        deadline = _deadline(here, fields.get("deadline"))
    except UsageError as error:
        return Refused(UsageError, error.what)
    currency = accounts.currency(fields.get("currency"))
    if isinstance(currency, Refused):
        return currency
    amount = amount_of("transfer", fields)
    if isinstance(amount, Refused):
        return amount
    slot = accounts.slot_moved(actor, fields)
    if isinstance(slot, Refused):
        return slot
    return Asked(name, source, target, currency, amount, slot, deadline)


class Coming(NamedTuple):
    """A deposit that is looked for. amount: 1e-18, as it was sent on. since: ns UTC."""

    name: str
    currency: str
    amount: int
    wallet: str
    txid: str
    since: int


def coming(fields: Mapping[str, Any]) -> Coming:
    """What a gateway asks of money that it has sent here. Raises UsageError, InvalidAmount."""
    name = _id({"transfer_id": fields.get("transfer_id")})
    currency, wallet, txid = (fields.get(key, "") for key in ("currency", "wallet", "txid"))
    since = fields.get("since", 0)
    if not all(isinstance(text, str) for text in (currency, wallet, txid)) or not txid:
        raise UsageError("an arrival has currency, wallet and txid, each a text")
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise UsageError("since is ns UTC")
    amount = given_units(fields.get("amount"))
    return Coming(name, currency, amount, wallet, txid, since)


def _id(fields: Mapping[str, Any]) -> str:
    given = [fields[key] for key in ("id", "transfer_id") if fields.get(key) is not None]
    if not given:
        raise UsageError("a transfer needs an id: by it, it is made once")
    if given[0] != given[-1]:
        raise UsageError("id and transfer_id say different things")
    name = given[0]
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= ID_MAX
        or not all("!" <= letter <= "~" and letter != "/" for letter in name)
    ):
        raise UsageError(
            f"a transfer's id is 1 to {ID_MAX} letters, digits and signs without blank and slash, "
            f"not {str(name)[:ID_MAX]!r}"
        )
    return name


def _place(here: Here, key: str, given: object) -> Place:
    if not isinstance(given, str) or not given.strip():
        raise UsageError(f"a transfer needs `{key}`: a wallet, or venue.account.wallet")
    text = given.strip()
    if "." not in text:
        place = here.place._replace(wallet=text)
    else:
        try:
            place = Place.parse(text)
        except UsageError as error:
            raise UsageError(f"{key}: {error.what}, but venue.account.wallet") from None
    is_elsewhere = (place.venue, place.account) in here.elsewhere
    if not is_elsewhere and place.venue.lower() in {name.lower() for name in here.venues}:
        place = place._replace(venue=here.place.venue)
    wallet = place.wallet.lower()
    return place._replace(wallet="" if wallet == TRADING else wallet)


def _deadline(here: Here, given: object) -> int:
    if given is None:
        return here.deadline
    try:
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise UsageError("")
        deadline = given * SECOND if isinstance(given, int) else parse_duration(given)
    except UsageError:
        raise UsageError(f"deadline is such as 60s, not {str(given)[:40]!r}") from None
    if not 0 < deadline <= here.deadline:
        most = here.deadline // SECOND
        raise UsageError(f"a deadline is more than nothing and at most {most} s (transfer_deadline)")
    return deadline
