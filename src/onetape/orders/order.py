"""An order of the account as its gateway's journal has it.

Requests, reports and fills change it by the `take_` methods and in no other way: at the gateway before they are on the
journal, when that is read again, and in all who read it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape.model.enums import OrderNews, OrderState, RequestKind
from onetape.model.order import OrderSpec
from onetape.orders.machine import NEWS_EVENTS, Cell, Effect, OrderEvent, OrderLife
from onetape.orders.order_frames import FillFrame, NewsFrame, RequestFrame
from onetape.orders.reports import INTERNAL_TRADES

__all__ = ["Key", "Order"]

Key = tuple[int, int]  # robot, order id

# Named once: a member looked up at its class costs as much as a call.
_PLACE: Final = RequestKind.PLACE
_CANCEL: Final = RequestKind.CANCEL
_SUBMIT: Final = OrderEvent.SUBMIT
_CANCEL_REQUEST: Final = OrderEvent.CANCEL_REQUEST
_AMEND_REQUEST: Final = OrderEvent.AMEND_REQUEST


class Order(msgspec.Struct, eq=False, rename={"reissue_open": "is_again"}):
    """Keeps one order. Prices and sizes in units of its instrument, times ns UTC.

    robot: its number, 0: other hands made the order; venue_id: "": not known, or there is none; spent: price times size
    of its fills; code, reason: of the last word on it, 0 and "" where that was no refusal.
    """

    robot: int
    order_id: int
    spec: OrderSpec
    life: OrderLife
    created: int
    price: int
    venue_id: str = ""
    spent: int = 0
    code: int = 0
    reason: str = ""
    is_held: bool = False  # it waits at the gateway for orders of ours; the venue has nothing of it
    is_canceling: bool = False  # its end was asked for
    is_taken_off: bool = False  # canceled for an internal trade: what is left is placed again
    reissue_open: bool = False  # what was left was placed again, and that is unanswered
    amend_to: tuple[int, int] = (0, 0)  # price and size that are asked for

    @classmethod
    def placed(cls, request: RequestFrame, time: int) -> Order:
        """Makes an order of the request that places it."""
        spec = request.spec
        order = cls(request.robot, request.order_id, spec, OrderLife(spec.size_int), time, spec.price_int)
        order.take_request(_PLACE, is_held=request.is_held)
        return order

    @property
    def key(self) -> Key:
        return self.robot, self.order_id

    @property
    def state(self) -> OrderState:
        return self.life.state

    @property
    def size(self) -> int:
        return self.life.size

    @property
    def filled(self) -> int:
        return self.life.filled

    @property
    def left(self) -> int:
        return self.life.size - self.life.filled

    def take_request(
        self, kind: RequestKind, price: int = 0, size: int = 0, *, is_held: bool = False, is_reissue: bool = False
    ) -> None:
        """Takes in a request. price, size: of an amendment.

        is_reissue: of a cancel: what is left is to be placed again; of an amendment: it is, which ends whatever was
        asked of the venue before. Of an order that has worked there it is an amendment that changes nothing: unanswered
        it is PENDING_UPDATE, lost UNKNOWN, refused CANCELED.
        """
        life = self.life
        if kind is _PLACE:
            self.is_held = is_held
            life.on_event(_SUBMIT)
        elif kind is _CANCEL:
            self.is_taken_off = is_reissue
            self.is_canceling = True
            life.on_event(_CANCEL_REQUEST)
        elif not is_reissue:
            self.amend_to = price, size
            life.on_event(_AMEND_REQUEST, size=size)
        else:
            self.is_held = self.is_taken_off = False
            life.on_event(OrderEvent.CANCEL_REJECT)
            if life.accepted:
                self.reissue_open, self.amend_to = True, (self.price, life.size)
                life.on_event(_AMEND_REQUEST, size=life.size)

    def take_back(self) -> None:
        """Takes in that it has left the venue and waits at the gateway to be placed again. No frame says so: to readers
        its end is asked for until that, or its end, is on the journal."""
        self.is_held = True
        self.life.on_event(OrderEvent.CANCEL_REJECT)

    def take_incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on: what left and has no answer never gets one."""
        if not self.is_held:
            self.life.on_incarnation()

    def take_news(self, news: OrderNews, size: int, price: int = 0) -> Cell:
        """Takes in a report. size, price: of the order after it, 0: as they were."""
        life = self.life
        cell = life.on_event(NEWS_EVENTS[news], size=size)
        if price and cell is not Effect.IMPOSSIBLE:
            self.price = price
        if self.reissue_open:
            self.reissue_open = life.update_open
        if self.is_taken_off and not self.is_held:
            self.is_taken_off = life.cancel_open
        return cell

    def take_fill(self, trade_id: int, price: int, size: int) -> Cell:
        """Books a fill once. What was refused before it is no reason of how an order stands that works."""
        life = self.life
        if not life.state.is_final:
            self.code, self.reason = 0, ""
        before = life.filled
        cell = life.on_fill(str(trade_id), size)
        self.spent += price * (life.filled - before)
        return cell

    # --- as frames --------------------------------------------------------------------------------

    def take_request_frame(self, request: RequestFrame) -> None:
        spec = request.spec
        self.take_request(
            request.kind, spec.price_int, spec.size_int, is_held=request.is_held, is_reissue=request.is_reissue
        )

    def take_news_frame(self, news: NewsFrame) -> None:
        self.code = news.code
        if not news.code:
            self.reason = ""
        if news.venue_id:
            self.venue_id = str(news.venue_id)
        if not news.is_local:
            self.take_news(news.news, news.size, news.price)

    def take_fill_frame(self, fill: FillFrame) -> None:
        self.take_fill(fill.trade_id, fill.price, fill.size)
        if fill.venue and fill.trade_id < INTERNAL_TRADES:  # else it is the number of the other order
            self.venue_id = str(fill.venue)
