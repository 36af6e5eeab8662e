"""Import tables into a tape: rows of quotes, trades, bars, marks, funding, books, of one or more symbols.

Two passes over the input: the first finds decimals, order and the bars' period, the second
writes. Rows are put in order of time, whatever their order in the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field, replace
from typing import Final

from onetape import _core
from onetape.data.bar_clock import BarClock, BarFacts, bar_clock, usual_step
from onetape.data.importer import Outcome, SinkFactory
from onetape.data.instruments import NOTHING, Numbers, find_instrument, fitted
from onetape.data.layout import Layout, Planner, TableOptions, TableSource
from onetape.data.naming import Naming, parse_naming
from onetape.data.raw_names import RawNames
from onetape.data.refused_row import refused_row
from onetape.data.rejects import Reject, RejectFile
from onetape.data.source import OnRead
from onetape.data.symbol_column import named, symbol_rows
from onetape.data.zone_table import zone_table
from onetape.model.errors import BadInput, UsageError
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, format_duration

DRAIN_ROWS: Final = 1 << 16
ZERO_IS_NO_TIME: Final = 10**17  # ns, 1973: in a file whose times are later than this, a time of 0 is unknown
STEPS_SURE: Final = 4  # number of equal steps of one symbol's bars that establish a period of its own

# Called with the interpretation of each table, before anything is written.
OnUnderstood = Callable[[list[dict[str, object]]], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    source: TableSource
    index: int
    layout: Layout
    stream: int  # index in the naming; 0 if the rows name their instruments


@dataclass(frozen=True, slots=True)
class _Facts:
    numbers: list[Numbers]  # by stream
    streams: tuple[int, ...]  # those with rows
    bars: BarFacts
    rows: int
    first: int
    last: int
    ascending: bool
    descending: bool
    steps: dict[int, int]


_NO_CLOCK: Final = BarClock()
_REPEATED: Final = frozenset({"trades", "quotes", "liquidations", "orders"})  # kinds that keep equal rows


@dataclass(slots=True)
class _WithTexts:
    """Passes rejects on to the file; those that come without their row's text are passed on at the end."""

    file: RejectFile
    _bare: dict[tuple[int, int], bytes] = field(default_factory=dict)  # (source, line) -> reason

    def add(self, rejects: list[Reject]) -> None:
        self.file.add([each for each in rejects if each[3]])
        self._bare.update({(source, line): reason for source, line, reason, text in rejects if not text})

    def without_text(self, source: int) -> list[int]:
        return sorted(line for of, line in self._bare if of == source)

    def fill(self, found: list[Reject]) -> None:
        self.file.add([(source, line, self._bare.pop((source, line)), text) for source, line, _, text in found])

    def write(self) -> None:
        self.file.add([(source, line, reason, b"") for (source, line), reason in sorted(self._bare.items())])


@dataclass(slots=True)
class TableImporter:
    """Imports tables. venue_names: the raw names are the venue's own, as in the catalogue. instruments: the user's,
    which override the catalogue's."""

    sources: InitVar[Sequence[TableSource]]
    planner: InitVar[Planner]
    naming: Naming
    options: TableOptions
    instruments: dict[str, Instrument]
    on_read: OnRead
    sort_directory: str
    venue_names: bool = False
    skip_empty: bool = False
    on_understood: OnUnderstood | None = None
    _zone: list[tuple[int, int]] = field(init=False)
    _ignored: Counter[str] = field(init=False, default_factory=Counter)
    _raws: RawNames = field(init=False)
    _names: list[str] = field(init=False, default_factory=list)
    _plans: list[_Plan] = field(init=False)

    def __post_init__(self, sources: Sequence[TableSource], planner: Planner) -> None:
        self._zone = list(zone_table(self.options.zone or "UTC"))
        self._raws = RawNames(self.naming)
        self._plans = self._planned(sources, planner)

    @property
    def source_names(self) -> list[str]:
        """Returns the sources' names; the source index of a reject is an index into this list."""
        return self._names

    @property
    def shapes(self) -> list[tuple[str, str, int]]:
        """Returns facts that come from the sources' names, not from their content: part of a tape's identity."""
        return [(p.layout.kind, p.layout.raw, p.layout.period_ns) for p in self._plans]

    def run(self, sink_at: SinkFactory) -> Outcome:
        """Import into an empty tape: measure the sources, find instruments and order, write."""
        plans = self._measured()
        if self.naming.by_rows and self._named_by_rows():
            plans = self._measured()
        self._raws.check(self._names[0])
        if not plans:
            raise BadInput("no file has a row", location=", ".join(self._names[:5]))
        clocks = [self._clock(plan, facts) for plan, facts in plans]
        instruments = self._instruments([facts for _, facts in plans])
        understood = self._understood(plans, clocks, instruments)
        if self.on_understood is not None:
            self.on_understood(understood)
        sink, rejects = sink_at()
        for stream, instrument in enumerate(instruments, 1):
            sink.instrument(stream, instrument.to_msgpack())
        in_order = self._in_order(plans, clocks)
        table = _core.TableImport(
            sink,
            streams=[
                (raw, stream, instrument.price_decimals, instrument.size_decimals)
                for stream, ((raw, _), instrument) in enumerate(zip(self.naming.pairs, instruments, strict=True), 1)
            ],
            sort_directory="" if in_order else self.sort_directory,
        )
        snapped = 0
        shown = _WithTexts(rejects)
        for (plan, facts), clock in zip(plans, clocks, strict=True):
            newest_first = facts.descending and not facts.ascending
            is_later = max(facts.first, facts.last) >= ZERO_IS_NO_TIME
            self._begin(table, plan, clock=clock, reversed_=newest_first, refuses_zero_time=is_later)
            for chunk in plan.source.chunks(self.on_read):
                self._check(table.feed(chunk), table, sink)
                shown.add(table.take_rejects())
            self._check(table.end_source(), table, sink)
            shown.add(table.take_rejects())
            snapped += table.snapped
        while self._check(table.drain(DRAIN_ROWS), table, sink):
            shown.add(table.take_rejects())
        shown.add(table.take_rejects())
        self._show(shown, plans)
        if not sink.counts()[0]:
            raise self._nothing_read(rejects.first)
        return Outcome(
            instruments,
            rejected=table.rejected,
            unsynced=table.unsynced,
            snapped=snapped,
            ignored=self._all_ignored(table.passed_over),
            notes=[*dict.fromkeys(plan.layout.note for plan, _ in plans if plan.layout.note), *_overlaps(plans)],
            understood=understood,
        )

    # The parts

    def _planned(self, sources: Sequence[TableSource], planner: Planner) -> list[_Plan]:
        plans: list[_Plan] = []
        for source in sources:
            planned = planner(source, self.options)
            layout = planned.layout
            if layout is None:
                self._ignored[planned.why] += 1
                continue
            stream = self._raws.stream_of(layout, planned.source.name)
            if stream is None:
                continue
            plans.append(_Plan(planned.source, len(plans), layout, stream))
            self._names.append(planned.source.name)
            if self.naming.is_needed and not (layout.raw or "symbol" in layout.columns):
                parse_naming(None)
        if not plans:
            self._raws.check(sources[0].name)
            raise BadInput(
                "no file has data that this kind of import reads", location=", ".join(s.name for s in sources[:5])
            )
        return plans

    def _measured(self) -> list[tuple[_Plan, _Facts]]:
        measured = [(plan, self._measure(plan)) for plan in self._plans]
        return [(plan, facts) for plan, facts in measured if facts is not None]

    def _named_by_rows(self) -> bool:
        """Find the instruments by the names in the rows; returns True if there are several, which must be measured
        separately."""
        plans = [plan for plan in self._plans if "symbol" in plan.layout.columns]
        names = set(self._raws.seen)
        if self._raws.others:  # other names in the rows
            for plan in plans:
                names |= symbol_rows(plan.source, plan.layout, self._zone, with_steps=False).keys()
        if not names or (len(names) == 1 and self.naming.is_chosen):
            return False
        self.naming = named(names, self.naming, location=self._names[0])
        self._raws = RawNames(self.naming)
        for plan in self._plans:
            self._raws.stream_of(plan.layout, plan.source.name)
        return len(names) > 1

    def _understood(
        self, plans: list[tuple[_Plan, _Facts]], clocks: list[BarClock], instruments: list[Instrument]
    ) -> list[dict[str, object]]:
        return [
            {
                "source": plan.source.name,
                "kind": plan.layout.kind,
                "rows": facts.rows,
                "symbols": [instruments[stream].symbol for stream in facts.streams],
                "first_ts": min(facts.first, facts.last),
                "last_ts": max(facts.first, facts.last),
                "period_ns": clock.period_ns,
                **plan.layout.said,
            }
            for (plan, facts), clock in zip(plans, clocks, strict=True)
        ]

    def _measure(self, plan: _Plan) -> _Facts | None:
        """Returns the measures of a source; None: it has no rows, but other files do, or it has none of the requested
        symbols."""
        streams = [(raw, i, 0, 0) for i, (raw, _) in enumerate(self.naming.pairs, 1)]
        probe = _core.TableImport(None, streams=streams)
        self._begin(probe, plan, measuring=True)
        first: Reject | None = None
        for chunk in plan.source.chunks(self.on_read):
            probe.feed(chunk)
            first = first or next(iter(probe.take_rejects()), None)
        probe.end_source()
        first = first or next(iter(probe.take_rejects()), None)
        unmapped = probe.unmapped
        self._raws.add_others(unmapped)
        numbers, seen = [], []
        for index in range(len(streams)):
            raw, price, size, reference, volume = probe.numbers(index)
            self._raws.add(index, raw)
            numbers.append(Numbers(price, size, reference, volume))
            if raw:
                seen.append(index)
        bars = BarFacts(*probe.bar_facts())
        facts = _Facts(numbers, tuple(seen) or (plan.stream,), bars, *probe.facts())
        if facts.rows:
            return facts
        if (self.skip_empty and not first and len(self._plans) > 1) or unmapped:
            if not unmapped:
                self._ignored["file without rows"] += 1
            return None
        if first is None:
            raise BadInput("the file has a header and no rows", location=plan.source.name)
        raise self._nothing_read(first)

    def _nothing_read(self, first: Reject | None) -> BadInput:
        """Returns the error for a table whose rows were all refused, with the reason of the first one."""
        if first is None:
            return BadInput("no row could be read", location=self.source_names[0])
        plan = self._plans[first[0]]
        todo = "remove the separators, or say --decimal comma" if b"decimal comma" in first[2] else ""
        return BadInput(
            f"no row could be read: {refused_row(first, plan.layout)}", location=plan.source.name, todo=todo
        )

    def _instruments(self, facts: list[_Facts]) -> list[Instrument]:
        began = min(min(one.first, one.last) for one in facts)
        instruments = []
        for index, symbol in enumerate(self.naming.symbols):
            numbers = Numbers(NOTHING, NOTHING)
            for one in facts:
                numbers = numbers | one.numbers[index]
            listed = find_instrument(symbol, self.instruments, began)
            if self.venue_names:
                self._raws.check_venue(index, listed, self._names[0])
            instruments.append(fitted(symbol, listed, numbers))
        return instruments

    def _clock(self, plan: _Plan, facts: _Facts) -> BarClock:
        """Returns when the source's bars end."""
        layout = plan.layout
        if layout.kind not in {"bars", "marks"} or not facts.bars.head:
            return BarClock(self._period(plan, facts))
        period = self._period(plan, facts) if layout.has_period else usual_step(facts.steps, facts.bars.shifts)
        is_by_symbol = "symbol" in layout.columns
        clock = bar_clock(
            facts.bars,
            period,
            self._zone,
            rows=facts.rows,
            is_period_chosen=bool(self.options.period_ns or layout.period_ns),
            is_ascending=facts.ascending,
        )
        if not layout.has_period and (clock.months or not clock.by_zone):
            return BarClock()  # the rows have the times at which bars end
        is_in_order = facts.ascending or facts.descending
        return clock if is_in_order and not is_by_symbol else replace(clock, starts=())

    def _period(self, plan: _Plan, facts: _Facts) -> int:
        layout = plan.layout
        if layout.kind == "funding":
            # Venues stamp a settlement some milliseconds after the hour.
            steps: Counter[int] = Counter()
            for step, count in facts.steps.items():
                steps[(step + MINUTE // 2) // MINUTE * MINUTE] += count
            return usual_step(steps)
        if not layout.has_period:
            return 0
        if self.options.period_ns or layout.period_ns:
            return self.options.period_ns or layout.period_ns
        if len(self.naming.pairs) > 1 and "symbol" in layout.columns and layout.form == "lines":
            return self._period_of_symbols(plan)
        if not (facts.ascending or facts.descending):
            raise UsageError(
                "the rows are not in order of time, so the period of the bars is not known",
                location=plan.source.name,
                todo="give --period, as --period 1m",
            )
        if not facts.steps:
            raise UsageError(
                "the file has one bar alone, so its period is not known",
                location=plan.source.name,
                todo="give --period, as --period 1m",
            )
        return usual_step(facts.steps, facts.bars.shifts)

    def _period_of_symbols(self, plan: _Plan) -> int:
        """Returns the common period of all symbols, each from its own rows."""
        raws = frozenset(raw for raw, _ in self.naming.pairs)
        steps = symbol_rows(plan.source, plan.layout, self._zone, with_steps=True, only=raws)
        period = usual_step(sum(steps.values(), Counter[int]()))
        if not period:
            raise UsageError(
                "the file has one bar of each symbol, so their period is not known",
                location=plan.source.name,
                todo="give --period, as --period 1m",
            )
        for name, found in steps.items():
            own = usual_step(found)
            # Rarely traded symbols have longer steps, too, but hardly equal ones.
            if period not in found and found[own] >= max(STEPS_SURE, found.total() / 2):
                raise BadInput(
                    f"the file has bars of several periods: most of {format_duration(period)}, "
                    f"those of {name[:40]} of {format_duration(own)}",
                    location=plan.source.name,
                    todo=f"give --period, or import them one after the other: --symbol {name[:40]}=venue:NAME",
                )
        return period

    def _in_order(self, plans: list[tuple[_Plan, _Facts]], clocks: list[BarClock]) -> bool:
        last = None
        for (plan, one), clock in zip(plans, clocks, strict=True):
            layout = plan.layout
            if not one.ascending or (layout.kind == "bars" and "ts_recv" in layout.columns):
                return False
            if len(plans) > 1 and (clock.by_zone or clock.months):
                return False  # the last bar may be longer than the others
            shift = 0 if self.options.time_is_close or not layout.has_period else clock.period_ns
            if last is not None and one.first + shift < last:
                return False
            last = one.last + shift
        return True

    def _begin(
        self,
        table: _core.TableImport,
        plan: _Plan,
        *,
        clock: BarClock = _NO_CLOCK,
        measuring: bool = False,
        reversed_: bool = False,
        refuses_zero_time: bool = False,
        wanted: Sequence[int] = (),
    ) -> None:
        layout = plan.layout
        if layout.form == "hft":
            table.begin_hft(stream=plan.stream, source=plan.index, measuring=measuring)
            return
        # The first pass reads the stamps of bars unchanged, to find the steps between them.
        table.begin_source(
            kind=layout.kind,
            form=layout.form,
            columns=layout.columns,
            blank=list(layout.blank),
            keys=list(layout.keys),
            levels=list(layout.levels),
            fields=layout.fields,
            separator=layout.separator,
            skip_lines=layout.skip_lines,
            zone=clock.zone or self._zone,
            period_ns=clock.period_ns,
            by_zone=clock.by_zone,
            months=clock.months,
            starts=list(clock.starts),
            wanted=list(wanted),
            time_is_close=self.options.time_is_close,
            implied_decimals=layout.implied_decimals,
            stream=plan.stream,
            source=plan.index,
            measuring=measuring,
            reversed=reversed_,
            refuses_zero_time=refuses_zero_time,
        )

    def _show(self, rejects: _WithTexts, plans: list[tuple[_Plan, _Facts]]) -> None:
        """Read rows that were refused after sorting once more, for their text."""
        for plan, _ in plans:
            if not (lines := rejects.without_text(plan.index)):
                continue
            probe = _core.TableImport(None, streams=[("", 1, 0, 0)])
            self._begin(probe, replace(plan, stream=0), wanted=lines)
            for chunk in plan.source.chunks():
                probe.feed(chunk)
                rejects.fill(probe.take_rejects())
            probe.end_source()
            rejects.fill(probe.take_rejects())
        rejects.write()

    def _all_ignored(self, passed_over: dict[str, int]) -> dict[str, int]:
        ignored = Counter(self._ignored)
        for plan in self._plans:
            # A column is listed once, even if several files have it.
            ignored.update({f"column {name}": 1 for name in plan.layout.ignored if f"column {name}" not in ignored})
        ignored.update({f"symbol {raw}": count for raw, count in self._raws.others.items()})
        ignored.update(passed_over)
        return dict(ignored)

    def _check(self, status: str, table: _core.TableImport, sink: _core.TapeSink) -> bool:
        """Returns True while there is more. Raises the error that stopped it."""
        if status in {"ok", "not_found"}:
            return status == "ok"
        sink.check()
        table.check()
        raise BadInput(f"rows could not be written: {status}")


def _overlaps(plans: Sequence[tuple[_Plan, _Facts]]) -> list[str]:
    """Returns warnings of files of one kind and instrument whose times overlap, because rows may be in both. Repeated
    bars and funding are rejected."""
    last: dict[tuple[str, tuple[int, ...]], tuple[int, str]] = {}
    notes = []
    for plan, facts in sorted(plans, key=lambda each: min(each[1].first, each[1].last)):
        key = (plan.layout.kind, facts.streams)
        before = last.get(key)
        if plan.layout.kind in _REPEATED and before is not None and min(facts.first, facts.last) < before[0]:
            notes.append(f"{before[1]} and {plan.source.name} overlap in time: rows that both have are there twice")
        end = (max(facts.first, facts.last), plan.source.name)
        last[key] = end if before is None else max(before, end)
    return notes
