"""Requests and answers that the markets of Binance and of its family share: signatures, errors, wallets, the clock.

Sources: "General Info" and "Error Codes" of the USD-M and spot documentation, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.errors import NotAvailable, OrderOutcomeUnknown, VenueRateLimit
from onetape.model.json_text import read_json
from onetape.model.time import MS, US
from onetape.orders.calls import ORDER_PURPOSES, Call, OrderKey, Purpose, TransferRoute
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Answer, Outcome, retry_after
from onetape.venues.account_protocol import AccountProtocol
from onetape.venues.binance.errors import is_error
from onetape.venues.binance.family import Family
from onetape.venues.binance.rows import wallet_reports
from onetape.venues.binance.signing import sent_terms
from onetape.venues.binance.transfers import DEPOSITS_PATH, deposit_terms
from onetape.venues.binance.words import SHOWN
from onetape.venues.endpoint import Endpoint
from onetape.venues.error_tables import row_of_text, unreadable

__all__ = ["CLOCK_STEP", "RECV_WINDOW_MS", "BinanceProtocol"]

RECV_WINDOW_MS: Final = 5000
NONCE_REACH_US: Final = 9_000_000  # the venue accepts nonces up to ten seconds from its time
CLOCK_STEP: Final = MS  # the resolution of the venue's clock, hence the error of our estimate
UNKNOWN: Final = -1000  # "An unknown error occurred while processing the request."
# Codes that answer a cancel or amendment with the order's absence.
_NOT_THERE: Final = frozenset({-2011, -2013})
_DEPOSITS: Final = Endpoint(Purpose.DEPOSITS, "GET", DEPOSITS_PATH, 1)


class BinanceProtocol(AccountProtocol):
    """A base of `OrderProtocol`s. secret: an HMAC secret, a private Ed25519 key as PEM, or the kind of key that the
    family uses. Raises BadConfig for an invalid one."""

    client_id_chars = 36

    def __init__(self, key: str, secret: str, family: Family) -> None:
        super().__init__()
        self.key = key
        self.family, self.name, self.traits = family, family.name, family.traits
        self._headers: Final = family.headers(key)
        self._nonce = 0
        self.signer = family.signer(key, secret)
        self.nonce_owner = str(getattr(self.signer, "signer", ""))
        self.take_nonce = self._take_nonce

    # --- requests ---------------------------------------------------------------------------------

    def signed(self, call: Call, now: int) -> Call:
        if call.terms is None:
            return call
        query = self._query(call.terms, now)
        return call._replace(target=f"{call.target}?{query}", headers=self._headers, terms=None)

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        side = self.family.wallet_side
        terms = side.transfer(route, currency, amount, name)
        weight = side.weights[0]
        return self._signed(Endpoint(Purpose.TRANSFER, "POST", terms[0], weight), terms[1], now) if terms else None

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        side = self.family.wallet_side
        terms = side.history(route, since, cursor, name)
        weight = side.weights[1]
        return self._signed(Endpoint(Purpose.TRANSFERS, "GET", terms[0], weight), terms[1], now) if terms else None

    def deposits(self, currency: str, now: int, *, since: int, cursor: str = "") -> Call | None:
        return self._signed(_DEPOSITS, deposit_terms(currency, now, since, cursor), now)

    def balances(self, now: int) -> Call:
        return self._signed(self.family.balances, {}, now)

    def modes(self, now: int) -> Call:
        return self._signed(self.family.modes, {}, now)

    def key_rights(self, now: int) -> Call:
        """Requests the key's rights."""
        return self._signed(self.family.wallet_side.rights, {}, now)

    def wallets(self, now: int) -> dict[str, Call]:
        """Requests the wallets' balances; the spot wallet's answer also has the user's number."""
        wallets = self.family.wallet_side.wallets
        return {name: self._signed(path, terms, now, symbol=name) for name, (path, terms) in wallets.items()}

    def slack(self, currency: str) -> int:
        return SHOWN

    def time(self) -> Call:
        """Requests the venue's clock; needs no key."""
        return Call(Purpose.TIME, "GET", f"{self.family.public.root}/time", b"", {}, 1)

    def _signed(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str],
        now: int,
        *,
        subject: OrderKey | None = None,
        symbol: str = "",
        number: int = 0,
    ) -> Call:
        purpose, method, path, weight, orders = endpoint
        if self.signs_late and purpose in ORDER_PURPOSES:
            return Call(purpose, method, path, b"", {}, weight, orders, subject, symbol, params, number)
        target = f"{path}?{self._query(params, now)}"
        made = now if self.family.has_nonces else 0
        return Call(purpose, method, target, b"", self._headers, weight, orders, subject, symbol, None, number, made)

    def _query(self, params: Mapping[str, str], now: int) -> str:
        if self.family.has_nonces:
            return self.signer.signed_query(params, f"nonce={self.take_nonce(now // US)}")
        return self.signer.signed_query(params, f"recvWindow={RECV_WINDOW_MS}&timestamp={now // MS}")

    @staticmethod
    def next_nonce(last: int, now: int) -> int:
        """Returns an unused nonce, us: also if the clock stepped back, unless the nonce would then be outside the
        venue's window."""
        return last + 1 if now <= last < now + NONCE_REACH_US else now

    def _take_nonce(self, now: int) -> int:
        self._nonce = self.next_nonce(self._nonce, now)
        return self._nonce

    def _sent_at(self, call: Call) -> int:
        """Returns when a signed request was made, ns, by its own time or nonce; a nonce may be ahead of the clock."""
        return call.made // US * US if self.family.has_nonces else int(sent_terms(call.target)["timestamp"]) * MS

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        try:
            value = read_json(body) if body else None
        except msgspec.DecodeError:
            value = None
        return self.answer_of(call, status, headers, value, body, now)

    def answer_of(
        self, call: Call, status: int, headers: Mapping[str, str], value: Any, body: bytes, now: int
    ) -> Answer:
        """Reads a parsed body; an order line's answers have the same parts."""
        if status >= 400 or (isinstance(value, dict) and is_error(value)):
            return self._failed(call, status, headers, value, body)
        try:
            return self._read(call, value, now)
        except MALFORMED as error:
            return unreadable(error, status)

    def _failed(self, call: Call, status: int, headers: Mapping[str, str], value: Any, body: bytes) -> Answer:
        code = value.get("code") if isinstance(value, dict) else None
        text = str(value.get("msg", "")) if isinstance(value, dict) else body[:200].decode("utf-8", "replace")
        if code == UNKNOWN:
            code = self.family.said.get(text.rstrip(".").lower(), code)
        retry = retry_after(headers)
        if status in (418, 429):
            return Answer(Outcome.SAFE, (), VenueRateLimit.code, str(code or status), text, retry)
        if status == 503:
            outcome = next((o for t, o in self.family.texts_503.items() if t in text), Outcome.AMBIGUOUS)
            return Answer(outcome, (), OrderOutcomeUnknown.code, str(code or status), text, retry)
        if status == 404 and code is None and call.purpose is Purpose.TRANSFER:
            # There is no such path: the server is not the wallet service, and did not handle the request.
            return Answer(Outcome.DEFINITIVE, (), NotAvailable.code, "404", "no wallet service is there")
        if status >= 500 or status == 408 or not isinstance(code, int):
            ambiguous = Outcome.AMBIGUOUS
            return Answer(ambiguous, (), OrderOutcomeUnknown.code, str(code or status), text, retry)
        row = row_of_text(self.family.errors, text, code)
        return Answer(
            row.outcome,
            (),
            row.error.code,
            str(code),
            text,
            retry,
            not_found=code in _NOT_THERE and call.purpose is not Purpose.PLACE,
        )

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.TRANSFER:
                number, *_ = (value[key] for key in ("txnId", "tranId", "id") if key in value)
                return Answer(Outcome.DONE, value=str(number))
            case Purpose.WALLETS:
                return Answer(Outcome.DONE, tuple(wallet_reports(value, call.symbol)))
            case Purpose.TRANSFERS | Purpose.DEPOSITS:
                side = self.family.wallet_side
                read = side.read if call.purpose is Purpose.TRANSFERS else side.read_deposits
                reports, more = read(value, sent_terms(call.target))
                return Answer(Outcome.DONE, tuple(reports), cursor=more)
            case Purpose.MODES:
                return Answer(Outcome.DONE, (self.family.read_modes(value),))
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(value["serverTime"] * MS))
            case _:
                return Answer(Outcome.DONE)

    def parsed(self, message: bytes) -> Any:
        value = read_json(message)
        return value["data"] if isinstance(value, dict) and "data" in value and "stream" in value else value
