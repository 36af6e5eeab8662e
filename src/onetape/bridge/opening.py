"""Opens a ccxt exchange with the gateway's settings: keys, demo, another address, deadlines."""

from __future__ import annotations

import contextvars
import re
import time
from typing import Any, Final

import aiohttp

from onetape.bridge.rows import Late, Unwanted

__all__ = ["BEFORE", "TIMEOUT_MS", "open_exchange", "secrets_of"]

ANSWER_MAX: Final = 64 << 20  # uncompressed; markets of large venues have some tens of MiB
TIMEOUT_MS: Final = 3500  # of one request; the gateway gives up after four seconds
# Requests by which an account pays others, or names them as referrer (ccxt 4.5.90, read 2026-11: Hyperliquid, Aster,
# Pacifica, Lighter and more).
_PAYS_OTHERS: Final = re.compile(r"approve_?builder|builder_?code|[\"']builder[\"']|setreferrer", re.I)
# ns UTC by this machine's clock: the latest time for sending the present request. 0: any time.
BEFORE: contextvars.ContextVar[int] = contextvars.ContextVar("before", default=0)


def open_exchange(ccxt_pro: Any, said: dict[str, Any]) -> Any:
    """Returns ccxt's exchange, set up for requests. Raises LookupError if ccxt does not have it with streams,
    ValueError if a demo is requested and ccxt knows no test system of it."""
    if said["exchange"] not in ccxt_pro.exchanges:
        raise LookupError(f"ccxt has no exchange {said['exchange']!r} with streams")
    exchange = getattr(ccxt_pro, said["exchange"])(
        {
            "timeout": TIMEOUT_MS,
            "options": {
                "adjustForTimeDifference": True,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
                **said.get("options", {}),
            },
        }
    )
    _set_keys(exchange, said)
    # Names of currencies are not needed, and at some venues require a permission that a key may lack.
    exchange.has["fetchCurrencies"] = False
    if said.get("demo"):
        _set_demo(exchange)
    if said.get("rest"):
        exchange.urls["api"] = _moved(exchange.urls["api"], said["rest"], said["ws"])
        exchange.enableRateLimit = False  # the simulated exchange needs no pacing
    if said.get("proxy"):
        exchange.httpsProxy = exchange.wssProxy = said["proxy"]
    _give_nothing_away(exchange)
    _watch_requests(exchange)
    _bound_answers(exchange)
    return exchange


def secrets_of(said: dict[str, Any]) -> tuple[str, ...]:
    return tuple(said.get(each) or "" for each in ("key", "secret", "password", "proxy"))


def _set_keys(exchange: Any, said: dict[str, Any]) -> None:
    """Sets the keys; on-chain venues need a wallet address and a private key instead of a key and a secret."""
    wanted = exchange.requiredCredentials
    if wanted.get("privateKey"):
        exchange.walletAddress, exchange.privateKey = said["key"], said["secret"]
    else:
        exchange.apiKey, exchange.secret = said["key"], said["secret"]
    if said.get("password"):
        exchange.password = said["password"]


def _set_demo(exchange: Any) -> None:
    if exchange.id.startswith("binance"):
        exchange.enable_demo_trading(True)  # Binance's demo replaces its futures testnet
        return
    if not exchange.urls.get("test"):
        raise ValueError(f"ccxt knows no test system of {exchange.id}")
    exchange.set_sandbox_mode(True)


def _moved(url: Any, rest: str, ws: str) -> Any:
    """Returns `url` with the scheme and host of `rest` or `ws`; url: an address, or nested dictionaries of them."""
    if isinstance(url, dict):
        return {name: _moved(each, rest, ws) for name, each in url.items()}
    if not isinstance(url, str) or "://" not in url:
        return url
    scheme, _, place = url.partition("://")
    path = place.partition("/")[2]
    base = (ws if scheme.startswith("ws") else rest).rstrip("/")
    return f"{base}/{path}" if path else base


def _give_nothing_away(exchange: Any) -> None:
    """Disables builder fees and referrals: at some venues ccxt approves, unasked, a payment to its authors for each
    order, or names them as referrer. No user has agreed to that."""
    exchange.options.update({"builderFee": False, "approvedBuilderFee": False, "refSet": True})

    async def nothing(*arguments: Any, **named: Any) -> bool:
        return False

    for name in ("handle_builder_fee_approval", "set_ref"):
        if hasattr(exchange, name):
            setattr(exchange, name, nothing)


def _watch_requests(exchange: Any) -> None:
    """Checks each request after signing. ccxt signs a request after waiting for its turn. A request whose deadline has
    passed by then must not be sent: the gateway has given it up, and the venue would see it as fresh. Requests that pay
    others are never sent, whichever method of ccxt makes them."""
    sign = exchange.sign

    def signed(path: Any, *arguments: Any, **named: Any) -> Any:
        before = BEFORE.get()
        if before and time.time_ns() > before:
            raise Late("the deadline passed before the request could be sent")
        if _PAYS_OTHERS.search(f"{path} {arguments} {named}"):
            raise Unwanted(f"not sent: the request to {exchange.id} would pay a fee to others, or name a referrer")
        return sign(path, *arguments, **named)

    exchange.sign = signed


class _Bounded(aiohttp.ClientResponse):
    """An answer of at most ANSWER_MAX bytes, checked while reading: a megabyte of gzip may be a gigabyte."""

    async def read(self) -> bytes:
        body = bytearray()
        async for piece in self.content.iter_chunked(1 << 16):
            body += piece
            if len(body) > ANSWER_MAX:
                self.close()
                raise aiohttp.ClientPayloadError(f"an answer of more than {ANSWER_MAX >> 20} MiB")
        self._body = bytes(body)
        return self._body


def _bound_answers(exchange: Any) -> None:
    """Limits the size of answers, and refuses redirects of HTTP and WebSocket requests, because ccxt would follow them
    with the key in its headers."""

    async def refuse(_session: Any, _context: Any, sent: Any) -> None:
        raise aiohttp.ClientConnectionError(f"HTTP {sent.response.status} redirects: not followed")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    begin = exchange.open

    def begun(*arguments: Any, **named: Any) -> None:
        is_new = exchange.session is None
        begin(*arguments, **named)
        if is_new and exchange.session is not None:
            exchange.session.detach()  # the next session uses its connector
            exchange.session = aiohttp.ClientSession(
                connector=exchange.tcp_connector, trace_configs=[trace], response_class=_Bounded
            )

    exchange.open = begun
