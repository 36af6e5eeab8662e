"""List the assumptions behind a run's result, and the bias of each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from onetape.data.quality.conflation import Conflation
from onetape.engine.plan import AT_LIMIT, RunPlan
from onetape.engine.queue_model import AUTO, CONSERVATIVE
from onetape.engine.session import Session
from onetape.model.decimals import decimal_text
from onetape.model.enums import EventType
from onetape.model.instrument import Instrument, Kind
from onetape.model.symbol import at_exchange
from onetape.model.time import format_duration, format_time
from onetape.report.report_data import Assumption
from onetape.runs.depth_lines import depth_lines, measured_depth
from onetape.runs.impact_lines import impact_lines
from onetape.runs.venue_lines import defaulted_of, fee_lines, liquidation_lines, percent, venue_lines
from onetape.runs.venue_results import account_lines, latency_lines
from onetape.tape.schema import built_in

__all__ = ["ambiguous_bars", "assumptions_of", "fills_from_bars"]


# fields of the core's MboCounts -> words
_FAULTS = {
    "unknown": "about unknown orders",
    "duplicates": "adding an order a second time",
    "overfills": "filling more than an order had left",
    "refused": "that cannot be read",
    "disagreeing": "with a side or price other than the order's",
    "gaps": "gaps in the feed",
}


def queue_lines(session: Session, symbol: str, kinds: str) -> list[Assumption]:
    """Returns the queue assumptions of a symbol that fills from more than bars. kinds: the kinds of its data, in
    words."""
    index = list(session.host.instruments).index(symbol)
    queue = session.plan.queue
    if not session.loop.by_order(index):
        behind = f"{symbol}: orders fill from {kinds}; a resting order joins the queue behind the whole size "
        if queue in (CONSERVATIVE, AUTO):
            said = f"{behind}displayed at its price, and only trades advance it"
            return [Assumption(said, -1, key="queue")]
        how = session.plan.queue_fit or f"guessed ({queue})"
        said = f"{behind}displayed at its price; which orders there cancel first is {how}"
        return [Assumption(said, key="queue")]
    lines = [
        Assumption(
            f"{symbol}: orders fill from {kinds}; a resting order has its exact place among the venue's "
            "orders, first in, first out (fifo); its own fills take nothing from the orders behind it",
            key="queue",
        )
    ]
    counts = session.loop.mbo_counts(index) or {}
    faults = [f"{counts[name]:,} {word}" for name, word in _FAULTS.items() if counts.get(name)]
    if faults:
        said = f"{symbol}: {counts['applied']:,} messages about orders, of them {', '.join(faults)}"
        lines.append(Assumption(said, key=f"orders {symbol}"))
    if unknown := session.loop.counters()["queue_unknown"]:
        said = f"{unknown:,} own orders began to rest while the venue's orders were unknown: they are last in the queue"
        lines.append(Assumption(said, -1))
    return lines


def _live_lines(session: Session) -> list[Assumption]:
    """Returns the assumptions of a run with orders at a venue. They are few, as the venue made the fills."""
    live = session.plan.live
    assert live is not None
    return [
        *(
            Assumption(f"account {seat.account}: orders, fills and fees are the venue's", None, key="live")
            for seat in live.seats
        ),
        *(_instrument_line(session.plan, each) for each in session.host.instruments.values()),
        Assumption(
            "the robot's equity begins with the account's balance at its start and excludes results of other robots "
            "on the account",
            None,
            key="live account",
        ),
    ]


def assumptions_of(session: Session, depth: Mapping[str, Conflation] | None = None) -> list[Assumption]:
    """Returns the result's assumptions with their bias (see Assumption). depth: measured_depth of the session, if
    known already."""
    plan, host = session.plan, session.host
    if plan.is_at_gateway:
        return _live_lines(session)
    lines = account_lines(session)
    lines += [_instrument_line(plan, each) for each in host.instruments.values()]
    lines += latency_lines(plan, {each.venue for each in host.instruments.values()})
    lines += _detail_lines(session)
    for symbol, types in _filled_from(session).items():
        kinds = _kinds(types)
        lines += _bar_lines(plan, symbol) if kinds == "bars" else queue_lines(session, symbol, kinds)
    lines += _batch_lines(session)
    counters = session.loop.counters()
    lines += _fill_lines(counters)
    lines += _gap_lines(session, counters["gapped_limits"])
    if bad := session.loop.bad_ticks:
        shown = ", ".join(f"{count:,} {rule}" for rule, count in bad.items())
        lines.append(Assumption(f"bad ticks were left out: {shown}", key="bad_ticks"))
    if unknown := _unknown_types(session):
        shown = ", ".join(f"{count:,} of type {type_id}" for type_id, count in unknown.items())
        lines.append(Assumption(f"the tape has frames of types unknown to this version: {shown}", key="unknown"))
    lines += depth_lines(measured_depth(session) if depth is None else depth)
    lines += _ambiguous_lines(session)
    lines += venue_lines(session)
    lines += _funding_lines(counters)
    lines += fee_lines(session)
    lines += liquidation_lines(session)
    lines += _unfunded_lines(session, session.inventory())
    return [*lines, *impact_lines(session)]


def _bar_lines(plan: RunPlan, symbol: str) -> list[Assumption]:
    return [
        Assumption(
            f"{symbol}: bars only; market orders fill at the next open, limit orders when the bar trades through them"
            f"{', at their own price' if plan.limit_fills == AT_LIMIT else ''}, "
            f"at most {plan.bar_volume_share / 1e4:g} % of a bar's volume",
            key="bars",
        ),
        Assumption(f"{symbol}: bars have no spread, so none is paid", 1, key=f"spread {symbol}"),
    ]


def _fill_lines(counters: Mapping[str, int]) -> list[Assumption]:
    lines = []
    if beyond := counters["fills_beyond_touch"]:
        words = f"{beyond} fills larger than the displayed size got a price one tick worse"
        lines.append(Assumption(words, key="beyond"))
    if uncapped := counters["fills_without_volume"]:
        lines.append(Assumption(f"{uncapped} fills were in bars without volume, so their size has no cap", 1))
    if fused := counters["fused_quotes"]:
        words = f"{fused:,} quotes newer than the depth updated the book before orders reached it"
        lines.append(Assumption(words, key="fused"))
    if hidden := counters["trades_beyond_display"]:
        words = (
            f"{hidden} trades at the price of an own order were larger than the displayed size: hidden orders "
            "existed, at unknown places in the queue"
        )
        lines.append(Assumption(words, 1))
    return lines


def _gap_lines(session: Session, count: int) -> list[Assumption]:
    """Returns the assumption on limit orders beyond which a bar opens: with continuous prices between two bars they
    would fill at their own price."""
    if not count:
        return []
    gains: dict[str, Decimal] = {}
    for index, each in enumerate(session.host.instruments.values()):
        gains[each.settle] = gains.get(each.settle, Decimal(0)) + Decimal(session.loop.gapped_gain(index))
    size = ", ".join(f"{decimal_text(gain)} {currency}" for currency, gain in gains.items() if gain)
    said = (
        f"{count} resting limit orders filled at the open of a bar that opened beyond their price; where the market "
        "trades through the gap, they fill at their own price (--limit-fills at-limit)"
    )
    own = float(gains.get(session.plan.currency, 0))
    return [Assumption(said, 1, f"gain {size}", "gapped limits", own)]


def _batch_lines(session: Session) -> list[Assumption]:
    lines = []
    if fills_from_bars(session):
        late = session.loop.counters()["late_stops"]
        said = "a fill inside a bar counts as made at its close, and is reported one way's latency later"
        lines.append(Assumption(said, 0 if late else -1, key="bars told"))
        if late:
            said = (
                f"{late} stops were sent after the bar of their entry, which had reached their trigger: they did not "
                "fire in it; stop_loss= and trail= of an entry do"
            )
            lines.append(Assumption(said, 1, key="late stops"))
    if session.plan.hedge or len(session.host.instruments) > 1:
        lines.append(
            Assumption(
                "the orders of one callback are checked together: sales and closing orders first, then the others "
                "against the money those free at that moment's price; each is checked again when it fills",
                None,
                key="batch",
            )
        )
    return lines


def _unknown_types(session: Session) -> dict[int, int]:
    """Returns the number of frames on the run's tapes of each type that this build does not know."""
    found: dict[int, int] = {}
    for source in session.sources:
        for types in session.contents(source.path).counts.values():
            for type_id, count in types.items():
                if type_id not in built_in():
                    found[type_id] = found.get(type_id, 0) + count
    return found


def ambiguous_bars(session: Session) -> list[dict[str, Any]]:
    """Returns the first hundred bars in which own orders depend on the unknown order of prices: `time` (the bar's
    open, ns) and `symbol`."""
    symbols = list(session.host.instruments)
    return [{"time": at, "symbol": symbols[i]} for at, i in session.loop.ambiguous_bars()]


def _ambiguous_lines(session: Session) -> list[Assumption]:
    counters = session.loop.counters()
    count = counters["ambiguous_bars"]
    if not count:
        return []
    shown = ambiguous_bars(session)
    first = ", ".join(f"{each['symbol']} {format_time(each['time'])}" for each in shown[:3])
    more = f" and {count - 3} more, see run.toml" if count > 3 else ""
    return [
        Assumption(
            f"{count} bars reached own orders both above and below their open, and bars do not say which came "
            f"first: the worse one is assumed ({counters['ambiguous_fills']} fills; {first}{more}); "
            "--detail-data resolves them",
            -1,
            key="ambiguous",
        )
    ]


def _filled_from(session: Session) -> dict[str, Mapping[int, int]]:
    """Returns {type id: count} of the events that the exchange fills on, by symbol of the run."""
    main, detail = session.inventory(), session.detail_inventory()
    return {
        symbol: detail.get(symbol, counted)[0] for symbol, counted in main.items() if symbol in session.host.instruments
    }


def fills_from_bars(session: Session) -> bool:
    """Returns True when orders of some instrument are filled from bars alone."""
    return any(_kinds(types) == "bars" for types in _filled_from(session).values())


def _detail_lines(session: Session) -> list[Assumption]:
    counters = session.loop.counters()
    lines = []
    for symbol, (types, periods) in session.detail_inventory().items():
        if symbol in session.host.instruments:
            kinds = _kinds(types)
            if kinds == "bars":
                kinds = f"bars of {format_duration(min(periods))}"
            said = f"{symbol}: inside its bars orders fill from {kinds}, which the robot does not see"
            lines.append(Assumption(said, None, key="detail"))
    if counters["detail_holes"]:
        said = f"{counters['detail_holes']} bars have no detail data: orders fill from the bars there"
        lines.append(Assumption(said, 0, key="detail holes"))
    if counters["detail_incomplete"]:
        said = (
            f"{counters['detail_incomplete']} bars have a wider range than their detail data: trades are missing "
            "there, and orders at those prices did not fill"
        )
        lines.append(Assumption(said, 1, key="detail incomplete"))
    return lines


def _funding_lines(counters: Mapping[str, int]) -> list[Assumption]:
    lines = []
    if counters["fundings_missing"]:
        lines.append(
            Assumption(
                f"{counters['fundings_missing']} funding intervals have no event in the data: nothing was paid for them"
            )
        )
    if repeated := counters["fundings_repeated"]:
        lines.append(Assumption(f"{repeated} funding events repeat the previous one and were not paid twice"))
    if early := counters["fundings_early"]:
        words = f"{early} funding events came less than half an interval after another, and were paid"
        lines.append(Assumption(words))
    return lines


def _unfunded_lines(session: Session, inventory: Mapping[str, tuple[Mapping[int, int], list[int]]]) -> list[Assumption]:
    contracts = [each for each in session.host.instruments.values() if each.kind is not Kind.SPOT]
    lines = []
    unfunded = [
        each.symbol
        for each in contracts
        if each.perpetual and not inventory.get(at_exchange(each.symbol), ({}, []))[0].get(EventType.FUNDING.id)
    ]
    if unfunded:
        lines.append(
            Assumption(f"{', '.join(unfunded)}: the data has no funding, so none is paid or received", key="funding")
        )
    return lines


def _instrument_line(plan: RunPlan, instrument: Instrument) -> Assumption:
    """Returns the assumption on an instrument's facts: neutral if all are known, unknown bias if some are inferred."""
    kind = {Kind.SPOT: "spot", Kind.LINEAR: "linear", Kind.INVERSE: "inverse"}[instrument.kind]
    text = (
        f"{instrument.symbol}: {kind}, tick {decimal_text(instrument.tick)}, lot "
        f"{decimal_text(instrument.lot)}, fees {percent(instrument.maker_fee)} maker, "
        f"{percent(instrument.taker_fee)} taker"
    )
    if instrument.multiplier != 1:
        text += f", multiplier {decimal_text(instrument.multiplier)}"
    if instrument.brackets:
        text += f", margin in {len(instrument.brackets)} brackets"
    if instrument.leverage:
        text += f", leverage {instrument.leverage}x"
    if instrument.inferred:
        text += f"; inferred from the data: {', '.join(instrument.inferred)}"
    if defaulted := defaulted_of(plan, instrument):
        text += f"; defaults: {', '.join(defaulted)}"
    guessed = bool(instrument.inferred or defaulted)
    return Assumption(text, 0 if guessed else None, key=f"fees {instrument.symbol}")


def _kinds(types: Mapping[int, int]) -> str:
    words = [
        word
        for kind, word in (
            (EventType.MBO, "orders"),
            (EventType.BOOK, "depth"),
            (EventType.QUOTE, "quotes"),
            (EventType.TRADE, "trades"),
        )
        if types.get(kind.id)
    ]
    return ", ".join(words) if words else "bars"
