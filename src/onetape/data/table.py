"""Tables of quotes, trades or bars into a tape: `csv` files and what data frames become.

Two passes over the input: the first finds decimals, order and the bars' period, the second
writes. Rows are put in order of time, whatever their order in the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from onetape import _core
from onetape.data.columns import (
    TableShape,
    find_separator,
    parse_columns,
    settle_shape,
    split_header,
)
from onetape.data.instruments import Numbers, fitted, known_instrument
from onetape.data.outcome import Outcome, SinkFactory
from onetape.data.source import OnRead
from onetape.data.zone_table import zone_table
from onetape.model.errors import BadInput, UsageError
from onetape.model.instrument import Instrument

DRAIN_ROWS: Final = 1 << 16
HEAD_BYTES: Final = 1 << 20


class TableSource(Protocol):
    """A stream of lines that can be read twice: a file, or a data frame."""

    @property
    def name(self) -> str: ...

    def chunks(self, on_read: OnRead | None = None) -> Iterable[bytes]: ...

    def head(self, size: int = ...) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the user said about the tables."""

    zone: str = "UTC"
    columns: str | Sequence[str] | None = None
    period_ns: int = 0  # 0: the most frequent step
    time_is_close: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    source: TableSource
    index: int
    shape: TableShape
    separator: str
    skip_lines: int


@dataclass(frozen=True, slots=True)
class _Facts:
    numbers: Numbers
    rows: int
    first: int
    last: int
    ascending: bool
    descending: bool
    steps: dict[int, int]


class TableImporter:
    """One import of one instrument's tables."""

    def __init__(
        self,
        sources: Sequence[TableSource],
        symbol: str,
        *,
        options: TableOptions,
        given: dict[str, Instrument],
        sort_directory: str,
        on_read: OnRead,
    ) -> None:
        self._symbol = symbol
        self._options = options
        self._given = given
        self._sort_directory = sort_directory
        self._on_read = on_read
        self._zone = list(zone_table(options.zone))
        self._plans = [self._plan(source, index) for index, source in enumerate(sources)]

    @property
    def source_names(self) -> list[str]:
        """By the index that rejects carry."""
        return [plan.source.name for plan in self._plans]

    def run(self, sink_at: SinkFactory) -> Outcome:
        """Measure, settle instrument and order, write."""
        facts = [self._measure(plan) for plan in self._plans]
        numbers = facts[0].numbers
        for one in facts[1:]:
            numbers = numbers | one.numbers
        began = min(min(one.first, one.last) for one in facts)
        known = known_instrument(self._symbol, self._given, began)
        instrument = fitted(self._symbol, known, numbers)
        periods = [
            self._period(plan, one) if plan.shape.kind == "bars" else 0
            for plan, one in zip(self._plans, facts, strict=True)
        ]
        sink, rejects = sink_at()
        sink.instrument(1, instrument.to_msgpack())
        in_order = self._in_order(facts, periods)
        table = _core.TableImport(
            sink, stream=1, sort_directory="" if in_order else self._sort_directory
        )
        snapped = 0
        for plan, one, period in zip(self._plans, facts, periods, strict=True):
            self._begin(
                table,
                plan,
                period_ns=period,
                instrument=instrument,
                reversed_=one.descending and not one.ascending,
            )
            for chunk in plan.source.chunks(self._on_read):
                self._check(table.feed(chunk), table, sink)
                rejects.add(table.take_rejects())
            self._check(table.end_source(), table, sink)
            rejects.add(table.take_rejects())
            snapped += table.snapped
        while self._check(table.drain(DRAIN_ROWS), table, sink):
            rejects.add(table.take_rejects())
        rejects.add(table.take_rejects())
        if not sink.counts()[0]:
            raise BadInput("no row could be read", where=rejects.first or self.source_names[0])
        ignored = {f"column {name}": 1 for plan in self._plans for name in plan.shape.ignored}
        return Outcome([instrument], rejected=table.rejected, snapped=snapped, ignored=ignored)

    # The parts

    def _plan(self, source: TableSource, index: int) -> _Plan:
        head = source.head(HEAD_BYTES)
        first = next((line for line in head.split(b"\n") if line.strip()), b"")
        text = first.decode("utf-8", "replace").strip("\r").lstrip("\ufeff")
        if not text.strip():
            raise BadInput("is empty", where=source.name)
        if "\0" in text:
            raise BadInput("is no text", where=source.name, todo="look at its KIND")
        separator = find_separator(text)
        cells = split_header(text, separator)
        skipped = head[: head.index(first)].count(b"\n")
        if self._options.columns is not None:
            shape = settle_shape(
                parse_columns(self._options.columns), where="--columns", given=True
            )
            if len(cells) < shape.fields:
                raise UsageError(
                    f"names {shape.fields} columns, and the rows have {len(cells)}",
                    where="--columns",
                )
            shape = replace(shape, fields=len(cells))
            has_header = not self._is_time(cells, shape.columns["ts_event"])
        else:
            shape = settle_shape(cells, where=source.name, given=False)
            has_header = True
        return _Plan(source, index, shape, separator, skipped + has_header)

    def _is_time(self, cells: list[str], place: int) -> bool:
        return place < len(cells) and isinstance(_core.parse_time_text(cells[place]), int)

    def _measure(self, plan: _Plan) -> _Facts:
        probe = _core.TableImport(None)
        self._begin(probe, plan, measuring=True)
        first = ""
        for chunk in plan.source.chunks(self._on_read):
            probe.feed(chunk)
            first = first or _shown(probe.take_rejects())
        probe.end_source()
        first = first or _shown(probe.take_rejects())
        price, size, volume, *rest = probe.facts()
        numbers = Numbers(price, size, volume=volume)
        facts = _Facts(numbers, *rest)
        if not facts.rows:
            raise BadInput(
                f"no row could be read: {first}" if first else "has a header and no rows",
                where=plan.source.name,
            )
        return facts

    def _period(self, plan: _Plan, facts: _Facts) -> int:
        if self._options.period_ns:
            return self._options.period_ns
        if not (facts.ascending or facts.descending):
            raise UsageError(
                "rows are in no order, so the bars' period cannot be told",
                where=plan.source.name,
                todo="give --period",
            )
        if not facts.steps:
            raise UsageError(
                "a single bar does not say its period", where=plan.source.name, todo="give --period"
            )
        # The most frequent; of equals the shortest.
        return min(facts.steps.items(), key=lambda item: (-item[1], item[0]))[0]

    def _in_order(self, facts: list[_Facts], periods: list[int]) -> bool:
        last = None
        for plan, one, period in zip(self._plans, facts, periods, strict=True):
            is_bars = plan.shape.kind == "bars"
            if not one.ascending or (is_bars and "ts_recv" in plan.shape.columns):
                return False
            shift = 0 if self._options.time_is_close else period
            if last is not None and one.first + shift < last:
                return False
            last = one.last + shift
        return True

    def _begin(
        self,
        table: _core.TableImport,
        plan: _Plan,
        *,
        period_ns: int = 0,
        instrument: Instrument | None = None,
        measuring: bool = False,
        reversed_: bool = False,
    ) -> None:
        table.begin_source(
            kind=plan.shape.kind,
            columns=plan.shape.columns,
            fields=plan.shape.fields,
            separator=plan.separator,
            skip_lines=plan.skip_lines,
            zone=self._zone,
            period_ns=period_ns,
            time_is_close=self._options.time_is_close,
            source=plan.index,
            price_decimals=instrument.price_decimals if instrument else 0,
            size_decimals=instrument.size_decimals if instrument else 0,
            measuring=measuring,
            reversed=reversed_,
        )

    def _check(self, status: str, table: _core.TableImport, sink: _core.TapeSink) -> bool:
        """True while there is more. Raises what stopped it."""
        if status in {"ok", "not_found"}:
            return status == "ok"
        sink.check()
        table.check()
        raise BadInput(f"rows could not be written: {status}")


def _shown(rejects: list[tuple[int, int, bytes, bytes]]) -> str:
    if not rejects:
        return ""
    _, line, reason, text = rejects[0]
    shown = ascii(text.decode("utf-8", "replace")[:80])
    return f"line {line}: {reason.decode()}: {shown}"
