"""An order, and what its numbers alone can be refused for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from reference.facts import Facts
from reference.places import Place

NO_MARKET, INVALID, BELOW_MIN, WOULD_CROSS, UNKNOWN = 1005, 4101, 4102, 4103, 4104
REDUCE_ONLY, DUPLICATE, SELF_TRADE, WOULD_TRIGGER, FUNDS = 4106, 4107, 4108, 4109, 4201
BAND, MODE, UNAVAILABLE, RATE_LIMIT, CLOSED = 4306, 4308, 4402, 4403, 4407


@dataclass
class Order:
    index: int
    order_id: int
    side: str
    type: str
    size: int
    price: int = 0
    tif: str = "GTC"
    expire: int = 0
    trigger: int = 0
    trigger_by: str = "none"
    trigger_kind: str = "none"
    post_only: bool = False
    reduce_only: bool = False
    position_side: str = "both"
    venue_id: int = 0
    filled: int = 0
    # trigger: not yet triggered. delayed: triggered, not live yet. waiting: for a market to take
    # from. resting: in the book. gone.
    place: str = "new"
    reckoned: int = 0  # price at which it holds money back; 0: it holds none
    arrival: int = 0
    rank: int = 0  # among orders of one price
    queue: Place | None = None
    queue_rank: int = 0  # by order: theirs of lower rank stand before it
    # It would have taken when it arrived: with bars, and where own trades kept it from that.
    crossed: bool = False
    # With bars: it waits for what other orders will free, and the last bar offered it this.
    on_credit: bool = False
    offer: tuple[int, int] | None = None  # time, price
    # What it protects, how its trigger follows the price of that, and what it has to close of it.
    entry: int = 0
    share: int = 0  # 1e-9
    distance: int = 0
    covers: int = 0
    cost: int = 0  # price * size of its own fills

    @property
    def rises(self) -> bool:
        """The trigger fires when the reference rises to it, else when it falls."""
        return (self.side == "buy") == (self.trigger_kind == "stop")

    @property
    def sleeps(self) -> bool:
        """What it protects has not filled, or was closed."""
        return bool(self.entry) and not self.covers

    @property
    def left(self) -> int:
        return self.size - self.filled

    @property
    def rests(self) -> bool:
        return self.type == "limit" and self.tif in ("GTC", "GTD")

    @property
    def liquidity(self) -> str:
        """Once it rests."""
        return "taker" if self.crossed else "maker"

    @property
    def limit(self) -> int | None:
        return self.price if self.type == "limit" else None

    @property
    def works(self) -> bool:
        return self.place != "gone"


def form_error(facts: Facts, o: Order, reference: int) -> int:
    """What is wrong with the numbers alone. reference 0: no price is known."""
    market = o.type == "market"
    if o.post_only and (market or o.tif in ("IOC", "FOK")):
        return INVALID
    if o.tif == "GTD" and (market or o.expire <= 0):
        return INVALID
    if (o.trigger != 0) != (o.trigger_kind != "none"):
        return INVALID
    if o.trigger % facts.tick or (facts.kind != "linear" and o.trigger < 0):
        return INVALID
    lot = (market and facts.market_lot) or facts.lot
    least = (market and facts.market_size_min) or facts.size_min
    most = (market and facts.market_size_max) or facts.size_max
    if o.size <= 0 or o.size % lot or o.size < least or (most and o.size > most):
        return INVALID
    level = o.trigger or reference  # a stop acts near its trigger
    if market and o.price:
        return INVALID
    if not market:
        if o.price == 0 or (o.price < 0 and facts.kind != "linear") or o.price % facts.tick:
            return INVALID
        band = facts.band_up if o.side == "buy" else facts.band_down
        away = o.price - level if o.side == "buy" else level - o.price
        if band and level and away * 10**6 > abs(level) * band:
            return BAND
    valued = level if market else o.price
    # Money is 128 bits: more than 10^18 units of a currency is a typing error. A price that is not
    # known counts as 10^9 of its units; of an inverse contract the price's decimals must fit, too.
    coins = Fraction(o.size, 10**facts.size_decimals) * facts.multiplier
    scale = 10**facts.price_decimals
    worth = coins * scale if facts.kind == "inverse" else coins * (abs(valued) or 10**9) / scale
    if worth > 10**18:
        return INVALID
    request = facts.notional_min and valued and not o.reduce_only
    return BELOW_MIN if request and abs(facts.value(valued, o.size)) < facts.notional_min else 0
