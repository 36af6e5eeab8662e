"""Provide the services of Strategy in compiled code: orders, targets, positions, timers and randomness.

Signatures are those of onetape.engine.strategy; literals (symbols, tif, timers, periods) are
resolved while the strategy is compiled. Functions here have no annotations: numba compares an
overload's signature with that of the function it returns.
"""

from __future__ import annotations

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, overload_attribute, overload_method

from onetape.engine.jit.calls import (
    NOT_AVAILABLE,
    POST_ONLY,
    PRICE,
    QTY,
    REDUCE_ONLY,
    TIFS,
    TRIGGER,
    TRIGGER_KINDS,
    TRIGGERS,
    add_level,
    amend,
    as_float,
    as_int,
    attribute,
    begin_ladder,
    c_text,
    cancel,
    cancel_all,
    cancel_timer,
    choice,
    equity,
    is_none,
    is_order,
    literal,
    maker,
    money,
    now,
    number,
    order_number,
    order_word,
    place,
    position_number,
    random_number,
    set_ladder,
    set_timer,
    side_choice,
    symbol_number,
    target,
)
from onetape.engine.jit.types import (
    POSITION_SIDES,
    SIDES,
    STATES,
    SYMBOL,
    EventType,
    OrderType,
    PositionType,
    RandomType,
    StrategyType,
    WordType,
)
from onetape.engine.marks import BUY, SELL
from onetape.model.time import parse_period

attribute(OrderType, "id", lambda order: lambda order: number(order))


def _order_float(what):
    return lambda order: lambda order: order_number(number(order), what)


for _name, _what in (("qty", 2), ("filled", 3), ("remaining", 4)):
    attribute(OrderType, _name, _order_float(_what))


def _optional_number(what, has):
    def make(order):
        def get(order):
            if order_word(number(order), has) == 0:
                return None
            return order_number(number(order), what)

        return get

    return make


attribute(OrderType, "price", _optional_number(0, 6))
attribute(OrderType, "trigger", _optional_number(1, 9))
attribute(OrderType, "average_price", _optional_number(5, 5))


def _order_words(what, make_word):
    def make(order):
        as_word = maker(make_word(order))
        return lambda order: as_word(order_word(number(order), what))

    return make


attribute(OrderType, "state", _order_words(0, lambda order: WordType("state", STATES)))
attribute(OrderType, "side", _order_words(1, lambda order: WordType("side", SIDES)))
attribute(OrderType, "symbol", _order_words(3, lambda order: WordType(SYMBOL, order.symbols)))
for _name, _what in (
    ("code", 2),
    ("ts_created", 4),
    ("price_int", 6),
    ("qty_int", 7),
    ("filled_int", 8),
    ("trigger_int", 9),
):
    attribute(OrderType, _name, _order_words(_what, lambda order: types.int64))


@overload_attribute(OrderType, "is_closed")
def _is_closed(order):
    return lambda order: order_word(number(order), 10) != 0


def _order_bits(price, tif, trigger, trigger_by, kind, position_side):
    """Returns the order flags that are fixed at compile time, as the core's `place` takes them."""
    if is_none(trigger) and not is_none(kind):
        raise TypingError("onetape: kind needs a trigger")
    if isinstance(price, types.Optional) or isinstance(trigger, types.Optional):
        raise TypingError("onetape: a price that may be None: write an `if` around two orders")
    return (
        choice(tif, TIFS, "tif") << 8
        | choice(trigger_by, TRIGGERS, "trigger_by") << 12
        | side_choice(position_side) << 16
        | (0 if is_none(kind) else choice(kind, TRIGGER_KINDS, "kind") << 20)
        | (0 if is_none(price) else PRICE)
        | (0 if is_none(trigger) else TRIGGER)
    )


# numba compares the overload's parameters with those of the function it returns: both have all of buy's.
def _place_overload(side):
    def make(
        self,
        symbol,
        qty,
        price=None,
        post_only=False,
        reduce_only=False,
        tif="GTC",
        trigger=None,
        trigger_by="last",
        kind=None,
        position_side=None,
        expire=None,
        tag="",
    ):
        bits = _order_bits(price, tif, trigger, trigger_by, kind, position_side)
        as_order = maker(OrderType(self.symbols))

        def call(
            self,
            symbol,
            qty,
            price=None,
            post_only=False,
            reduce_only=False,
            tif="GTC",
            trigger=None,
            trigger_by="last",
            kind=None,
            position_side=None,
            expire=None,
            tag="",
        ):
            flags = bits | (POST_ONLY if post_only else 0) | (REDUCE_ONLY if reduce_only else 0)
            instrument, limit, stop = symbol_number(self, symbol), as_float(price), as_float(trigger)
            return as_order(place(instrument, side, float(qty), limit, stop, flags, as_int(expire), c_text(tag)))

        return call

    return make


overload_method(StrategyType, "buy", prefer_literal=True)(_place_overload(BUY))
overload_method(StrategyType, "sell", prefer_literal=True)(_place_overload(SELL))


@overload_method(StrategyType, "cancel")
def _cancel(self, order):
    if not is_order(order):
        raise TypingError("onetape: cancel takes an order")
    return lambda self, order: cancel(number(order)) != 0


@overload_method(StrategyType, "cancel_all", prefer_literal=True)
def _cancel_all(self, symbol=None):
    if is_none(symbol):
        return lambda self, symbol=None: cancel_all(-1)
    return lambda self, symbol=None: cancel_all(symbol_number(self, symbol))


@overload_method(StrategyType, "amend")
def _amend(self, order, price=None, qty=None):
    bits = (0 if is_none(price) else PRICE) | (0 if is_none(qty) else QTY)
    if bits == 0:
        raise TypingError("onetape: amend needs a price or a qty")
    if not is_order(order):
        raise TypingError("onetape: amend takes an order")
    if isinstance(price, types.Optional) or isinstance(qty, types.Optional):
        raise TypingError("onetape: a price or a qty that may be None: write an `if` around two amendments")

    def call(self, order, price=None, qty=None):
        return amend(number(order), as_float(price), as_float(qty), bits) != 0

    return call


@overload_method(StrategyType, "set_quotes", prefer_literal=True)
def _set_quotes(self, symbol, bids, asks, keep_within=0, side=None):
    if not is_none(side):
        raise TypingError(f"onetape: {NOT_AVAILABLE}set_quotes with side=")

    def call(self, symbol, bids, asks, keep_within=0, side=None):
        instrument = symbol_number(self, symbol)
        begin_ladder()
        good = 1
        for level in bids:
            good &= add_level(instrument, BUY, float(level[0]), float(level[1]))
        for level in asks:
            good &= add_level(instrument, SELL, float(level[0]), float(level[1]))
        if good == 0:
            raise ValueError("not a level that the instrument can carry")
        set_ladder(instrument, int(keep_within))

    return call


def _target_overload(is_close):
    def send(self, symbol, qty):
        raise NotImplementedError

    @overload(send, prefer_literal=True)
    def _send(self, symbol, qty):
        as_order = maker(OrderType(self.symbols))

        def call(self, symbol, qty):
            sent = target(symbol_number(self, symbol), float(qty), is_close)
            if sent == -1:
                raise RuntimeError("a target could not be set")
            return None if sent == 0 else as_order(sent)

        return call

    return send


_send_target, _send_close = _target_overload(0), _target_overload(1)


@overload_method(StrategyType, "set_target", prefer_literal=True)
def _set_target(
    self,
    symbol,
    qty,
    algo="touch",
    signal=None,
    account=None,
    side=None,
    minutes=None,
    deadline=None,
    limit=None,
    slippage=None,
    participation=None,
    clip=None,
    urgency=None,
    profile=None,
    spread=None,
    within=None,
    age=None,
):
    more = (
        signal,
        account,
        side,
        minutes,
        deadline,
        limit,
        slippage,
        participation,
        clip,
        urgency,
        profile,
        spread,
        within,
        age,
    )
    if literal(algo) != "touch" or not all(map(is_none, more)):
        raise TypingError(f"onetape: {NOT_AVAILABLE}set_target with an algorithm, signal=, account= or side=")

    def call(
        self,
        symbol,
        qty,
        algo="touch",
        signal=None,
        account=None,
        side=None,
        minutes=None,
        deadline=None,
        limit=None,
        slippage=None,
        participation=None,
        clip=None,
        urgency=None,
        profile=None,
        spread=None,
        within=None,
        age=None,
    ):
        return _send_target(self, symbol, qty)

    return call


@overload_method(StrategyType, "close", prefer_literal=True)
def _close(self, symbol):
    return lambda self, symbol: _send_close(self, symbol, 0.0)


@overload_attribute(StrategyType, "now")
def _now(self):
    return lambda self: now()


@overload_attribute(StrategyType, "equity")
def _equity(self):
    return lambda self: equity()


@overload_method(StrategyType, "position", prefer_literal=True)
def _position(self, symbol, side=None):
    which = side_choice(side)
    as_position = maker(PositionType(self.symbols))
    return lambda self, symbol, side=None: as_position(symbol_number(self, symbol) * 4 + which)


def _position_float(what):
    def make(position):
        return lambda position: position_number(number(position) >> 2, number(position) & 3, what)

    return make


for _name, _what in (("qty", 0), ("entry_price", 1), ("realized", 2), ("unrealized", 3)):
    attribute(PositionType, _name, _position_float(_what))


@overload_attribute(PositionType, "qty_int")
def _qty_int(position):
    return lambda position: int(position_number(number(position) >> 2, number(position) & 3, 4))


@overload_attribute(PositionType, "side")
def _position_side(position):
    as_word = maker(WordType("position_side", POSITION_SIDES))
    return lambda position: as_word(number(position) & 3)


@overload_attribute(PositionType, "symbol")
def _position_symbol(position):
    as_word = maker(WordType(SYMBOL, position.symbols))
    return lambda position: as_word(number(position) >> 2)


@overload_attribute(EventType, "fee")
def _fee(fill):
    if fill.kind != "fill":
        return None
    return lambda fill: money(fill._fee_low, fill._fee_high)


@overload_method(StrategyType, "set_timer", prefer_literal=True)
def _set_timer(self, name, every=None, at=None):
    if is_none(every) == is_none(at):
        raise TypingError("onetape: set_timer takes either every='5s' or at=<ns>")
    if is_none(at):
        text = literal(every)
        if not isinstance(text, str):
            raise TypingError("onetape: every must be written out")
        step = parse_period(text)
        return lambda self, name, every=None, at=None: set_timer(c_text(name), step, 0)
    return lambda self, name, every=None, at=None: set_timer(c_text(name), 0, int(at))


@overload_method(StrategyType, "cancel_timer", prefer_literal=True)
def _cancel_timer(self, name):
    return lambda self, name: cancel_timer(c_text(name)) != 0


@overload_method(RandomType, "random")
def _random(self):
    return lambda self: random_number(0, 0.0, 0.0)


@overload_method(RandomType, "uniform")
def _uniform(self, a, b):
    return lambda self, a, b: random_number(1, float(a), float(b))


@overload_method(RandomType, "gauss")
def _gauss(self, mu, sigma):
    return lambda self, mu, sigma: random_number(2, float(mu), float(sigma))


@overload_method(RandomType, "randint")
def _randint(self, a, b):
    return lambda self, a, b: int(random_number(3, float(a), float(b)))
