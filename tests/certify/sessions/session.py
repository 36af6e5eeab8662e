"""What every session of an outside client shares: where the exchange is, and what each call gave.

Runs in the client's own environment, without this project's packages. A session is called with one
argument, the line of JSON that `onetape sim VENUE` printed; it prints one JSON document, the list
of its calls. A call that fails is written down and the session goes on, so that one run says
everything that is wrong.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
import urllib.request

WAIT_S = 15.0  # for one message of a stream


class Session:
    """The calls of one client, in the order in which they were made."""

    def __init__(self) -> None:
        answer = json.loads(sys.argv[1])
        self.rest: str = answer["rest"]
        self.ws: str = answer["ws"]
        self.key: str = answer["accounts"][0]["key"]
        self.secret: str = answer["accounts"][0]["secret"]
        self.accounts: list[dict] = answer["accounts"]
        self.balances = {k: float(v) for k, v in answer["accounts"][0]["balances"].items()}
        self.control: str = answer["control"]
        self.calls: list[dict] = []

    def call(self, name, ask, holds=None):
        """Makes a call; holds(value), where given, must be true of what it gave."""
        try:
            value = ask()
            self._judge(name, value, holds)
            return value
        except Exception as error:
            self._failed(name, error)
            return None

    async def acall(self, name, awaitable, holds=None, wait=WAIT_S):
        """The same for a coroutine, which has `wait` seconds."""
        try:
            value = await asyncio.wait_for(awaitable, wait)
            self._judge(name, value, holds)
            return value
        except Exception as error:
            self._failed(name, error)
            return None

    def refused(self, name, ask, kinds, holds=None):
        """The call must raise one of `kinds`; holds(error), where given, must be true of it."""
        try:
            value = ask()
        except kinds as error:
            self._judge(name, error, holds)
        except Exception as error:
            self._failed(name, error)
        else:
            self._note(name, False, f"accepted: {value!r}")

    async def arefused(self, name, awaitable, kinds, holds=None):
        """The same for a coroutine."""
        try:
            value = await asyncio.wait_for(awaitable, WAIT_S)
        except kinds as error:
            self._judge(name, error, holds)
        except Exception as error:
            self._failed(name, error)
        else:
            self._note(name, False, f"accepted: {value!r}")

    def eventually(self, name, ask, holds, wait=WAIT_S):
        """Asks again until it holds, for what needs the market to move on."""
        end = time.monotonic() + wait
        value = None
        try:
            while time.monotonic() < end:
                value = ask()
                if holds(value):
                    self._note(name, True, "")
                    return value
                time.sleep(0.2)
            self._note(name, False, f"not within {wait:g} s: {value!r}")
        except Exception as error:
            self._failed(name, error)
        return None

    def holds(self, name, good, seen=""):
        """A fact that follows from several calls."""
        self._note(name, bool(good), "" if good else repr(seen))

    def ledger(self, name="main"):
        """The exchange's own books of the account: balances, positions, orders, trades, as text."""
        with urllib.request.urlopen(f"{self.control}/state?account={name}", timeout=WAIT_S) as reported:
            (account,) = json.load(reported)["accounts"]
        return account

    def books(self, name, ours, theirs, wait=WAIT_S):
        """What the client has and what the exchange's ledger has must come to be equal: two
        functions, of nothing and of the ledger, that give the same when they are."""
        seen = []

        def agree():
            seen[:] = [ours(), theirs(self.ledger())]
            return seen

        self.eventually(name, agree, lambda both: both[0] == both[1], wait)

    def done(self) -> None:
        json.dump({"calls": self.calls}, sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()

    def _judge(self, name, value, holds) -> None:
        good = holds is None or holds(value)
        self._note(name, bool(good), "" if good else f"gave {value!r}")

    def _failed(self, name, error) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
        self._note(name, False, f"{type(error).__name__}: {error} ({place})")

    def _note(self, name, passed, seen) -> None:
        recorded = any(row["call"] == name for row in self.calls)
        if recorded:
            raise SystemExit(f"two calls are named {name!r}")
        self.calls.append({"call": name, "passed": passed, "seen": " ".join(seen.split())[:400]})


def moved(url, base):
    """Strings of addresses, nested in dictionaries, with scheme and host of `base`."""
    if isinstance(url, dict):
        return {name: moved(each, base) for name, each in url.items()}
    if isinstance(url, str) and "://" in url:
        _, _, path = url.split("://", 1)[1].partition("/")
        return f"{base.rstrip('/')}/{path}" if path else base.rstrip("/")
    return url


def moved_ccxt(exchange, session):
    """A ccxt exchange pointed at the session's address, REST and WebSocket each at its own."""
    root = session.ws.split("://", 1)
    socket_root = f"{root[0]}://{root[1].partition('/')[0]}"

    def point(url):
        if isinstance(url, dict):
            return {name: point(each) for name, each in url.items()}
        if isinstance(url, str) and url.startswith("ws"):
            return moved(url, socket_root)
        return moved(url, session.rest)

    exchange.urls["api"] = point(exchange.urls["api"])
    return exchange
