"""What leaves for venues of which there is no simulated exchange: requests as they are signed,
caught where they would go to the socket. That a venue takes them is not shown here."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl

import msgspec
import pytest

from bridge.bridge_process import as_read
from onetape.bridge.opening import open_exchange
from onetape.bridge.rows import Unwanted, market_row
from onetape.bridge.venue import Venue
from onetape.model.enums import OrderType, Side, TimeInForce
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey
from onetape.venues.ccxt.facts import FACTS
from onetape.venues.ccxt.instruments import instruments_of
from onetape.venues.ccxt.numbers import client_id_text
from onetape.venues.ccxt.trading import CcxtProtocol

pytestmark = as_read
ccxt = pytest.importorskip("ccxt")
ccxt_pro = pytest.importorskip("ccxt.pro")
VENUES = ("okx", "bybit", "hyperliquid", "aster", "pacifica")
ADDRESS, KEY = "0x" + "22" * 20, "0x" + "11" * 32
# Of a seed of ones, as Solana writes it.
SOLANA = "2AXDGYSE4f2sz7tvMMzyHvUfcoJmxudvdhBcmiUSo6iuCXagjUCKEQF21awZnUGxmwD4m9vGXuC3qieHXJQHAcT"
KEYS = {"hyperliquid": (ADDRESS, KEY), "aster": (ADDRESS, KEY), "pacifica": ("1" * 32, SOLANA)}
OURS = "Tr1X1X1c"
FAR = 2**62
NOW = FAR - 10**10


class World:
    """A protocol and a bridge's venue of one contract; `sent` is what would have left."""

    def __init__(self, exchange: str) -> None:
        key, secret = KEYS.get(exchange, ("key", "secret"))
        quote = "USDC" if exchange in ("hyperliquid", "pacifica") else "USDT"
        self.facts, self.name = FACTS[exchange], f"BTC/{quote}:{quote}"
        said = {
            "exchange": exchange,
            "key": key,
            "secret": secret,
            "password": "word",
            "symbols": [self.name],
            "amends": self.facts.amends,
            "by_client_id": self.facts.by_client_id,
            "options": dict(self.facts.options),
        }
        self.exchange = x = open_exchange(ccxt_pro, said)
        market = {
            "id": "BTC", "baseId": "0", "symbol": self.name, "base": "BTC", "quote": quote,
            "settle": quote, "type": "swap", "spot": False, "swap": True, "contract": True,
            "linear": True, "inverse": False, "contractSize": 1.0, "active": True, "info": {},
            "precision": {"price": 0.1, "amount": 0.01},
        }  # fmt: skip
        x.set_markets([x.safe_market_structure(market)])
        x.enableRateLimit = False
        x.options |= {"enableUnifiedAccount": True, "enableUnifiedMargin": False}
        x.fetch = self._caught
        self.venue = Venue(x, ccxt, said)
        self.venue.choose_kind()
        self.protocol = CcxtProtocol(exchange, self.facts, "token")
        row = market_row(x.markets[self.name])
        self.protocol.set_instruments(instruments_of([row], exchange))
        self.symbol = f"{exchange}:{self.name}"
        self.sent: list[dict] = []

    async def _caught(self, url, method="GET", headers=None, body=None):
        query = dict(parse_qsl(url.partition("?")[2]))
        if body and body[:1] in "[{":
            answer = json.loads(body)
            query |= answer[0] if isinstance(answer, list) else answer
        else:
            query |= dict(parse_qsl(body or ""))
        self.sent.append({"url": url.partition("?")[0], **query})
        raise ccxt.NetworkError("caught")

    def ask(self, call) -> dict:
        """The last request that a call makes; the error of one that makes none."""
        self.sent.clear()

        async def query():
            try:
                await getattr(self.venue, call.target[1:])(msgspec.json.decode(call.body))
            finally:
                await self.exchange.close()

        with pytest.raises(ccxt.BaseError) as said:
            asyncio.run(query())
        return self.sent[-1] if self.sent else {"error": type(said.value).__name__}

    def place(self, **terms) -> dict:
        fields_of = {"symbol": self.symbol, "side": Side.BUY, "size_int": 10, "price_int": 500000}
        spec = OrderSpec(**{**fields_of, "type": OrderType.LIMIT, **terms})
        return self.ask(self.protocol.place(OURS, spec, NOW, reference=500000))

    def noted(self) -> OrderKey:
        there = client_id_text(OURS, self.facts.client_id)
        self.venue.note(there, "77", self.name)
        return OrderKey(self.symbol, OURS)


@pytest.fixture(params=VENUES)
def world(request) -> World:
    return World(request.param)


def text_of(sent: dict) -> str:
    return json.dumps(sent).lower()


def test_an_order_leaves_under_our_id_with_its_price_and_size(world):
    sent = text_of(world.place())
    assert f'"{client_id_text(OURS, world.facts.client_id).lower()}"' in sent
    assert '"50000"' in sent and '"0.1"' in sent
    assert len([each for each in world.sent if "order" in text_of(each)]) == 1


POST_ONLY = {
    "okx": '"ordtype": "post_only"',
    "bybit": '"timeinforce": "postonly"',
    "hyperliquid": '"tif": "alo"',
    "aster": '"timeinforce": "gtx"',
    "pacifica": '"tif": "alo"',
}
IOC = {
    "okx": '"ordtype": "ioc"',
    "bybit": '"timeinforce": "ioc"',
    "hyperliquid": '"tif": "ioc"',
    "aster": '"timeinforce": "ioc"',
    "pacifica": '"tif": "ioc"',
}
FOK = {
    "okx": '"ordtype": "fok"',
    "bybit": '"timeinforce": "fok"',
    "hyperliquid": "",
    "aster": '"timeinforce": "fok"',
    "pacifica": "",
}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("terms", "words"),
    [({"post_only": True}, POST_ONLY), ({"tif": TimeInForce.IOC}, IOC), ({"tif": TimeInForce.FOK}, FOK)],
    ids=["post-only", "ioc", "fok"],
)
def test_terms_of_an_order_leave_in_the_venues_words_or_not_at_all(venue, terms, words):
    sent = World(venue).place(**terms)
    if words[venue]:
        assert words[venue] in text_of(sent)
    else:
        assert sent == {"error": "NotSupported"}


def test_reduce_only_leaves_as_that(world):
    plain, reducing = (text_of(world.place()), text_of(World(world.exchange.id).place(reduce_only=True)))
    word = '"r": true' if world.exchange.id == "hyperliquid" else "reduce"
    assert word in reducing
    assert '"r": true' not in plain and '"reduceonly": true' not in plain


def test_an_order_is_canceled_by_the_venues_id(world):
    sent = text_of(world.ask(world.protocol.cancel(world.noted(), NOW)))
    assert "77" in sent
    assert "cancel" in sent or "/order" in sent  # by the method


def test_only_what_keeps_its_ids_is_amended(world):
    spec = OrderSpec(symbol=world.symbol, side=Side.BUY, size_int=10, type=OrderType.LIMIT, price_int=500000)
    call = world.protocol.amend(world.noted(), spec, NOW, price=500010, size=20)
    sent = world.ask(call)
    if world.facts.amends:
        assert "amend" in sent["url"]
        assert '"77"' in text_of(sent) and '"50001"' in text_of(sent) and '"0.2"' in text_of(sent)
    else:
        assert sent == {"error": "NotSupported"}


def test_an_order_is_asked_for_by_our_id_where_the_venue_can(world):
    sent = world.ask(world.protocol.query(OrderKey(world.symbol, OURS), NOW))
    ours = client_id_text(OURS, world.facts.client_id)
    assert (ours in json.dumps(sent)) == bool(world.facts.by_client_id)


def test_nothing_is_ever_given_away_to_others(world):
    """Not at the first order, when ccxt would ask for it, nor if it found another way."""
    world.place()
    first = list(world.sent)
    for words in ("builder", "referr"):
        assert words not in text_of({"all": first})
    for path, params in (
        ("fapi/v3/approveBuilder", {}),
        ("account/builder_codes/approve", {}),
        ("exchange", {"action": {"type": "setReferrer", "code": "X"}}),
        ("exchange", {"action": {"type": "order", "builder": {"b": ADDRESS, "f": 1}}}),
    ):
        with pytest.raises(Unwanted):
            world.exchange.sign(path, "private", "POST", params)
