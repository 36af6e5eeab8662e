"""Refills an asset that fees are paid in, by transfers to the wallet where it is bought, and back.

A round is: money out, one order that takes immediately, the bought amount back, the rest back. Each transfer has an id
of the round, so it is on the tape, in the ledger, and made once; the order carries the round's id at the venue, which
can be queried for its result. So an interrupted round is found by its transfers and finished: unspent money comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from onetape.accounts.transfer_command import TRADING
from onetape.accounts.transfer_words import State, Transfer
from onetape.gateway.transfer_desk import TransferDesk, Wire
from onetape.model.errors import OnetapeError
from onetape.model.money import money, money_text, money_units
from onetape.model.sections import OPERATOR
from onetape.model.time import HOUR, SECOND, TIME_MAX
from onetape.options.gateway import FeeAssetOptions
from onetape.orders.calls import Converter
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Outcome
from onetape.orders.reports import ConversionReport, ConversionTerms

__all__ = ["FeeAsset"]

EVERY: Final = 60 * SECOND  # between two checks
SLIPPAGE: Final = Decimal("1.005")  # of the best ask, at most
ROUND: Final = "feeasset-"
AFTER_REFUSAL: Final = HOUR  # the cause of one refusal also refuses the next order
TRIES_MAX: Final = 5  # of a transfer back, each until the transfers' deadline
PAUSE_S: Final = 3.0  # before the second attempt, longer each time
LOOK_S: Final = 0.1
ASK_S: Final = 1.0
STEP: Final = 10**10  # the venue's amounts have eight decimals


class FeeAsset:
    """Refills an asset that fees are paid in, for the account of these transfers."""

    def __init__(
        self,
        options: FeeAssetOptions,
        transfers: TransferDesk,
        venue: Converter,
        wire: Wire,
        *,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """steady: a monotonic clock, ns."""
        self._steady = steady
        self._options, self._transfers, self._venue, self._wire = options, transfers, venue, wire
        self._money, self._now, self._killed = transfers.money, transfers.now, transfers.killed
        # After this time the venue accepts no older request: an order that is not there was not placed.
        self._settled = transfers.options.transfer_settled_ns
        self._next = 0
        self._over: set[str] = set()  # finished rounds of this and earlier incarnations
        self._is_busy = False
        self._reported = ""  # the last reported problem

    def tick(self) -> None:
        """Starts a check if one is due, once there are balances."""
        if not self._is_busy and self._steady() >= self._next and self._money.is_ready:
            self._is_busy, self._next = True, self._steady() + EVERY
            self._transfers.spawn(self._look())

    async def _look(self) -> None:
        try:
            if (left := self._unfinished()) is not None:
                await self._finish(left, is_resumed=True)
            elif not self._killed() and (price := await self._price_if_short()):
                await self._begin(*price)
        except OnetapeError as error:
            self._warn(str(error))
        finally:
            self._is_busy = False

    def _unfinished(self) -> str | None:
        """Returns the newest round, unless it is finished."""
        outs = [one.name for one in self._transfers.all if one.name.startswith(ROUND) and one.name.endswith("-out")]
        name = outs[-1].removesuffix("-out") if outs else None
        return None if name in self._over else name

    # --- a round ----------------------------------------------------------------------------------

    async def _price_if_short(self) -> tuple[Decimal, Decimal] | None:
        """Returns (limit price, quantity) of the order if there is too little of the asset, else None."""
        options, terms = self._options, ConversionTerms()
        for call in self._venue.conversion_terms(options.asset, options.quote):
            answer = await self._wire.answer(call)
            found = [each for each in answer.reports if isinstance(each, ConversionTerms)]
            if answer.outcome is not Outcome.DONE or not found:
                self._warn(f"{options.asset}{options.quote}: {answer.venue_code} {answer.text}".strip())
                return None
            terms = ConversionTerms(*(new or old for new, old in zip(found[0], terms, strict=True)))
        held = money(self._money.ledger.total(options.asset))
        if not all(terms) or held * terms.ask >= Decimal(options.below):
            return None
        price = (terms.ask * SLIPPAGE / terms.tick).to_integral_value(ROUND_FLOOR) * terms.tick
        price = max(price, (terms.ask / terms.tick).to_integral_value(ROUND_CEILING) * terms.tick)
        qty = (Decimal(options.buy) / price / terms.lot).to_integral_value(ROUND_FLOOR) * terms.lot
        if qty <= 0:
            self._warn(f"{options.buy} {options.quote} buy less than a lot of {terms.lot} {options.asset}")
            return None
        return price, qty

    async def _begin(self, price: Decimal, qty: Decimal) -> None:
        name = f"{ROUND}{self._options.asset}-{self._now() // 10**6}"
        self._ask(f"{name}-out", self._options.quote, money_units(self._options.buy), is_out=True)
        await self._finish(name, order=(price, qty))

    async def _finish(
        self, name: str, *, order: tuple[Decimal, Decimal] | None = None, is_resumed: bool = False
    ) -> None:
        """Finishes a round from its transfer out. order: to be placed once the money is there. is_resumed: an earlier
        incarnation may have placed it."""
        out = await self._ended(f"{name}-out")
        if out.state is not State.DONE:
            self._over.add(name)
            self._warn(f"{money_text(out.amount)} {out.currency} did not leave: {out.reason or out.state}")
            return
        absent_from = self._steady() + self._settled  # before this time "not found" proves nothing
        if order is not None and not self._killed():
            qty, price = order[1], order[0]
            options = self._options
            answer = await self._wire.answer(
                self._venue.convert(name, options.asset, options.quote, qty, price, self._now())
            )
            if answer.outcome in (Outcome.DEFINITIVE, Outcome.SAFE):
                self._warn(f"the order was refused: {answer.venue_code} {answer.text}")
                self._next = self._steady() + AFTER_REFUSAL
                absent_from = 0  # no order is under way
        elif not is_resumed:
            absent_from = 0
        asset = name.removeprefix(ROUND).rpartition("-")[0] or self._options.asset  # the round's name has the asset
        trade = await self._trade(name, absent_from, asset, out.currency)
        legs = (
            ("asset", asset, (trade.bought - trade.fee) // STEP * STEP),
            ("rest", out.currency, (out.amount - trade.spent) // STEP * STEP),
        )
        wanted = [(f"{name}-{leg}", currency, amount) for leg, currency, amount in legs if amount > 0]
        is_new = any(self._transfers.get(f"{leg}-1") is None for leg, _, _ in wanted)
        back = [await self._leg(*each) for each in wanted]
        self._over.add(name)
        if not all(back):  # the cause would also keep the money of the next round there
            self._next = TIME_MAX
        elif trade.bought:
            self._reported = ""
        if all(back) and trade.bought and is_new:
            paid, fee = money_text(trade.spent), money_text(trade.fee)
            words = f"bought {money_text(trade.bought)} for {paid} {out.currency}, fee {fee}"
            self._transfers.say(HealthOut("fee asset", asset, words))

    async def _trade(self, name: str, absent_from: int, asset: str, quote: str) -> ConversionReport:
        """Queries the order until it has ended, and returns the venue's report. absent_from: ns by the steady clock;
        "not found" after that means that it was not placed."""
        while True:
            answer = await self._wire.answer(self._venue.converted(name, asset, quote, self._now()))
            found = next((each for each in answer.reports if isinstance(each, ConversionReport)), None)
            if answer.not_found and self._steady() >= absent_from:
                return ConversionReport("", 0, 0)
            if found is not None and found.is_over:
                if not found.bought:
                    return found
                answer = await self._wire.answer(
                    self._venue.conversion_trades(found.venue_id, asset, quote, self._now())
                )
                rows = [each for each in answer.reports if isinstance(each, ConversionReport)]
                if sum(each.bought for each in rows) == found.bought:
                    return found._replace(fee=sum(each.fee for each in rows))
            await asyncio.sleep(ASK_S)

    async def _leg(self, name: str, currency: str, amount: int) -> bool:
        """Transfers money back, repeating a transfer that failed. False: given up, with a warning."""
        why = ""
        for attempt in range(1, TRIES_MAX + 1):
            await asyncio.sleep(PAUSE_S * (attempt - 1))  # a balance may lag behind its fill
            if self._transfers.get(f"{name}-{attempt}") is None:
                self._ask(f"{name}-{attempt}", currency, amount)
            one = await self._ended(f"{name}-{attempt}")
            if one.state is State.DONE:
                return True
            why = one.reason or str(one.state)
        wallet = self._venue.conversion_wallet
        self._warn(
            f"{money_text(amount)} {currency} are left in the wallet {wallet}, no more is bought until a restart: {why}"
        )
        return False

    # --- transfers --------------------------------------------------------------------------------

    def _ask(self, name: str, currency: str, amount: int, *, is_out: bool = False) -> None:
        """Requests a transfer. Raises the error that refuses it."""
        ways = (TRADING, self._venue.conversion_wallet)
        source, target = ways if is_out else ways[::-1]
        fields = {"id": name, "currency": currency, "amount": money_text(amount), "from": source, "to": target}
        self._transfers.prepare(OPERATOR, fields)()

    async def _ended(self, name: str) -> Transfer:
        while True:
            one = self._transfers.get(name)
            assert one is not None
            if one.is_finished:
                return one
            await asyncio.sleep(LOOK_S)

    def _warn(self, words: str) -> None:
        """Reports a problem once, until another one occurs."""
        if words != self._reported:
            self._reported = words
            self._transfers.say(HealthOut("fee asset", self._options.asset, words[:200], "warning"))
