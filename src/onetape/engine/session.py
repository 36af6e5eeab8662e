"""Run one strategy over tapes: set-up, start, step, finish. Backtest, paper and replay use it.

A session reads journals and writes one; it never reads a clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onetape import _core
from onetape.engine.compiled import is_compiled
from onetape.engine.detail import check_detail, matching_streams
from onetape.engine.host import Host
from onetape.engine.impact import check_volume
from onetape.engine.incarnations import broken_off_record, ending_record, life_record, seed_of, with_orders
from onetape.engine.inputs import (
    AsksHistory,
    Source,
    hold_streams,
    note_inputs,
    preload,
    release_streams,
    seek_hub,
    take_history,
)
from onetape.engine.opening import set_opening_prices
from onetape.engine.parameters import coerced, resolve
from onetape.engine.plan import AT_LIMIT, LiveRobot, toml_value
from onetape.engine.queue_model import Queue, parse_queue, settle_queue
from onetape.engine.robot_commands import AWAY, BACK, PARAMS, START, TARGETS, RobotCommand
from onetape.engine.run_spec import RunSpec
from onetape.engine.set_up import check_symbol, main_instrument, refuse_empty, set_trading_hours, with_overrides
from onetape.engine.source_location import place_in, source_location
from onetape.engine.strategy import Strategy
from onetape.engine.tape_facts import Inventory, TapeContents, contents_of, inventory_of, streams_of
from onetape.engine.venue_setup import check_venues, fund, prepare_venues, set_venue_rules, with_venue_clocks
from onetape.model.decimals import decimal_text
from onetape.model.enums import EventType
from onetape.model.errors import (
    BadConfig,
    MarketDataUnavailable,
    NotAvailable,
    OnetapeError,
    StrategyError,
    problem_text,
)
from onetape.model.ids import robot_tag
from onetape.model.instrument import Instrument
from onetape.model.symbol import at_exchange
from onetape.model.time import TIME_MAX
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.schema import INSTRUMENT_TYPE, MARKET_TYPES

if TYPE_CHECKING:
    from onetape.engine.jit.build import Compiled

__all__ = ["READ_AT_START", "Session", "started", "step_all"]

_TYPE_OF = {
    "quotes": EventType.QUOTE,
    "trades": EventType.TRADE,
    "book": EventType.BOOK,
    "bars": EventType.BAR,
    "mark": EventType.MARK,
    "funding": EventType.FUNDING,
    "liquidations": EventType.LIQUIDATION,
    "mbo": EventType.MBO,
    "scan": EventType.QUOTE,
}
_MADE_OF = {
    "bars": (EventType.TRADE, EventType.QUOTE),
    "book": (EventType.MBO,),
    "scan": (EventType.TRADE, EventType.MARK, EventType.FUNDING, EventType.OPEN_INTEREST),
}
_FILLING = (EventType.QUOTE, EventType.TRADE, EventType.BOOK, EventType.MBO)
NAMED_WITHIN = 64  # frames of a gateway's tape that may come before its instruments, or between them
READ_AT_START = frozenset({"symbol", "symbols"})  # a gateway follows them before a robot begins


# Whether this interpreter supports the reuse of event objects is tried once. The fast way passes the same object and
# the same floats again while nobody else holds them, which relies on CPython's reference counts (docs/adr/0008). Where
# that fails, every event gets a fresh object: slower, with equal values for a strategy.
_checked = False


def check_event_reuse() -> bool:
    """Returns True when reuse is on. Switches it off for good when a kept value would change."""
    global _checked
    if not _checked:
        _checked = True
        if _core.event_reuse() and not _kept_values_stay():
            _core.set_event_reuse(False)
    return _core.event_reuse()


def _kept_values_stay() -> bool:
    prices: list[float] = []
    objects: list[Any] = []
    held: dict[str, float] = {}

    def see(quote: _core.Quote) -> None:
        bid = quote.bid
        prices.append(bid)
        held[str(len(prices))] = quote.ask + 0.0
        if len(prices) % 2:
            objects.append(quote)

    shown = [(10 * n + 5, 10 * n + 6) for n in range(1, 9)]
    _core.show_quotes(see, shown)
    expected = [bid / 10 for bid, _ in shown]
    return (
        prices == expected
        and [o.bid for o in objects] == expected[::2]
        and [o.ts_recv for o in objects] == [bid for bid, _ in shown[::2]]
        and list(held.values()) == [ask / 10 for _, ask in shown]
    )


class Session:
    """Owns the loop, the strategy and the run's journal from open() to close()."""

    def __init__(self, spec: RunSpec, *, progress: Callable[[int, int], None] | None = None) -> None:
        """progress: called a few times a second at most, with frames taken and the time (ns)."""
        self.spec = spec
        self.plan = plan = spec.plan
        self.strategy_class = spec.strategy
        self.params: dict[str, Any] = {}
        self.sources: list[Source] = []
        self.writer: JournalWriter | None = None
        self.started_at: int | None = None
        self.state_hash = ""
        self.start_equity = Decimal(0)
        self.start_money: dict[tuple[str, str], Decimal] = {}  # equity by account and currency
        self.is_finished = False
        self.actions_before_stop = 0
        self.compiled: Compiled | None = None
        # Requested bars from before the start, and the time up to which they were complete.
        self.asks_history: AsksHistory | None = None
        self._contents: dict[Path, TapeContents] = {}
        self._inventories: Inventory | None = None
        self.host = Host(
            on_error=plan.on_error,
            override_fees=partial(with_overrides, plan, spec.instruments),
            wanted=lambda symbol: plan.symbol is None or symbol == plan.symbol,
            inventory=self.inventory,
            bar_sources=plan.bar_sources,
            progress=progress,
        )
        self.robot: Strategy

    # --- start, step, finish ---------------------------------------------------------------------

    def open(self) -> None:
        """Opens the tapes, finds the first event and prepares everything up to on_start."""
        check_event_reuse()
        self.params = self._parameters()
        queue = parse_queue(self.plan.queue)
        self.plan = with_venue_clocks(self.plan)
        account = _core.AccountOptions(
            hedge=self.plan.hedge, isolated=self.plan.margin == "isolated", leverage=self.plan.leverage
        )
        self.loop = _core.TradingLoop(
            self.host,
            self._exchange(account, queue),
            account=account,
            sample_every=self.plan.sample_every,
            robot_tag=robot_tag(self.strategy_class.__name__.lower()),
        )
        self.loop.name_bars(self.host.bars.keys, self.host.bars.pending)
        if self.plan.filter:
            self.loop.use_filter()
        self.host.loop = self.loop
        self.host.is_hedged = self.plan.hedge
        self.host.legs_with_entry = self.plan.legs_with_entry
        prepare_venues(self.plan, self.host)
        if self.plan.live is not None:
            self.host.name_gateways(self.plan.live)
        self._open_tapes()
        if self.plan.live is not None:
            self.host.go_live(self.plan.live)
            self._inherit(self.plan.live)
        self.robot = self.host.robot = self._new_robot()
        self.loop.bind_robot(self.robot, Strategy)
        self.loop.wants_pulse = True
        self.started_at = self._find_start()
        self._set_up_venues(self.started_at)
        if self.plan.impact is not None and not self.spec.is_growing:
            check_volume(self._fills_on())
        if queue.by_order:
            self.plan = replace(self.plan, queue=settle_queue(self.plan.queue, self._with_orders()))
        if self.spec.journal is not None:
            self._open_journal(self.spec.journal)

    def start(self) -> None:
        """Load bars from before the start and call on_start."""
        assert self.started_at is not None
        if self.plan.live is not None and self.plan.live.stopped:
            self.loop.allow_trading(False)
        if self.spec.began_with is not None:
            self.loop.carry_brought(decimal_text(self.spec.brought))
            for (gateway, currency), amount in self.spec.earned_before.items():
                self.loop.carry_earned(self.host.live_money_index(gateway, currency), decimal_text(amount))
        self.loop.begin(self.started_at)
        self.host.missed = self.loop.write_missed()
        if self.spec.attributes:
            working = {order.id: order for order in self.loop.working(None)}
            for name in self.spec.attributes:
                setattr(self.robot, name, with_orders(getattr(self.robot, name), working))
        self.start_equity = Decimal(self.loop.equity_text)
        self.start_money = {
            money: Decimal(self.loop.equity_of_text(number)) for number, money in enumerate(self.host.money)
        }
        self.host.bars.take_pending = partial(take_history, self)
        self.loop.enter_callback()
        try:
            self.robot._resume()
            self.robot.on_start()
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            place = place_in(source_location(problem) or self.strategy_class.__name__, "on_start")
            if isinstance(problem, OnetapeError):
                problem.location = problem.location or place
                raise
            raise StrategyError(problem_text(problem), location=place, todo="fix the strategy") from problem
        self.host.missed = []
        self.loop.leave_callback()
        self.host.bars.take_pending()
        preload(self)
        if is_compiled(self.strategy_class) and not self.plan.interpret:
            self._compile()

    def _compile(self) -> None:
        if len(self.host.scans):
            raise NotAvailable(
                "compiled strategies hear no on_event, so nothing of scans",
                location=f"@compiled class {self.strategy_class.__name__}",
                todo="take @compiled away, or run it with --interpret",
            )
        try:
            from onetape.engine.jit.build import compile_strategy
        except ImportError:
            raise NotAvailable(
                "compiled strategies need numba",
                location=f"@compiled class {self.strategy_class.__name__}",
                todo="pip install 'onetape[compiled]', or run it with --interpret",
            ) from None
        self.compiled = compile_strategy(self.robot, self.host)
        self.host.take_problem = self.compiled.take_problem
        self.host.close = self.robot.close
        self.compiled.attach(self.loop)

    def step(
        self, frames_max: int = TIME_MAX, until: int | None = None, *, block: _core.FrameBlock | None = None
    ) -> _core.RunOutcome:
        """Runs up to `frames_max` frames with time <= until; ENDED: no frame now.
        ENDED: no frame now.

        block: run these next frames of its tape, read once for several sessions; LIMIT: all of them were run.
        """
        stop = TIME_MAX if self.plan.end is None else self.plan.end - 1
        if until is not None:
            stop = min(stop, until)
        if self.compiled is None:
            outcome = self._run(frames_max, stop, block)
        else:
            with self.compiled:
                outcome = self._run(frames_max, stop, block)
        if outcome == _core.RunOutcome.FAILED:
            self.loop.raise_failure()
        return outcome

    def _run(self, frames_max: int, stop: int, block: _core.FrameBlock | None) -> _core.RunOutcome:
        return self.loop.run(frames_max, stop) if block is None else self.loop.run_checked(block, stop)

    @property
    def is_at_end(self) -> bool:
        """Returns True when the next event is at --to or later."""
        return self.plan.end is not None and self.plan.end <= self.loop.next_time() < TIME_MAX

    def halt(self) -> None:
        """Halt a live robot: cancel working orders, send nothing new. A replay does the same after the same frame."""
        assert self.plan.live is not None
        places = [self.loop.source_position(each.number)[0] for each in self.sources]
        live = replace(self.plan.live, halted_after=places[0], halted_at=places)
        self.plan = replace(self.plan, live=live)
        # Recorded before its effects: an incarnation killed meanwhile counts as halted.
        self.host.append(EventType.HEALTH.id, ending_record(places))
        self.loop.halt(False)
        self.loop.leave_callback()

    def note_broken_off(self) -> None:
        """Record that the running callback was aborted."""
        self.host.append(EventType.HEALTH.id, broken_off_record(self.loop.now))

    def check_change(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the new parameter values when a running robot can take them. Raises BadConfig, NotAvailable;
        nothing has changed then."""
        made = coerced(self.strategy_class, changes)
        if fixed := [name for name in made if name in READ_AT_START]:
            raise BadConfig(
                f"parameter {fixed[0]!r} is read at the start",
                location=self.strategy_class.__name__,
                todo="change it in onetape.toml and restart the robot",
            )
        if self.compiled is not None:
            raise NotAvailable(
                "parameters of compiled strategies are part of their machine code",
                location=self.strategy_class.__name__,
                todo="change them in onetape.toml and restart the robot",
            )
        return made

    def ask(self, command: str, fields: Mapping[str, Any]) -> None:
        """Carry out a command of the operator, or a change of a gateway, between two frames: recorded on the tape
        first. Raises as `check_change`."""
        changed = self.check_change(fields) if command == PARAMS else {}
        after = [self.loop.source_position(each.number)[0] for each in self.sources]
        shown = {name: toml_value(value) for name, value in changed.items()} or dict(fields)
        self.host.append(EventType.COMMAND.id, RobotCommand(command, shown, after).as_record())
        if command == PARAMS:
            self._change(changed)
        elif command in TARGETS:
            self._direct(command, fields)
        elif command in (AWAY, BACK):
            self.loop.set_away(fields["gateway"], fields["account"], command == AWAY)
        else:
            self.loop.allow_trading(command == START)
            self.loop.leave_callback()

    def check_target(self, command: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the symbol of a target command; raises an OnetapeError when it cannot be carried out."""
        if self.compiled is not None:
            raise NotAvailable(f"{command} of a {type(self.robot).__name__}", todo="set its parameters")
        return self.robot._check_target(command, fields)

    def works(self, symbol: str) -> bool:
        """Returns True while an algorithm works for a target of the symbol."""
        return self.robot._works(symbol)

    def _direct(self, command: str, fields: Mapping[str, Any]) -> None:
        """Make the strategy carry out a command that `check_target` has accepted."""
        if self.loop.halted:
            return
        self.loop.enter_callback()
        try:
            self.robot._obey_target(command, fields)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            self.host.callback_failed(command, problem)
        self.loop.leave_callback()

    def _change(self, changed: Mapping[str, Any]) -> None:
        for name, value in changed.items():
            self.params[name] = value
            setattr(self.robot, name, value)
        if self.loop.halted:
            return
        is_called = self.loop.enter_callback()
        try:
            if is_called and not self.host.tell("params", changed):
                self.robot.on_params(changed)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            self.host.callback_failed("on_params", problem)
        self.loop.leave_callback()

    def attributes(self) -> dict[str, Any]:
        """Returns the strategy's own attributes with its random source, without parameters and objects of loop and
        desks."""
        lent = {"_loop", "_host", "_desk", "_protections", "_trailing", "resumed", *self.params}
        return {name: value for name, value in vars(self.robot).items() if name not in lent}

    def finish(self) -> None:
        """Finish after the last frame: due timers, on_stop, the closing records."""
        with self.compiled or nullcontext():
            self.loop.finish_input()
        if self.compiled is not None:
            self.compiled.write_back()
        self.actions_before_stop = self.loop.counters()["actions"]
        self.loop.begin_stop()
        self.loop.enter_callback()
        try:
            for each in (self.robot, *self.host.children):
                each.on_stop()
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            self.host.callback_failed("on_stop", problem)
        self.loop.leave_callback()
        self.loop.sample()
        note_inputs(self)
        self.state_hash = self.host.note_state()
        self.is_finished = True

    def close(self) -> None:
        """Seals the run's journal and releases everything."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
        while self.sources:
            self.sources.pop().reader.close()
        if hasattr(self, "loop"):
            self.loop.release()
        self.__dict__.pop("robot", None)

    # --- results ---------------------------------------------------------------------------------

    @property
    def profit(self) -> Decimal:
        """Returns the robot's profit since the run began: its own fills, their funding, fees and interest, with its
        open positions at the mark. Status, snapshots, statistics and attribution show this figure. It excludes
        transferred money, fills of others with the same money, and price changes of coins it did not buy."""
        began = self.start_equity if self.spec.began_with is None else self.spec.began_with
        return Decimal(self.loop.equity_text) - began - Decimal(self.loop.moved_in_text)

    @property
    def fills(self) -> int:
        """Returns the number of fills since the run began."""
        return self.spec.earlier_fills + int(self.loop.counters()["fills"])

    @property
    def has_subscribed(self) -> bool:
        """True when the strategy has subscribed to anything."""
        return bool(self.host.subscriptions)

    def idle_subscriptions(self) -> list[str]:
        """Returns subscriptions that the data do not serve, as `quotes of SYMBOL`."""
        inventory = self.inventory()
        missing = []
        for symbol, kind in sorted(self.host.subscriptions):
            types = inventory.get(at_exchange(symbol), ({}, []))[0]
            made_of = _MADE_OF.get(kind, ())
            if not any(types.get(each.id) for each in (_TYPE_OF[kind], *made_of)):
                missing.append(f"{kind} of {symbol}")
        return missing if len(missing) == len(self.host.subscriptions) else []

    def last_refusal(self) -> str:
        """Returns the newest refused order, in words."""
        order = self.loop.last_refused
        return f"{order.code} {order.reason}" if order is not None else ""

    # --- set-up ----------------------------------------------------------------------------------

    def _exchange(self, account: _core.AccountOptions, queue: Queue) -> _core.ExchangePort:
        """Returns the exchange that the run trades with."""
        plan, live = self.plan, self.plan.live
        robots = [seat.number for seat in live.seats if seat.number] if live is not None else []
        base = live.order_base if live is not None else 0
        if self.spec.script is not None:
            return _core.ReportScript(JournalReader(self.spec.script).core, robots=robots, order_base=base)
        if plan.is_at_gateway:
            return _core.GatewayPort(robots=robots, order_base=base)
        return _core.RecordedVenue(
            account=account,
            latency=plan.latency.core(),
            queue_model=queue.number,
            queue_exponent=queue.exponent,
            queue_by_order=queue.by_order,
            fuse=plan.fuse,
            bar_volume_share=plan.bar_volume_share,
            limits_at_limit=plan.limit_fills == AT_LIMIT,
            **({"impact": plan.impact.core} if plan.impact else {}),
        )

    def _parameters(self) -> dict[str, Any]:
        params = dict(self.plan.params)
        if self.plan.symbol is not None and "symbol" not in params:
            from onetape.engine.parameters import parameters_of

            if "symbol" in parameters_of(self.strategy_class):
                params["symbol"] = self.plan.symbol
        return resolve(self.strategy_class, params)

    def _inherit(self, live: LiveRobot) -> None:
        """Restore the state of earlier incarnations."""
        self.host.notes_choices = True
        for gateway, seat in enumerate(live.seats):
            self.loop.inherit(gateway, seat.since, seat.run_from, seat.heard)
        for symbol, time, payload in self.spec.earlier_actions:
            self.loop.hash_action(symbol, time, payload)
        if live.memory:
            self.host.restore_memory(live.memory)

    def _open_tapes(self) -> None:
        for each in self.plan.inputs:
            path = Path(each.path)
            reader = JournalReader(path)
            number = self.loop.add_source(reader.core)
            self.sources.append(Source(path, reader, number, each.is_detail))
            if self._is_of_hub(number):
                self._map_hub(reader, number)
            elif not each.is_detail:
                self._map_preamble(reader, number)
            if self.spec.limits and self.spec.limits[number]:
                self.loop.limit_source(number, self.spec.limits[number])
        self.host.sources = len(self.sources)
        if self.plan.live is not None:
            hold_streams(self, self.plan.live)
        for source in self.sources:
            if not source.is_detail and not self._is_of_hub(source.number):
                self._add_first_instruments(source)
        for source in self.sources:
            if source.is_detail:
                self._map_detail(source)

    def _set_up_venues(self, start: int) -> None:
        """Set money, rules and hours once the instruments at `start` (ns) are known."""
        if not self.host.instruments:
            refuse_empty(self.plan)
        check_venues(self.plan, self.host)
        if self.host.shares_exchange and self.plan.live is None:
            self._check_shared_market()
        self.plan = fund(self.plan, self.host, main_instrument(self.host, self.params))
        self.plan = set_venue_rules(self.plan, self.host)
        set_opening_prices(self.plan, self.host, [each.path for each in self.sources if not each.is_detail])
        set_trading_hours(self.plan, self.host, start, grows=self.spec.is_growing)
        check_symbol(self.plan, self.host, self.params, self.strategy_class.__name__)

    def _check_shared_market(self) -> None:
        """Raises NotAvailable for data whose liquidity several accounts would each consume in full."""
        what = "detail data" if any(each.is_detail for each in self.sources) else ""
        if any(self._with_orders().values()):
            what = what or "market by order"
        if what:
            raise NotAvailable(
                f"{what} and several accounts of one exchange",
                location="--cash",
                todo="give the exchange one account, or data of quotes, trades, depth or bars",
            )

    def _new_robot(self) -> Strategy:
        try:
            robot = self.strategy_class()
        except Exception as problem:
            raise StrategyError(
                problem_text(problem),
                location=source_location(problem) or self.strategy_class.__name__,
                todo="a strategy is made without arguments; use on_start",
            ) from problem
        robot._loop = self.loop
        robot._host = self.host
        self.host.seed = seed_of(self.plan)
        robot.random = self.host.random = random.Random(self.host.seed)
        vars(robot).update(self.spec.attributes)
        if self.spec.attributes:
            self.host.random = robot.random
        robot.resumed = self.plan.live is not None and self.plan.live.restart != ""
        for name, value in self.params.items():
            setattr(robot, name, value)
        return robot

    def _map_preamble(self, reader: JournalReader, number: int) -> None:
        core = reader.core
        for type_id, stream, payload in core.preamble:
            if type_id == INSTRUMENT_TYPE:
                self.loop.map_stream(number, stream, self.host.instrument_frame(number, stream, payload))

    def _is_of_hub(self, number: int) -> bool:
        return self.plan.live is not None and self.plan.live.is_of_hub(number)

    def _map_hub(self, reader: JournalReader, number: int) -> None:
        """Position the hub's tape shortly before the start, with the instruments up to there."""
        assert self.plan.live is not None
        first = seek_hub(reader, self.plan)
        self.host.follow_hub(self.plan.live.market, self.plan.live.market_more)
        self.plan = replace(self.plan, live=replace(self.plan.live, market_from=first))
        for stream, record in reader.instruments.items():
            payload = msgspec.msgpack.encode(record)
            self.loop.map_stream(number, stream, self.host.instrument_frame(number, stream, payload))

    def _map_detail(self, source: Source) -> None:
        symbols = matching_streams(source.path, streams_of(source.path), self.host.instruments)
        check_detail(source.path, symbols, self.inventory())
        numbers = {symbol: i for i, symbol in enumerate(self.host.instruments)}
        self.loop.use_as_detail(source.number)
        for stream, symbol in symbols.items():
            self.loop.use_detail(numbers[symbol])
            self.loop.map_stream(source.number, stream, numbers[symbol])

    def _add_first_instruments(self, source: Source) -> None:
        """Add instruments that a tape names before its first market event, so that on_start can subscribe on a tape
        that begins later than the others. A symbol already present keeps its facts until the frame's time comes. A
        gateway's tape without a market names them at its start, after its sub-accounts."""
        live = self.plan.live
        ahead = NAMED_WITHIN if live is not None and live.market_named else 0
        with JournalReader(source.path) as reader:
            while (frame := reader.next_frame()) is not None and frame.type not in MARKET_TYPES:
                if frame.type == INSTRUMENT_TYPE:
                    symbol = self.host.instrument_on(source.number, frame.payload).symbol
                    if symbol not in self.host.instruments:
                        self.host.instrument_frame(source.number, 0, frame.payload)
                elif frame.sequence > ahead:
                    break

    def _find_start(self) -> int:
        """Returns when the robot's time begins (ns), after processing everything before it."""
        start = self.plan.start
        outcome = self.loop.warm_up(start if start is not None else -TIME_MAX)
        if outcome == _core.RunOutcome.FAILED:
            self.loop.raise_failure()
        if self.plan.live is not None:
            is_repeated = len(self.sources) > 1 and bool(self.plan.live.positions)
            release_streams(self, self.plan.live)
            if is_repeated and start is not None:  # with several tapes the first one alone does not define it
                return start
        first = self.loop.next_time()
        is_early = self.spec.is_growing and outcome == _core.RunOutcome.ENDED
        if is_early and self.plan.live is not None and len(self.sources) == 1:
            first = TIME_MAX  # later frames may be no market: a repetition warms up on them
        if first == TIME_MAX:
            if self.spec.is_growing:
                raise MarketDataUnavailable("the tape has no market event yet", location="data")
            refuse_empty(self.plan)
        if self.plan.end is not None and first >= self.plan.end:
            refuse_empty(self.plan)
        # With earlier data the run begins at --from itself, so that bars and timers due before the next event are kept;
        # without, at the first event.
        return start if start is not None and self.loop.counters()["warmed"] else first

    def _open_journal(self, path: Path) -> None:
        assert self.started_at is not None
        self.writer = JournalWriter(
            path,
            process=f"robot:{self.strategy_class.__name__}",
            uuid=self.spec.uuid,
            created=self.started_at,
            durable=False,
            heartbeat=self.plan.is_at_gateway,
            segment_bytes_first=(1 if self.spec.is_scratch else 4) << 20,
            segment_bytes_max=(4 if self.spec.is_scratch else 64) << 20,
        )
        if self.plan.live is not None:
            self._begin_life(self.writer)
        for index, instrument in enumerate(self.host.instruments.values()):
            self._note_instrument(index, instrument)
        self.host.note_instrument = self._note_instrument
        self.writer.append(
            "params",
            msgspec.msgpack.encode(
                {
                    "strategy": self.strategy_class.__name__,
                    "params": {k: _plain(v) for k, v in self.params.items()},
                    "seed": self.plan.seed,
                    "durability": "process",
                }
            ),
            time=self.started_at,
        )
        self.loop.set_writer(self.writer.core)

    def _note_instrument(self, index: int, instrument: Instrument) -> None:
        assert self.writer is not None and self.started_at is not None
        time = max(self.started_at, self.loop.now)
        self.writer.append_instrument(index + 1, time, instrument.to_msgpack())

    def _begin_life(self, writer: JournalWriter) -> None:
        """Write the first frame of this incarnation: a replay of it begins with this record."""
        assert self.started_at is not None
        position = self.loop.source_position(self.sources[0].number)[0]
        record = life_record(
            self.plan,
            start=self.started_at,
            position=position,
            reached=self.spec.reached,
            tapes=[each.reader.uuid.bytes for each in self.sources],
        )
        writer.append("params", msgspec.msgpack.encode(record), time=self.started_at)
        writer.progress(position)

    def inventory(self) -> Inventory:
        """Returns {type id: count} and the periods of its own bars for each symbol."""
        if self._inventories is None:
            tapes = [s.path for s in self.sources if not s.is_detail]
            self._inventories = inventory_of(self.contents(path) for path in tapes)
        return self._inventories

    def contents(self, path: Path) -> TapeContents:
        """Returns the contents of one of the run's tapes, from a pass over it: done once, except for a growing tape."""
        if self.spec.is_growing and not self.is_finished:
            return contents_of(path)
        if path not in self._contents:
            self._contents[path] = contents_of(path)
        return self._contents[path]

    def _with_orders(self) -> dict[str, bool]:
        """Returns for each symbol that fills from more than bars whether its data have the venue's single orders."""
        return {
            symbol: bool(types.get(EventType.MBO.id))
            for symbol, types in self._fills_on().items()
            if any(types.get(each.id) for each in _FILLING)
        }

    def _fills_on(self) -> dict[str, Mapping[int, int]]:
        """Returns {type id: count} of the events that orders fill on, by symbol of the run."""
        shown = {**self.inventory(), **self.detail_inventory()}
        return {symbol: types for symbol, (types, _) in shown.items() if symbol in self.host.instruments}

    def detail_inventory(self) -> Inventory:
        """Returns the inventory of the data that only the exchange sees."""
        return inventory_of(self.contents(each.path) for each in self.sources if each.is_detail)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


@contextmanager
def started(spec: RunSpec, *, progress: Callable[[int, int], None] | None = None) -> Iterator[Session]:
    """Provide a session whose strategy has started, until the block ends. progress: as in Session."""
    session = Session(spec, progress=progress)
    try:
        session.open()
        session.start()
        yield session
    finally:
        session.close()


_FAILURES: Final = (OnetapeError, OSError, MemoryError)  # of one session, or of the tape: no error of ours


def step_all(sessions: Sequence[Session]) -> list[Exception | None]:
    """Step sessions over the same frames to the end of their tape, which is read once for all. Returns the
    exceptions that ended sessions early."""
    problems: list[Exception | None] = [None] * len(sessions)
    running = dict(enumerate(sessions))

    def step(number: int, block: _core.FrameBlock | None) -> None:
        try:
            if sessions[number].step(block=block) == _core.RunOutcome.LIMIT:
                return
        except _FAILURES as problem:
            problems[number] = problem
        del running[number]

    if len(sessions) > 1 and all(each.loop.shares for each in sessions):
        first = sessions[0]
        limit = first.spec.limits[0] if first.spec.limits else 0
        block = _core.FrameBlock(first.sources[0].reader.core, limit)
        while running:
            try:
                if not block.read():
                    break
            except _FAILURES as problem:
                problems = [problem if number in running else each for number, each in enumerate(problems)]
                break
            for number in [*running]:
                step(number, block)
    else:
        for number in [*running]:
            step(number, None)
    return problems
