"""What a bad network and a venue that says nothing do to a simulated gateway."""

from __future__ import annotations

from dataclasses import dataclass

# What a venue says where it says nothing.
SPEECHLESS = {
    "binance-usdm": (503, b'{"msg":"Unknown error, please check your request or try again later."}'),
    "binance-spot": (502, b"<html>Bad Gateway</html>"),
    "aster": (503, b'{"msg":"Unknown error, please check your request or try again later."}'),
    "kraken": (520, b"<html>Web server is returning an unknown error</html>"),
    "bitmex": (502, b"<html>Bad Gateway</html>"),
    "bybit": (500, b"<html>Internal Server Error</html>"),
    "hyperliquid": (502, b"<html>Bad Gateway</html>"),
    "okx": (503, b"<html>Service Unavailable</html>"),
    "pacifica": (500, b'{"success":false,"data":null,"error":"Internal server error","code":500}'),
}


@dataclass
class Faults:
    """Probabilities, for each request, answer or message."""

    lose_request: float = 0.02
    lose_answer: float = 0.04
    error_answer: float = 0.02  # a 503 that says nothing, with the request done or not
    slow: float = 0.1  # up to some seconds
    duplicate: float = 0.05  # of stream messages
    delay_stream: float = 0.1
    cut_stream: float = 0.002  # for each message: the connection is gone, and what follows lost
    freeze_stream: float = 0.002  # for each message: the stream tells nothing for a while

    @classmethod
    def none(cls) -> Faults:
        return cls(0, 0, 0, 0, 0, 0, 0, 0)
