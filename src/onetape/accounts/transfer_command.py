"""Parses and checks a command for a transfer, without any change.

Places are written `venue.account.wallet` or `venue.account`; those of the account itself also by the wallet alone.
`trading` is the trading wallet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from onetape.accounts.amounts import amount_units
from onetape.accounts.slots import OPERATOR, Refused, SubAccounts, amount_of
from onetape.accounts.transfers import Place
from onetape.model.errors import NotOwner, UsageError
from onetape.model.time import SECOND, parse_duration

__all__ = [
    "ARRIVAL_FIELDS",
    "FIELDS",
    "TRADING",
    "Coming",
    "CommandedAccount",
    "TransferRequest",
    "coming",
    "transfer_request",
]

FIELDS: Final = ("id", "strategy", "currency", "amount", "from", "to", "index", "deadline", "transfer_id", "delta")
# The fields of another gateway's query about money sent here from another venue.
ARRIVAL_FIELDS: Final = ("transfer_id", "currency", "amount", "wallet", "txid", "since")
TRADING: Final = "trading"
ID_MAX: Final = 64  # characters


class CommandedAccount(NamedTuple):
    """The account of the command. venues: names of its venue, the first is its name on the tape. deadline: the longest,
    ns. external: accounts at other venues, by their names."""

    venues: Collection[str]
    account: str
    deadline: int
    external: Collection[tuple[str, str]] = ()

    @property
    def place(self) -> Place:
        return Place(next(iter(self.venues)), self.account)


class TransferRequest(NamedTuple):
    """A transfer that a command requests.

    name: its id, "": it is identified by its places and its currency.
    amount: 1e-18.
    deadline: ns from the request on.
    """

    name: str
    source: Place
    target: Place
    currency: str
    amount: int
    slot: int
    deadline: int


def transfer_request(
    accounts: SubAccounts, account: CommandedAccount, actor: str, fields: Mapping[str, Any]
) -> TransferRequest | Refused:
    """Reads a transfer command, or returns why it is refused.

    Checks run in the order of the most informative refusal: actor, id, places, amount, deadline.
    """
    strategy = fields.get("strategy", actor)
    if actor != OPERATOR and strategy != actor:
        return Refused(NotOwner, f"{actor} is not {strategy}")
    try:
        name = _id(fields)
        source, target = (_place(account, key, fields.get(key)) for key in ("from", "to"))
        deadline = _deadline(account, fields.get("deadline"))
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
    return TransferRequest(name, source, target, currency, amount, slot, deadline)


class Coming(NamedTuple):
    """An expected deposit. amount: 1e-18, as sent. since: ns UTC."""

    name: str
    currency: str
    amount: int
    wallet: str
    txid: str
    since: int


def coming(fields: Mapping[str, Any]) -> Coming:
    """Reads another gateway's query about money that it has sent here. Raises UsageError, InvalidAmount."""
    name = _id(fields)
    if not name:
        raise UsageError("an arrival needs id, the id of its transfer")
    currency, wallet, txid = (fields.get(key, "") for key in ("currency", "wallet", "txid"))
    since = fields.get("since", 0)
    if not all(isinstance(text, str) for text in (currency, wallet, txid)) or not txid:
        raise UsageError("an arrival needs currency, wallet and txid, each a text")
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise UsageError("since is a time in ns UTC")
    amount = amount_units(fields.get("amount"))
    return Coming(name, currency, amount, wallet, txid, since)


def _id(fields: Mapping[str, Any]) -> str:
    ids = [fields[key] for key in ("id", "transfer_id") if fields.get(key) is not None]
    if not ids:
        return ""
    if ids[0] != ids[-1]:
        raise UsageError("id and transfer_id differ")
    name = ids[0]
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


def _place(account: CommandedAccount, key: str, value: object) -> Place:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"a transfer needs `{key}`: a wallet, or venue.account.wallet")
    text = value.strip()
    if "." not in text:
        place = account.place._replace(wallet=text)
    else:
        try:
            place = Place.parse(text)
        except UsageError as error:
            raise UsageError(f"{key}: {error.what}, but venue.account.wallet") from None
    is_external = (place.venue, place.account) in account.external
    if not is_external and place.venue.lower() in {name.lower() for name in account.venues}:
        place = place._replace(venue=account.place.venue)
    wallet = place.wallet.lower()
    return place._replace(wallet="" if wallet == TRADING else wallet)


def _deadline(account: CommandedAccount, value: object) -> int:
    if value is None:
        return account.deadline
    try:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UsageError("")
        deadline = value * SECOND if isinstance(value, int) else parse_duration(value)
    except UsageError:
        raise UsageError(f"deadline is a duration such as 60s, not {str(value)[:40]!r}") from None
    if not 0 < deadline <= account.deadline:
        most = account.deadline // SECOND
        raise UsageError(f"a deadline is above 0 s and at most {most} s (transfer_deadline)")
    return deadline
