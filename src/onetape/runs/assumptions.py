"""What a run's result stands on, in words, and which way each of them leans."""

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
from onetape.runs.venue_lines import fee_lines, liquidation_lines, percent, venue_lines
from onetape.runs.venue_results import account_lines, latency_lines
from onetape.tape.schema import built_in

__all__ = ["ambiguous_bars", "assumptions_of", "fills_from_bars"]


# MboCounts of the core -> in words
_FAULTS = {
    "unknown": "about orders that are not known",
    "duplicates": "adding an order that was there",
    "overfills": "filling more than was left",
    "refused": "not to be read",
    "disagreeing": "with another side or price than the order's",
    "gaps": "breaks of the feed",
}


def queue_lines(session: Session, symbol: str, kinds: str) -> list[Assumption]:
    """Of a symbol that fills from more than bars. kinds: of its data, in words."""
    index = list(session.host.instruments).index(symbol)
    queue = session.plan.queue
    if not session.loop.by_order(index):
        behind = f"{symbol}: filled from {kinds}; a resting order waits behind all that is "
        if queue in (CONSERVATIVE, AUTO):
            said = f"{behind}displayed at its price and moves up by trades only"
            return [Assumption(said, -1, key="queue")]
        how = session.plan.queue_fit or f"guessed ({queue})"
        said = f"{behind}displayed at its price; who cancels there is {how}"
        return [Assumption(said, key="queue")]
    lines = [
        Assumption(
            f"{symbol}: filled from {kinds}; a resting order has its exact place among the venue's "
            "orders, first in, first out (fifo); what it takes from those behind it they do not "
            "feel",
            key="queue",
        )
    ]
    counts = session.loop.mbo_counts(index) or {}
    faults = [f"{counts[name]:,} {word}" for name, word in _FAULTS.items() if counts.get(name)]
    if faults:
        said = f"{symbol}: of {counts['applied']:,} messages about orders {', '.join(faults)}"
        lines.append(Assumption(said, key=f"orders {symbol}"))
    if unknown := session.loop.counters()["queue_unknown"]:
        said = f"{unknown:,} own orders came to rest while the venue's were not known: behind all"
        lines.append(Assumption(said, -1))
    return lines


def _live_lines(session: Session) -> list[Assumption]:
    """Orders went to a venue and their fills came from there: little is assumed."""
    live = session.plan.live
    assert live is not None
    return [
        *(
            Assumption(f"account {seat.account}: orders, fills and fees are the venue's", None, key="live")
            for seat in live.seats
        ),
        *(_instrument_line(each) for each in session.host.instruments.values()),
        Assumption(
            "the robot's equity counts from what the account had when it began; what other robots "
            "of the account did is not in it",
            None,
            key="live account",
        ),
    ]


def assumptions_of(session: Session, depth: Mapping[str, Conflation] | None = None) -> list[Assumption]:
    """Returns what the result stands on, and which way each leans (see Assumption). depth: where it was measured
    already."""
    plan, host = session.plan, session.host
    if plan.is_at_gateway:
        return _live_lines(session)
    lines = account_lines(session)
    lines += [_instrument_line(each) for each in host.instruments.values()]
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
        lines.append(Assumption(f"bad ticks were kept back: {shown}", key="bad_ticks"))
    if unknown := _unknown_types(session):
        shown = ", ".join(f"{count:,} of type {type_id}" for type_id, count in unknown.items())
        lines.append(Assumption(f"frames that this version does not know: {shown}", key="unknown"))
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
            f"{symbol}: bars only; market orders fill at the next open, limits when the bar trades through them"
            f"{', at their own price' if plan.limit_fills == AT_LIMIT else ''}, "
            f"at most {plan.bar_volume_share / 1e4:g} % of a bar's volume",
            key="bars",
        ),
        Assumption(f"{symbol}: no spread is known from bars, so none is paid", 1, key=f"spread {symbol}"),
    ]


def _fill_lines(counters: Mapping[str, int]) -> list[Assumption]:
    lines = []
    if beyond := counters["fills_beyond_touch"]:
        words = f"{beyond} fills beyond the displayed size were taken one tick worse"
        lines.append(Assumption(words, key="beyond"))
    if uncapped := counters["fills_without_volume"]:
        lines.append(Assumption(f"{uncapped} fills in bars without volume: size not capped", 1))
    if fused := counters["fused_quotes"]:
        words = f"{fused:,} quotes, newer than the depth, moved the book that orders met"
        lines.append(Assumption(words, key="fused"))
    if hidden := counters["trades_beyond_display"]:
        words = (
            f"{hidden} prints at own prices were larger than what was displayed there: "
            "hidden orders that no data place in the queue"
        )
        lines.append(Assumption(words, 1))
    return lines


def _gap_lines(session: Session, count: int) -> list[Assumption]:
    """Of limits that an open lay beyond: where prices go on between two bars they fill at their own price."""
    if not count:
        return []
    gains: dict[str, Decimal] = {}
    for index, each in enumerate(session.host.instruments.values()):
        gains[each.settle] = gains.get(each.settle, Decimal(0)) + Decimal(session.loop.gapped_gain(index))
    size = ", ".join(f"{decimal_text(gain)} {currency}" for currency, gain in gains.items() if gain)
    said = (
        f"{count} fills of resting limits were at the open of a bar that opened beyond their price; a market that "
        "trades on the way fills them at their own price (--limit-fills at-limit)"
    )
    own = float(gains.get(session.plan.currency, 0))
    return [Assumption(said, 1, f"gain {size}", "gapped limits", own)]


def _batch_lines(session: Session) -> list[Assumption]:
    lines = []
    if fills_from_bars(session):
        late = session.loop.counters()["late_stops"]
        said = "what fills inside a bar counts as filled at its close, and is told the way back later"
        lines.append(Assumption(said, 0 if late else -1, key="bars told"))
        if late:
            said = (
                f"{late} stops were sent after the bar that filled what they protect, and that bar had reached them: "
                "they did not fire there; stop_loss= and trail= of the entry do"
            )
            lines.append(Assumption(said, 1, key="late stops"))
    if session.plan.hedge or len(session.host.instruments) > 1:
        lines.append(
            Assumption(
                "of what one callback orders, sales and closing orders are judged first: the money "
                "that they free at the price of then counts for the others, which are judged "
                "again where they fill",
                None,
                key="batch",
            )
        )
    return lines


def _unknown_types(session: Session) -> dict[int, int]:
    """Returns how many frames of the run's tapes are of each type that this build has no name for."""
    found: dict[int, int] = {}
    for source in session.sources:
        for types in session.contents(source.path).counts.values():
            for type_id, count in types.items():
                if type_id not in built_in():
                    found[type_id] = found.get(type_id, 0) + count
    return found


def ambiguous_bars(session: Session) -> list[dict[str, Any]]:
    """Returns the first hundred bars inside which the order of prices decided what own orders became: `time` (the bar's
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
            f"{count} bars reached own orders both above and below their open, and which came "
            f"first is not known: the losing one is taken ({counters['ambiguous_fills']} fills; "
            f"{first}{more}); --detail-data resolves them",
            -1,
            key="ambiguous",
        )
    ]


def _filled_from(session: Session) -> dict[str, Mapping[int, int]]:
    """{type id: count} of what the exchange fills on, by symbol of the run."""
    main, detail = session.inventory(), session.detail_inventory()
    return {
        symbol: detail.get(symbol, counted)[0] for symbol, counted in main.items() if symbol in session.host.instruments
    }


def fills_from_bars(session: Session) -> bool:
    """Orders of some instrument are filled from bars alone."""
    return any(_kinds(types) == "bars" for types in _filled_from(session).values())


def _detail_lines(session: Session) -> list[Assumption]:
    counters = session.loop.counters()
    lines = []
    for symbol, (types, periods) in session.detail_inventory().items():
        if symbol in session.host.instruments:
            kinds = _kinds(types)
            if kinds == "bars":
                kinds = f"bars of {format_duration(min(periods))}"
            said = f"{symbol}: inside its bars filled from {kinds} that the robot does not see"
            lines.append(Assumption(said, None, key="detail"))
    if counters["detail_holes"]:
        said = f"{counters['detail_holes']} bars have no detail data: filled from the bars"
        lines.append(Assumption(said, 0, key="detail holes"))
    if counters["detail_incomplete"]:
        said = (
            f"{counters['detail_incomplete']} bars reach further than their detail data: what "
            "happened in between is missing, and orders there were not filled"
        )
        lines.append(Assumption(said, 1, key="detail incomplete"))
    return lines


def _funding_lines(counters: Mapping[str, int]) -> list[Assumption]:
    lines = []
    if counters["fundings_missing"]:
        lines.append(
            Assumption(
                f"{counters['fundings_missing']} funding intervals have no event in the data, and "
                "nothing was paid for them"
            )
        )
    if counters["fundings_repeated"]:
        lines.append(
            Assumption(f"{counters['fundings_repeated']} funding events repeat the one before and were not paid again")
        )
    if counters["fundings_early"]:
        lines.append(
            Assumption(f"{counters['fundings_early']} funding events came within half of their interval and were paid")
        )
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


def _instrument_line(instrument: Instrument) -> Assumption:
    """Facts lean nowhere; what was guessed may lean either way."""
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
    if instrument.defaulted:
        text += f"; defaulted: {', '.join(instrument.defaulted)}"
    guessed = bool(instrument.inferred or instrument.defaulted)
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
