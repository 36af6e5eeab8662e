"""A random session's instruments and market on real tapes, and what its run's journal says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from onetape.model.enums import MetTrigger, TriggerKind
from onetape.model.fee_tiers import FeeTier
from onetape.model.instrument import from_symbol
from onetape.model.order import TRIGGER_KIND_SHIFT
from onetape.tape.journal import JournalReader, JournalWriter
from reference.facts import Facts
from reference.robot import Frame
from reference.sessions import MARKET, MARKS, VENUES, Session
from reference.worlds import BTC, ETH, USDT, at_venue
from worlds import tapes

START = tapes.START
ONE = 10**18
NAMES = {USDT: "USDT", BTC: "BTC"}
SYMBOLS = {
    "linear": [f"{v}:{coin}/USDT:USDT" for coin in ("ETH", "SOL", "XRP") for v in VENUES],
    "inverse": [f"{v}:BTC/USD:BTC" for v in VENUES],
    "spot": [f"{v}:BTC/USDT" for v in VENUES],
}
KINDS = list(SYMBOLS)


# --- the world's instruments --------------------------------------------------------------------


class Named:
    """A world's instruments under symbols, and its facts as those symbols make them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.symbols: list[str] = []
        for facts in session.facts:
            free = [s for s in SYMBOLS[facts.kind] if s not in self.symbols]
            wanted = VENUES[max(facts.venue - 1, 0)] + ":"
            self.symbols.append(next((s for s in free if s.startswith(wanted)), free[0]))
        self.venues = [VENUES.index(s.partition(":")[0]) + 1 for s in self.symbols]
        self.facts = [self.facts_of(index, facts) for index, facts in enumerate(session.facts)]

    def facts_of(self, index: int, facts: Facts) -> Facts:
        venue = self.venues[index]
        account = venue if self.session.apart else 0
        return replace(
            facts,
            venue=venue,
            expiry=0,
            size_max=0,
            market_size_max=0,
            settle=at_venue(BTC if facts.kind == "inverse" else USDT, account),
            base=at_venue(ETH if facts.kind == "linear" else BTC, account),
            volume_group=venue * 3 + KINDS.index(facts.kind),
        )

    def charged(self, index: int, facts: Facts) -> Facts:
        """--fee replaces an instrument's own, and its schedule."""
        fees = self.session.fees
        fee = fees.get(self.venues[index], fees.get(0))
        if fee is None:
            return facts
        return replace(facts, maker_fee=fee[0], taker_fee=fee[1], fee_tiers=())

    def accounts(self) -> dict[int, list[int]]:
        """The venues with an account of their own, 0 for the common one: the currencies there."""
        found: dict[int, list[int]] = {}
        for venue in self.venues if self.session.apart else [0]:
            local = [f for f, v in zip(self.facts, self.venues, strict=True) if venue in (0, v)]
            used = {f.settle for f in local} | {f.base for f in local if f.is_spot}
            found[venue] = [c for c in NAMES if at_venue(c, venue) in used]
        return found

    def named(self, table: dict[int, Any]) -> dict[str, Any]:
        return {VENUES[n - 1]: value for n, value in table.items() if n in self.venues}


def instrument(symbol: str, facts: Facts, version: int = 1) -> Any:
    def rate(value: int) -> Decimal:
        return Decimal(value).scaleb(-12)

    return from_symbol(
        symbol,
        version=version,
        tick=Decimal(facts.tick).scaleb(-facts.price_decimals),
        lot=Decimal(facts.lot).scaleb(-facts.size_decimals),
        multiplier=int(facts.multiplier),
        price_decimals=facts.price_decimals,
        size_decimals=facts.size_decimals,
        notional_min=Decimal(facts.notional_min).scaleb(-18),
        maker_fee=rate(facts.maker_fee),
        taker_fee=rate(facts.taker_fee),
        maintenance_rate=rate(facts.maintenance_rate),
        band_up=Decimal(facts.band_up).scaleb(-6),
        band_down=Decimal(facts.band_down).scaleb(-6),
        brackets=facts.brackets,
        leverage=facts.leverage,
        met_triggers=MetTrigger.REFUSED if facts.refuses_met_triggers else MetTrigger.FIRES,
        liquidation_fee=rate(facts.liquidation_fee),
        fee_tiers=tuple(
            FeeTier(volume_min=Decimal(v).scaleb(-18), maker_fee=rate(m), taker_fee=rate(t))
            for v, m, t in facts.fee_tiers
        ),
    )


# --- the world on tapes -------------------------------------------------------------------------


class Tapes:
    """What a session's steps are as frames, and what the robot asks after which of them."""

    def __init__(self, session: Session, named: Named) -> None:
        self.session, self.named = session, named
        # Bars of 20 or 500 ns are no period that a strategy could name: the shortest is 1 s.
        self.scale = max(tapes.SECOND // session.period, 1)
        self.frames: list[Frame] = []
        self.acts: dict[int, list[Any]] = defaultdict(list)  # by number of a frame
        self.stamp = 0
        shown = None
        for step in session.steps:
            name, now, *cells = step
            if name in (*MARKET, *MARKS, "bar"):
                frame = self.frame(name, now, *cells)
                if frame is not None:
                    self.frames.append(frame)
                    shown = shown if frame.is_detail else len(self.frames) - 1
            elif shown is not None:
                self.acts[shown].append(step)
        self.main = [frame for frame in self.frames if not frame.is_detail]

    def frame(self, name: str, now: int, index: int, *cells: Any) -> Frame | None:
        time = START + now * self.scale
        if name == "version":
            if not any(not frame.is_detail for frame in self.frames):
                return None  # the run begins with a market event
            cells = (self.named.facts_of(index, cells[0]),)
        if name == "bar":
            opened, *prices = cells
            if now - opened != self.session.period:
                return None
            cells = (START + opened * self.scale, *prices)
        stamp = time
        if self.session.stamped and name in (*MARKET, "mark"):
            # A clock of its own, a little wrong, and ages that change: but stamps rise, as those
            # of one source do.
            age = (7 * len(self.frames) * self.session.period) % 31 * self.scale // 8
            stamp = self.stamp = max(self.stamp + 1, time - age - 5 * self.scale)
        is_detail = index in self.session.detail and name in MARKET
        return Frame(time, name, index, tuple(cells), stamp, is_detail)

    def write(self, path: Path, *, detail: bool) -> Path:
        writer = JournalWriter(path, process="test", durable=False)
        named = self.named
        for number, (symbol, each) in enumerate(zip(named.symbols, named.facts, strict=True), 1):
            if not detail or number - 1 in self.session.detail:
                writer.append_instrument(number, START, instrument(symbol, each).to_msgpack())
        for number, frame in enumerate(self.frames, 2):
            if frame.is_detail != detail:
                continue
            if frame.event == "version":
                made = instrument(named.symbols[frame.index], frame.cells[0], number)
                writer.append_instrument(frame.index + 1, frame.time, made.to_msgpack())
            else:
                row, flags = self.row(frame)
                writer.append(frame.event, row, flags=flags, stream=frame.index + 1, time=frame.time)
        writer.close()
        return path

    def row(self, frame: Frame) -> tuple[bytes, int]:
        time, cells, stamp = frame.time, frame.cells, frame.stamp
        if frame.event == "quote":
            return tapes._QUOTE.pack(stamp, time, *cells, 0, 0), 0
        if frame.event == "trade":
            price, size, side = cells
            return tapes._TRADE.pack(stamp, time, price, size, 0, 0, tapes._SIDES[side], 0), 0
        if frame.event == "book":
            bids, asks, snapshot = cells
            row = tapes._BOOK.pack(stamp, time, 0, 0, 0, len(bids), len(asks))
            row += b"".join(tapes._LEVEL.pack(*level) for level in (*bids, *asks))
            return row, int(snapshot)
        if frame.event == "mark":
            return tapes._MARK.pack(stamp, time, *cells), 0
        if frame.event == "funding":
            return tapes._MARK.pack(time, time, *cells) + tapes._LAST.pack(0), 0
        opened, *prices = cells
        return tapes._BAR.pack(opened, time, time - opened, *prices, 0, 0, -1, 0), 0


# --- the run's journal ---------------------------------------------------------------------------


class Journal:
    """What a run's journal says of requests and answers, in order."""

    def __init__(self, path: Path) -> None:
        self.requests: list[tuple[int, int, int, dict[str, Any]]] = []  # answers before it, time, instrument
        self.news: list[tuple[int, str, int, dict[str, Any]]] = []
        self.denied: set[int] = set()  # by the robot's own checks
        self.last: set[int] = set()  # of the requests: left behind all else of their callback
        with JournalReader(path) as reader:
            for record in reader:
                row = (record.time, record.type, record.stream - 1, record.data)
                if record.type == "order_request":
                    if record.flags:
                        self.last.add(len(self.requests))
                    self.requests.append((len(self.news), record.time, record.stream - 1, record.data))
                elif record.type == "order_event" and record.data["news"] == "denied":
                    self.denied.add(record.data["order_id"])
                elif record.type in ("order_event", "fill"):
                    self.news.append(row)
                elif record.type == "transfer":
                    self.news.append((record.time, "cash", record.stream - 1, record.data))
                elif record.type in ("alert", "health") and record.data["kind"] == "margin_call":
                    self.news.append((record.time, "loan", record.stream - 1, record.data))

    def requests_of(self, robot: Any) -> tuple[dict[int, list[Any]], ...]:
        """What left, by the frame that it followed, by the answer, and by the time where it waited for one."""
        by_frame: dict[int, list[Any]] = defaultdict(list)
        by_answer: dict[int, list[Any]] = defaultdict(list)
        by_time: dict[int, list[Any]] = defaultdict(list)
        owner = {ordinal: number for number, begin, end in robot.sent for ordinal in range(begin, end)}
        for ordinal, (answers, time, _, _) in enumerate(self.requests[1:], 1):
            # With no answer between them it follows what the callback sent, say a denial: it leaves behind that.
            if ordinal not in owner and ordinal - 1 in owner and self.requests[ordinal - 1][:2] == (answers, time):
                owner[ordinal] = owner[ordinal - 1]
        for ordinal, (answers, time, index, data) in enumerate(self.requests):
            if data["order_id"] in self.denied:
                continue
            calls = (index, as_requested(data))
            if ordinal in owner:
                which = by_frame[owner[ordinal]]
            else:
                is_at_once = answers > 0 and self.news[answers - 1][0] == time
                which = by_answer[answers - 1] if is_at_once else by_time[time]
            which.append((ordinal in self.last, calls))
        return tuple(
            {key: [calls for _, calls in sorted(found, key=lambda each: each[0])] for key, found in each.items()}
            for each in (by_frame, by_answer, by_time)
        )


def as_requested(data: dict[str, Any]) -> dict[str, Any]:
    kind = data["kind"]
    request = {"kind": kind, "order_id": data["order_id"], "price": data["price"], "size": data["size"]}
    if kind == "amend":
        request["trigger"] = data["trigger"]
    if kind == "place":
        request |= {key: data[key] for key in ("side", "type", "tif", "trigger", "trigger_by", "position_side")}
        request["trigger_by"] = data["trigger_by"] or "none"
        request["trigger_kind"] = TriggerKind.from_id(data["flags"] >> TRIGGER_KIND_SHIFT).value
        request |= {
            "expire": data["expire_ns"],
            "post_only": bool(data["flags"] & 1),
            "reduce_only": bool(data["flags"] & 2),
        }
    return request
