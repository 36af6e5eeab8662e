"""The loop around the exchange: how long requests and answers take, and what the robot then knows.

Frames of the tape in order; at one moment first what is due (the venue's clock, expiries, orders
that arrive, answers that reach the robot), then the frame: the exchange sees it, what this made due
by then happens, then the robot acts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference.account import SlowAccount
from reference.exchange import Exchange

Frame = tuple[int, str, int, tuple[Any, ...]]  # time, event, instrument, cells
Request = tuple[int, dict[str, Any]]  # instrument, what is asked


@dataclass
class News:
    """One answer of the exchange on its way."""

    heard: int
    event: dict[str, Any]


class Loop:
    """requests: by the number of the frame that the robot has just seen, what it then asked."""

    def __init__(
        self,
        exchange: Exchange,
        frames: Sequence[Frame],
        requests: Mapping[int, Iterable[Request]],
        *,
        there: int,
        back: int,
    ) -> None:
        self.exchange, self.frames, self.requests = exchange, frames, requests
        self.there, self.back = there, back
        self.arrivals: deque[tuple[int, Request]] = deque()
        self.answers: deque[News] = deque()
        self.heard: list[News] = []
        self.floor = 0
        self.paid: dict[int, int] = {}
        made = exchange.account
        self.known = SlowAccount(exchange.facts, made.leverage, made.hedge, made.isolated)

    def run(self) -> None:
        self.now = self.frames[0][0]
        for number, (time, event, index, cells) in enumerate(self.frames):
            self.drain(time)
            self.show(time, event, index, cells)
            self.drain(time)
            self.now = max(self.now, time)
            for request in self.requests.get(number, ()):
                floor = self.arrivals[-1][0] if self.arrivals else 0
                self.arrivals.append((max(floor, self.now + self.there), request))
        self.drain(self.now)

    def show(self, time: int, event: str, index: int, cells: tuple[Any, ...]) -> None:
        exchange = self.exchange
        if event == "version":
            exchange.update(index, cells[0])
        elif event == "bar":
            opened, *prices = cells
            # What happened inside it is known at its end, however long the way back.
            said = exchange.bar(opened, time, *prices, index=index)
            self.answer(said, opened, cap=time)
        elif event == "funding":
            if index in self.paid and time <= self.paid[index]:
                return  # the same settlement again
            self.paid[index] = time
            self.answer(exchange.pay(time, *cells, index=index), time)
        else:
            if event == "mark":
                exchange.markets[index].index = cells[1]
            self.answer(getattr(exchange, event)(time, *cells, index=index), time)

    def answer(self, said: list[dict[str, Any]], base: int, cap: int | None = None) -> None:
        for event in said:
            heard = max(base, event["ts_event"]) + self.back
            heard = heard if cap is None else min(heard, cap)
            self.floor = max(self.floor, heard)
            self.answers.append(News(self.floor, event))

    def drain(self, until: int) -> None:
        while True:
            due = [
                (self.exchange.next_due(), 0),
                (self.exchange.next_expiry(), 1),
                (self.arrivals[0][0] if self.arrivals else None, 2),
                (self.answers[0].heard if self.answers else None, 3),
            ]
            times = [(time, what) for time, what in due if time is not None and time <= until]
            if not times:
                return
            time, what = min(times)
            self.now = max(self.now, time)
            if what == 0:
                self.exchange.run_due(time)
                self.answer(self.exchange.told(), time)
            elif what == 1:
                self.exchange.run_expiry(time)
                self.answer(self.exchange.told(), time)
            elif what == 2:
                time, (index, request) = self.arrivals.popleft()
                self.answer(self.exchange.ask(time, index, **request), time)
            else:
                self.hear(self.answers.popleft())

    def hear(self, news: News) -> None:
        """The robot's own books follow what it is told."""
        news.heard = self.now  # what happened early in a bar is told with its end
        self.heard.append(news)
        event, known = news.event, self.known
        index = event["owner"]
        if event["event"] == "fill":
            known.fill(
                index, event["side"], event["price"], event["size"], fee=event["fee"],
                position_side=event["position_side"], forced=event["order_id"] > 2**62,
            )  # fmt: skip
        elif event["event"] == "cash" and event["kind"] == "funding":
            known.credit_funding(index, event["side"], event["amount"])
        elif event["event"] == "cash" and event["kind"] == "insurance":
            known.balances[known.facts[index].settle] += event["amount"]
            known.insurance[index] += event["amount"]
        elif event["event"] == "cash":
            known.balances[event["currency"]] += event["amount"]
            known.interest[event["currency"]] += event["amount"]
