"""The chain of an order or a command, from its cause to the money, frame by frame, from the journals of a home.

A gateway's journal is folded to chains: of each order its command, its intents, the venue's answers, its fills and
their entries. A robot's order begins in the journal of its run, with the market frame that it was decided on, its
signal and its target; both journals name an order by the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from onetape.accounts.entry_frames import unpack
from onetape.model.enums import EventType, OrderState
from onetape.model.errors import BadInput, OnetapeError
from onetape.model.ids import EPOCH_BITS, client_id_of_order, is_by_hand, parse_client_id, robot_tag
from onetape.model.money import money_text
from onetape.model.time import SECOND
from onetape.options.recorder import GATEWAYS
from onetape.orders.order_frames import DENIED_FLAG, REQUEST
from onetape.store.frame_words import FrameWords
from onetape.store.records import Records, metadata
from onetape.tape.journal import Frame, JournalReader, Record
from onetape.tape.payloads import fields
from onetape.tape.segments import is_tape

__all__ = ["LOOK_FRAMES", "READ", "Chain", "Chains", "Home", "Hop", "Tape", "add_rows", "shown_chain", "trace"]

_OF_RUN: Final = ("instrument", "order_request", "order_event", "fill")
READ: Final = (*_OF_RUN, "params", "command", "reply", "input", "entry", "transfer")
_ENDED: Final = frozenset(OrderState[n].id for n in ("FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED"))
_BY_HAND: Final = b"hand "  # in the request key of an order by hand
_ORDERED: Final = fields("order_request", "order_id", "size", "flags", "robot")
_NEWS: Final = fields("order_event", "order_id", "venue_id", "size", "state", "robot")
_FILLED: Final = fields("fill", "order_id", "venue_id", "trade_id", "size", "robot")
_TAKEN_OF: Final = fields("input", "first_sequence", "robot")
LOOK_BACK_NS: Final = SECOND  # how far back the market before an order is searched
LINGER_NS: Final = 5 * SECOND  # of an ended order: its last fills and entries may be under way
_RANKS: Final = [
    "command",
    "market",
    "signal",
    "target",
    "request",
    "intent",
    "taken",
    "news",
    "fill",
    "entry",
    "transfer",
    "heard",
    "reply",
]

Key = tuple[int, int]  # robot, order id; (0, -sequence): a fill or a command without an order


class Hop(NamedTuple):
    """One frame. ts: its time, ns UTC; for a robot's request the time of its cause. what: command, market, signal,
    target, request (of the robot), intent (of the gateway), taken (by the gateway), news, fill, entry, transfer,
    heard (by the robot), reply."""

    ts: int
    what: str
    process: str
    journal: str
    seq: int
    data: dict[str, Any]


@dataclass(slots=True, eq=False)
class Chain:
    """The frames of one order, or of a command without one. names: for lookup; run: the journal of its robot's run,
    "": it is by hand."""

    key: Key
    name: str = ""
    robot: str = ""
    run: str = ""
    names: set[str] = field(default_factory=set)
    frames: list[Frame] = field(default_factory=list)
    last: int = 0  # time of its last frame
    is_ended: bool = False
    size: int = 0  # of the order, and its filled part, in units
    filled: int = 0
    unbooked: set[int] = field(default_factory=set)  # fills without an entry

    def add(self, frame: Frame, *names: object) -> None:
        self.frames.append(frame)
        self.names.update(str(each) for each in names if each)
        self.last = max(self.last, frame.time)


class Chains:
    """Folds a gateway's journal: `take` a frame; `ended` returns completed orders."""

    def __init__(self) -> None:
        self.open: dict[Key, Chain] = {}
        self._incarnations: dict[tuple[int, int], tuple[str, str]] = {}  # robot, epoch: its name, its run's journal
        self._robots: dict[str, int] = {}  # by tag
        self._commands: dict[str, Chain] = {}
        self._unanswered: dict[str, Chain] = {}  # commands without an answer
        self._filled: dict[int, Chain] = {}  # by the sequence of a fill without an entry
        self._requested: dict[int, list[Chain]] = {}  # by robot: requests that `input` has not covered
        self._take = {
            EventType.PARAMS.id: self._params,
            EventType.COMMAND.id: self._command,
            EventType.REPLY.id: self._reply,
            EventType.ORDER_REQUEST.id: self._request,
            EventType.ORDER_EVENT.id: self._news,
            EventType.FILL.id: self._fill,
            EventType.INPUT.id: self._input,
            EventType.ENTRY.id: self._entry,
            EventType.TRANSFER.id: self._transfer,
        }

    def take(self, frame: Frame) -> None:
        """Takes a frame of the types in `READ`, in the order of the journal."""
        if (take := self._take.get(frame.type)) is not None:
            take(frame)

    def ended(self, now: int) -> Iterator[Chain]:
        """Yields chains without frames for LINGER_NS, and drops them. now: the tape's time, ns."""
        for chain in [*self.open.values()]:
            if chain.is_ended and not chain.unbooked and chain.last + LINGER_NS < now:
                del self.open[chain.key]
                yield chain
        for id_, chain in [*self._commands.items()]:
            if chain.is_ended and chain.last + LINGER_NS < now:
                del self._commands[id_]
                yield chain

    def rest(self) -> Iterator[Chain]:
        """Yields the remaining chains."""
        yield from self.open.values()
        yield from dict.fromkeys(self._commands.values())  # a transfer's may be a command's, too

    def _of(self, robot: int, order_id: int, sequence: int) -> Chain:
        key = (robot, order_id) if robot else (0, -sequence)
        chain = self.open.get(key)
        if chain is None:
            chain = self.open[key] = Chain(key, is_ended=not robot)
            if not is_by_hand(order_id):
                chain.robot, chain.run = self._incarnations.get((robot, order_id >> EPOCH_BITS), ("", ""))
            self._await_input(chain)
            if not chain.robot:  # no incarnation of its robot has requested it
                chain.robot = next(
                    (name for (number, _), (name, _) in self._incarnations.items() if number == robot), ""
                )
            if chain.robot and order_id & ((1 << EPOCH_BITS) - 1):
                chain.name = client_id_of_order(robot_tag(chain.robot), order_id)
                chain.names.add(chain.name)
        return chain

    def _await_input(self, chain: Chain) -> None:
        """Waits for the robot's next `input` frame, which covers the request."""
        if chain.run and chain not in (waiting := self._requested.setdefault(chain.key[0], [])):
            waiting.append(chain)

    def _params(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        if "robot" in record:
            self._incarnations[record["robot"], record["epoch"]] = record["name"], record.get("journal", "")
            self._robots[robot_tag(record["name"])] = record["robot"]

    def _command(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        if not (name := _command_name(record)):  # a record of the supervisor, without a command
            return
        chain = Chain((0, -frame.sequence), name, is_ended="refused" in record)
        chain.add(frame, chain.name)
        self._commands[chain.name] = chain
        if not chain.is_ended:
            self._unanswered[chain.name] = chain

    def _reply(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        if "order" in record:
            self._of(record["robot"], record["order"], frame.sequence).add(frame)
            return
        command = self._commands.get(_command_name(record))
        if command is None:
            return
        self._unanswered.pop(command.name, None)
        command.add(frame)
        command.is_ended = True
        result = record.get("result")
        orders = result.get("orders") if isinstance(result, dict) else None
        for each in orders if isinstance(orders, list) else ():
            named = parse_client_id(str(each.get("client_id"))) if isinstance(each, dict) else None
            if named is not None:
                key = self._robots.get(named.tag, 0), named.order_id
                if (chain := self.open.get(key)) is not None:
                    self._caused(chain, command)

    @staticmethod
    def _caused(chain: Chain, command: Chain) -> None:
        """Attaches a command's frames to its order."""
        for frame in command.frames:
            if frame not in chain.frames:
                chain.add(frame, *command.names)

    def _request(self, frame: Frame) -> None:
        order_id, size, flags, robot = _ORDERED.unpack_from(frame.payload)
        chain = self._of(robot, order_id, frame.sequence)
        chain.add(frame)
        chain.size = chain.size or size
        chain.is_ended |= bool(flags & DENIED_FLAG)
        self._await_input(chain)
        if _BY_HAND in frame.payload[REQUEST.size :] and self._unanswered:
            self._caused(chain, self._unanswered[next(reversed(self._unanswered))])

    def _news(self, frame: Frame) -> None:
        order_id, venue, size, state, robot = _NEWS.unpack_from(frame.payload)
        chain = self._of(robot, order_id, frame.sequence)
        chain.add(frame, venue)
        chain.size = size or chain.size
        chain.is_ended = state in _ENDED

    def _fill(self, frame: Frame) -> None:
        order_id, venue, trade, size, robot = _FILLED.unpack_from(frame.payload)
        chain = self._of(robot, order_id, frame.sequence)
        chain.add(frame, venue, trade)
        chain.filled += size
        chain.is_ended |= 0 < chain.size <= chain.filled  # no event reports this end
        chain.unbooked.add(frame.sequence)
        self._filled[frame.sequence] = chain

    def _input(self, frame: Frame) -> None:
        for chain in self._requested.pop(_TAKEN_OF.unpack(frame.payload)[1], ()):
            chain.add(frame)

    def _entry(self, frame: Frame) -> None:
        entry = unpack(frame.payload)
        chain = self._filled.pop(entry.of, None) if entry.of else self._commands.get(entry.reference.partition("/")[0])
        if chain is not None:
            chain.unbooked.discard(entry.of)
            chain.add(frame)

    def _transfer(self, frame: Frame) -> None:
        """Attaches a transfer to the command running at its beginning; it continues after the answer."""
        name = str(msgspec.msgpack.decode(frame.payload)["id"])
        if name not in self._commands:
            unanswered = self._unanswered.values()
            self._commands[name] = next(reversed(unanswered), None) or Chain((0, -frame.sequence), name)
        self._commands[name].add(frame, name)


class Tape:
    """Reads one journal, and formats its frames."""

    def __init__(self, path: Path) -> None:
        self.reader = JournalReader(path)
        self.journal, self.process = self.reader.uuid.hex, self.reader.process or path.parent.name
        self._words = FrameWords(self.reader)

    def frames(self, types: Iterable[str], *, until: int = 0) -> Iterator[Frame]:
        """Yields new frames, as far as they are there; learns instruments on the way."""
        for frame in self.reader.frames(types, **({"time_until": until} if until else {})):
            if frame.type == EventType.INSTRUMENT.id:
                self.reader.instruments[frame.stream] = self.reader.schemas.of(frame.type).decode(frame.payload)
            yield frame

    def symbol(self, frame: Frame) -> str:
        return str(self.reader.instruments.get(frame.stream, {}).get("symbol", ""))

    def hop(self, what: str, frame: Frame) -> Hop:
        schema = self.reader.schemas.of(frame.type)
        record = Record(schema.name, *frame[1:5], schema.decode(frame.payload))
        data = self._words.of(record)
        if frame.type == EventType.ENTRY.id:
            data["legs"] = [
                (each.holder, each.currency, money_text(each.amount)) for each in unpack(frame.payload).legs
            ]
        return Hop(frame.time, what, self.process, self.journal, frame.sequence, data)


def _command_name(record: Mapping[str, Any]) -> str:
    """Returns the id of a command, or of an operation of the control plane."""
    return str(record.get("id") or record.get("operation") or "")


class Home:
    """The journals of a home, each opened once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tapes: dict[Path, Tape] = {}

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        for tape in self._tapes.values():
            tape.reader.close()

    def tape(self, path: Path) -> Tape | None:
        """Returns a tape; None: there is none, or it is being created."""
        if path not in self._tapes:
            try:
                made = Tape(path)
            except OnetapeError:
                return None
            self._tapes[path] = made
        return self._tapes[path]

    def tapes(self, begins: str = "") -> Iterator[Tape]:
        for path in sorted((self.folder / "journal").glob(f"{begins}*")):
            is_exchange = path.name.startswith("venue-")  # which stores its state in one
            if not is_exchange and is_tape(path) and (tape := self.tape(path)) is not None:
                yield tape

    def hops(self, tape: Tape, chain: Chain) -> list[Hop]:
        """Returns a chain of the gateway's journal `tape`, with the frames of its robot's run and of the market, in
        time order."""
        found = [*self._decided(tape, chain)]
        for frame in chain.frames:
            what = _WORDS.get(frame.type, "")
            if frame.type == EventType.REPLY.id and "status" not in msgspec.msgpack.decode(frame.payload):
                what = "news"  # the reason that comes with it
            found.append(tape.hop(what, frame))
        return sorted(found, key=lambda hop: (hop.ts, _RANKS.index(hop.what), hop.seq))

    def _decided(self, gateway: Tape, chain: Chain) -> Iterator[Hop]:
        """Yields the causes of a robot's order, and the reports that the robot received."""
        taken = next((_TAKEN_OF.unpack(each.payload) for each in chain.frames if each.type == _INPUT), None)
        run = self.tape(Path(chain.run)) if chain.run and taken is not None else None
        if run is None or taken is None:
            return
        run.process = f"robot:{chain.robot}"  # not of the class
        request: Frame | None = None
        run.reader.seek_sequence(taken[0])
        for frame in run.frames(_OF_RUN, until=chain.last + LINGER_NS):
            if frame.type in _ORDER_ID and _ORDER_ID[frame.type].unpack_from(frame.payload)[0] == chain.key[1]:
                is_request = frame.type == _REQUEST
                request = request or (frame if is_request else None)
                yield run.hop("request" if is_request else "heard", frame)
        if request is None:
            return
        yield from self._before(gateway, run, request)
        more = request.payload[REQUEST.size :]
        ids = msgspec.msgpack.decode(more) if more else {}
        if "signal" in ids or "target" in ids:
            run.reader.seek_sequence(0)
            for frame in run.frames(("instrument", "signal", "target"), until=request.time + 1):
                what = _WORDS.get(frame.type, "")
                if what in ids and msgspec.msgpack.decode(frame.payload)["id"] == ids[what]:
                    yield run.hop(what, frame)

    def _before(self, gateway: Tape, run: Tape, request: Frame) -> Iterator[Hop]:
        """Yields the last market frame of its symbol that the robot had read, whose time a request has if it was its
        cause."""
        symbol = run.symbol(request)
        for tape in (*self.tapes("hub"), gateway):
            tape.reader.seek_time(request.time - LOOK_BACK_NS)
            there = {schema.name for schema in tape.reader.schemas.by_id.values()}
            found = None
            for frame in tape.frames(("instrument", *there.intersection(_MARKET)), until=request.time + 1):
                if frame.type != EventType.INSTRUMENT.id and tape.symbol(frame) == symbol:
                    found = frame
            if found is not None:
                yield tape.hop("market", found)
                return


def trace(folder: Path, name: str) -> list[dict[str, Any]]:
    """Returns the chains that contain a name: the id of an operation, a command or a transfer, an order's client or
    venue id, a trade's, or a frame as JOURNAL:SEQUENCE. Raises BadInput if no journal of the home has it."""
    found = []
    with Home(folder) as home:
        for tape in home.tapes():
            is_gateway = tape.reader.path.name.startswith(GATEWAYS)
            chains = [*_named(tape, name, READ if is_gateway else ("command", "reply"))]
            if any(each.key[0] for each in chains):  # the chains of its orders contain the command
                chains = [each for each in chains if each.key[0]]
            found += [shown_chain(tape, each, home.hops(tape, each)) for each in chains]
    if not found:
        raise BadInput(
            f"no journal of {folder} has {name[:80]!r}",
            location="onetape trace",
            todo="give the id of a command, an order or a trade, or JOURNAL:SEQUENCE",
        )
    return sorted(found, key=lambda each: int(each["hops"][0]["ts"]))


def _named(tape: Tape, name: str, types: Iterable[str]) -> Iterator[Chain]:
    process, _, number = name.rpartition(":")
    sequence = int(number) if number.isdigit() and process in (tape.process, tape.journal) else 0

    def is_meant(chain: Chain) -> bool:
        is_named = any(
            each == name or each.startswith(f"{name}.") for each in chain.names
        )  # an operation's: ID.1, ID.2
        return is_named or any(each.sequence == sequence for each in chain.frames)

    fold = Chains()
    for count, frame in enumerate(tape.frames(types), 1):
        fold.take(frame)
        if count % LOOK_FRAMES == 0:
            yield from filter(is_meant, fold.ended(frame.time))
    yield from filter(is_meant, fold.rest())


def shown_chain(tape: Tape, chain: Chain, hops: list[Hop]) -> dict[str, Any]:
    """Returns a chain as JSON values. tape: its gateway's; after_ns: since the hop before."""
    times = [hops[0].ts, *(hop.ts for hop in hops)]
    shown = [{**hop._asdict(), "after_ns": hop.ts - before} for hop, before in zip(hops, times, strict=False)]
    symbol = next((hop.data["symbol"] for hop in hops if hop.data.get("symbol")), "")
    head = {"id": chain.name, "account": tape.reader.account, "robot": chain.robot, "symbol": symbol}
    return {
        **head,
        "process": tape.process,
        "journal": tape.journal,
        "names": sorted(chain.names),
        "order": list(chain.key),
        "hops": shown,
        "rows": [],
    }


def add_rows(records: Records, chains: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds the resulting rows of records: table, and the row."""
    for chain in chains:
        robot, order_id = chain["order"]
        hops = chain["hops"]
        for table, column, whats in _TABLES:
            made = metadata.tables[table]
            seqs = {hop["seq"] for hop in hops if hop["what"] in whats}
            wanted: sa.ColumnElement[bool] = made.c[column].in_(seqs)
            if column == "order_id":
                wanted = sa.and_(made.c.robot == robot, made.c.order_id == order_id)
            journals = {hop["journal"] for hop in hops}
            rows = records.rows(sa.select(made).where(made.c.journal.in_(journals), wanted))
            chain["rows"] += [{"table": table, **row} for row in rows]
    return chains


_REQUEST, _INPUT = EventType.ORDER_REQUEST.id, EventType.INPUT.id
_ORDER_ID: Final = {
    event.id: fields(event, "order_id") for event in (EventType.ORDER_REQUEST, EventType.ORDER_EVENT, EventType.FILL)
}
_MARKET: Final = ("quote", "trade", "book", "bar", "mark", "funding")
LOOK_FRAMES: Final = 10_000  # frames, after which ended chains are dropped
_WORDS: Final = {
    EventType.COMMAND.id: "command",
    EventType.SIGNAL.id: "signal",
    EventType.TARGET.id: "target",
    _REQUEST: "intent",
    _INPUT: "taken",
    EventType.ORDER_EVENT.id: "news",
    EventType.FILL.id: "fill",
    EventType.ENTRY.id: "entry",
    EventType.TRANSFER.id: "transfer",
    EventType.REPLY.id: "reply",
}
_TABLES: Final = (
    ("record_orders", "order_id", ()),
    ("record_fills", "seq", ("fill",)),
    ("record_income", "seq", ("entry",)),
    ("record_trips", "seq", ("fill",)),
)
