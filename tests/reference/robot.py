"""The loop around the exchange: how long requests and answers take, and what the robot then knows.

Frames of the tapes in order; at one moment first what is due (bars that close, the venue's clock,
expiries, orders that arrive, answers that reach the robot), then the frame: the exchange sees it,
what this made due by then happens, then the robot acts. Frames of detail data are the exchange's
alone. All bars of one moment are in before the robot sees the first of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reference.account import SlowAccount
from reference.exchange import Exchange
from reference.latency import Request, Way
from reference.market import Market

SECOND = 10**9


class Frame(NamedTuple):
    time: int  # of receipt
    event: str
    index: int  # of the instrument
    cells: tuple[Any, ...]
    stamp: int  # the venue's time
    is_detail: bool = False


@dataclass
class News:
    """One answer of the exchange on its way."""

    heard: int
    event: dict[str, Any]


class Detail:
    """What the exchange alone has seen inside the next bar of the robot's data."""

    def __init__(self) -> None:
        self.seen: list[int] = []  # whole seconds

    def has_hole(self, opened: int, closed: int) -> bool:
        found = any(opened <= time < closed for time in self.seen)
        self.seen = [time for time in self.seen if time >= closed]
        return not found


class Loop:
    """requests: by the number of the frame that the robot has just seen, what it then asked.
    follow_ups: the same by the number of the answer that it has just heard. ways: by venue; 0 is
    that of venues without one of their own."""

    def __init__(
        self,
        exchange: Exchange,
        frames: Sequence[Frame],
        requests: Mapping[int, Iterable[Request]],
        *,
        follow_ups: Mapping[int, Iterable[Request]],
        timed: Mapping[int, Iterable[Request]],
        ways: Mapping[int, Way],
    ) -> None:
        self.exchange, self.frames = exchange, frames
        self.requests, self.follow_ups = requests, follow_ups
        self.timed = sorted(timed.items())
        self.ways = ways
        self.answers: list[News] = []
        self.heard: list[News] = []
        self.answered = 0  # of those, what the tape keeps as an answer
        self.paid: dict[int, int] = {}
        self.bars: list[int] = []  # numbers of frames that close at one moment
        self.bars_due: int | None = None
        self.details = {frame.index: Detail() for frame in frames if frame.is_detail}
        self.holes = 0
        made = exchange.account
        self.account = SlowAccount(exchange.facts, made.leverage, made.hedge, made.isolated)

    def way_of(self, index: int) -> Way:
        venue = self.exchange.facts[index].venue
        return self.ways.get(venue) or self.ways[0]

    def run(self) -> None:
        first = next(n for n, frame in enumerate(self.frames) if not frame.is_detail)
        self.now = self.frames[first].time
        for frame in self.frames[:first]:
            self.show(frame)  # from before the run
        for number, frame in enumerate(self.frames[first:], first):
            if self.bars and frame.time != self.now:
                self.bars_due = self.now
            self.receive(frame)
            self.drain(frame.time)
            if not frame.is_detail and frame.event != "version":
                self.way_of(frame.index).received.append(frame.time)
            self.show(frame)
            self.drain(frame.time)
            if frame.is_detail:
                continue
            self.now = max(self.now, frame.time)
            if frame.event == "bar":
                self.bars.append(number)
            else:
                self.act(self.requests.get(number, ()))
        self.bars_due = self.now if self.bars else None
        for way in self.ways.values():
            way.know(self.now + 1)
        for index in range(len(self.exchange.facts)):
            self.exchange.pay_due(index, self.now)
        self.answer(self.exchange.reports(), 0)
        self.drain(self.now)

    def act(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self.way_of(request[0]).send(self.now, request)

    def happened(self, frame: Frame) -> int:
        if frame.event in ("bar", "version"):
            return frame.time
        return self.way_of(frame.index).delay.happened(frame.time, frame.stamp)

    def receive(self, frame: Frame) -> None:
        """The market of that venue is known so far; of the others, as far as events of their age
        would be here."""
        own, happened = self.way_of(frame.index), self.happened(frame)
        if happened != frame.time:
            own.age = frame.time - happened
        for way in self.ways.values():
            way.know(happened if way is own else frame.time - way.age)

    # --- the exchange ---

    def show(self, frame: Frame) -> None:
        exchange, index, cells = self.exchange, frame.index, frame.cells
        time, event = self.happened(frame), frame.event
        exchange.stamp = frame.stamp
        if frame.is_detail:
            self.details[index].seen.append(frame.time - frame.time % SECOND)
        if event == "version":
            exchange.update(index, cells[0])
        elif event == "bar":
            self.show_bar(frame)
        elif event == "funding":
            if index in self.paid and frame.time <= self.paid[index]:
                return  # the same settlement again
            self.paid[index] = frame.time
            self.answer(exchange.pay(time, *cells, index=index), time)
        else:
            if event == "mark":
                exchange.markets[index].index = cells[1]
            self.answer(getattr(exchange, event)(time, *cells, index=index), time)

    def show_bar(self, frame: Frame) -> None:
        exchange, index = self.exchange, frame.index
        opened, *prices = frame.cells
        detail = self.details.get(index)
        if detail is not None:
            if not detail.has_hole(opened, frame.time):
                return  # the finer data have said it
            self.holes += 1
            forget(exchange.markets[index])
            exchange.periods.pop(index, None)
        # What it tells is not known before its end, however early in it that was.
        seen = exchange.markets[index].push.bars
        before = list(seen)
        said = exchange.bar(opened, frame.time, *prices, index=index)
        self.answer(said, opened, since=frame.time)
        if detail is not None:
            seen[:] = before  # nothing is measured by a bar that fills a hole
            exchange.periods.pop(index, None)

    def answer(self, said: list[dict[str, Any]], base: int, since: int = 0) -> None:
        """On each way in order; a quicker venue's answer overtakes a slower one's."""
        for event in said:
            way = self.way_of(self.place_of(event))
            heard = way.hear(max(base, event["ts_event"]), self.now, since)
            self.answers.append(News(heard, event))
        self.answers.sort(key=lambda news: news.heard)  # stable

    def place_of(self, event: dict[str, Any]) -> int:
        """Interest belongs to no instrument: it comes from where that money is."""
        if event.get("kind") != "interest":
            return event["owner"]
        facts, money = self.exchange.facts, event["currency"]
        return next((i for i, f in enumerate(facts) if money in (f.settle, f.base)), 0)

    # --- what is due ---

    def drain(self, until: int) -> None:
        while True:
            arrivals = [t for way in self.ways.values() if (t := way.next_arrival()) is not None]
            due = [
                (self.bars_due, 0),
                (self.exchange.next_due(), 1),
                (self.exchange.next_expiry(), 2),
                (min(arrivals, default=None), 3),
                (self.answers[0].heard if self.answers else None, 4),
                (self.timed[0][0] if self.timed else None, 5),
            ]
            times = [(time, what) for time, what in due if time is not None and time <= until]
            if not times:
                return
            time, what = min(times)
            self.now = max(self.now, time)
            if what == 0:
                self.close_bars()
            elif what == 1:
                self.exchange.run_due(time)
                self.answer(self.exchange.reports(), time)
            elif what == 2:
                self.exchange.run_expiry(time)
                self.answer(self.exchange.reports(), time)
            elif what == 3:
                way = next(way for way in self.ways.values() if way.next_arrival() == time)
                _, (index, request) = way.arrivals.popleft()
                self.answer(self.exchange.ask(time, index, **request), time)
            elif what == 4:
                self.hear(self.answers.pop(0))
            else:
                self.act(self.timed.pop(0)[1])

    def close_bars(self) -> None:
        numbers, self.bars, self.bars_due = self.bars, [], None
        for number in sorted(numbers, key=lambda number: self.frames[number].index):
            self.act(self.requests.get(number, ()))

    def hear(self, news: News) -> None:
        """The robot's own books follow what it is told."""
        news.heard = self.now  # what happened early in a bar is told with its end
        self.heard.append(news)
        event, recorded = news.event, self.account
        index = event["owner"]
        if event["event"] == "fill":
            recorded.fill(
                index,
                event["side"],
                event["price"],
                event["size"],
                fee=event["fee"],
                position_side=event["position_side"],
                forced=event["order_id"] > 2**62,
            )
        elif event["event"] == "cash" and event["kind"] == "funding":
            recorded.credit_funding(index, event["side"], event["amount"])
        elif event["event"] == "cash" and event["kind"] == "insurance":
            recorded.balances[recorded.facts[index].settle] += event["amount"]
            recorded.insurance[index] += event["amount"]
        elif event["event"] == "cash":
            recorded.balances[event["currency"]] += event["amount"]
            recorded.interest[event["currency"]] += event["amount"]
        if event["event"] in ("order", "fill", "cash", "loan"):
            self.act(self.follow_ups.get(self.answered, ()))
            self.answered += 1


def forget(market: Market) -> None:
    """There is a hole in the finer data: what they last said is no market any more."""
    market.quote = market.trade = market.depth = None
