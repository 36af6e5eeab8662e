"""One random session (tests/reference/sessions.py) as a backtest over real tapes, and as the
reference's slow loop; and where the two part."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from onetape import Strategy
from onetape.engine.impact import Impact
from onetape.engine.latency import Latency
from onetape.engine.plan import AT_LIMIT, AT_OPEN, DETAIL, RunPlan, TapeInput
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session as Backtest
from onetape.engine.venue_options import Closed, VenueOptions
from onetape.model.errors import OnetapeError
from onetape.model.user_rules import Adl, LoanLevels
from reference.exchange import Exchange
from reference.facts import Facts
from reference.impact import Law
from reference.latency import Delay, Way
from reference.robot import Loop
from reference.sessions import MARKET, VENUES, Session
from reference.shrink import script, shrunk
from reference.worlds import BTC, USDT, at_venue
from worlds import tapes
from worlds.session_tapes import NAMES, ONE, START, Journal, Named, Tapes

AsCore = Callable[[Session], Session]


class Part(Exception):
    """Where the two part."""


def same(one: Any, two: Any, context: Any) -> None:
    if one != two:
        raise Part(f"{context}: the core {one}, the reference {two}")


# --- the robot ----------------------------------------------------------------------------------


class Plays(Strategy):
    """Does what the session says after each frame. Set by `play`: plays."""

    plays: Any = None

    def on_start(self):
        world: Tapes = self.plays
        self.symbols = world.named.symbols
        barred = {frame.index for frame in world.frames if frame.event == "bar"}
        seconds = world.session.period * world.scale // tapes.SECOND
        for index, symbol in enumerate(self.symbols):
            self.subscribe(
                symbol,
                quotes=True,
                trades=True,
                book=True,
                mark=True,
                funding=True,
                bars=f"{seconds}s@venue" if index in barred else None,
            )
        # Bars are shown after the other frames of their moment: each kind in its own order.
        self.due = defaultdict(deque)
        for number, frame in enumerate(world.frames):
            if not frame.is_detail:
                key = self.symbols[frame.index] if frame.event == "bar" else "event"
                self.due[key].append(number)
        self.frames = 0
        self.sent = []  # number of the frame, actions before and after
        self.made = {}  # number of the order in the session -> order
        self.heard = set()  # ids that something was heard of

    def on_quote(self, q):
        self.seen("event")

    on_trade = on_book = on_mark = on_funding = on_instrument = on_quote

    def on_bar(self, bar):
        self.seen(bar.symbol)

    def on_order(self, order):
        self.heard.add(order.id)

    def on_stop(self):
        self.heard |= {order.id for order in self.orders()}

    def seen(self, key):
        self.frames += 1
        number = self.due[key].popleft()
        before = self._loop.counters()["actions"]
        for name, _, index, *cells in self.plays.acts.get(number, ()):
            getattr(self, f"do_{name}")(index, *cells)
        self.sent.append((number, before, self._loop.counters()["actions"]))

    def units(self, index, price, size):
        facts = self.plays.session.facts[index]
        return (
            None if price is None else Decimal(price).scaleb(-facts.price_decimals),
            None if size is None else Decimal(size).scaleb(-facts.size_decimals),
        )

    def spec(self, index, order):
        price, size = self.units(index, order.get("price"), order["size"])
        spec = {"symbol": self.symbols[index], "side": order["side"], "qty": size, "price": price}
        for key in ("post_only", "reduce_only", "tif", "position_side", "trigger_by"):
            if key in order:
                spec[key] = order[key]
        if "trigger" in order:
            spec["trigger"], _ = self.units(index, order["trigger"], None)
            if order["order_id"] % 2:  # else what the robot knows decides
                spec["kind"] = order["trigger_kind"]
        if "expire" in order:
            expire = START + order["expire"] * self.plays.scale
            spec["expire"] = max(expire, self.now + self.plays.scale)
        return spec

    def do_place(self, index, order):
        spec = self.spec(index, order)
        send = self.buy if spec.pop("side") == "buy" else self.sell
        self.made[order["order_id"]] = send(**spec)

    def do_submit(self, _, orders):
        sent = self.submit([self.spec(index, order) for index, order in orders])
        self.made.update({order["order_id"]: o for (_, order), o in zip(orders, sent, strict=True)})

    def do_cancel(self, _, number):
        if number in self.made:
            self.cancel(self.made[number])

    def do_amend(self, index, number, fields):
        price, size = self.units(index, fields.get("price"), fields.get("size"))
        if number in self.made and (price or size):
            self.amend(self.made[number], price, size)

    def do_target(self, index, size):
        self.set_target(self.symbols[index], self.units(index, None, size)[1])

    def do_quotes(self, index, bids, asks, keep_within):
        bids, asks = ([self.units(index, *level) for level in side] for side in (bids, asks))
        self.set_quotes(self.symbols[index], bids, asks, keep_within=keep_within)

    def do_close(self, index):
        self.close(self.symbols[index])

    def do_cancel_all(self, index):
        self.cancel_all(self.symbols[index])


# --- both ---------------------------------------------------------------------------------------


def engine_latency(delay: Delay) -> Latency:
    fields = asdict(delay)
    recorded = delay.clock == "recorded"
    return Latency(
        **{name: fields[name] for name in ("request", "reply", "curve", "daily", "burst", "clock")},
        burst_window=delay.window,
        feed=None if recorded else delay.feed,
    )


class Duel:
    """One session, played by both. as_core: another one for the core, to try the comparison."""

    def __init__(self, session: Session, as_core: AsCore | None = None) -> None:
        self.session = session
        self.core = as_core(session) if as_core else session
        self.named = Named(session)
        self.world = Tapes(session, self.named)
        self.met: Counter[str] = Counter()
        scale = self.world.scale
        self.ways = {n: scaled(way, scale) for n, way in session.ways.items()} or {0: Delay()}
        self.ways = {n: w for n, w in self.ways.items() if n == 0 or n in self.named.venues}
        rules = session.rules
        self.rules = replace(
            rules,
            order_window=rules.order_window * scale,
            order_rates={
                n: (limit, window * scale) for n, (limit, window) in rules.order_rates.items() if n in self.named.venues
            },
            trigger_delay=rules.trigger_delay * scale,
            closed=tuple(
                c._replace(begin=START + c.begin * scale, end=START + c.end * scale)
                for c in rules.closed
                if c.venue == 0 or c.venue in self.named.venues
            ),
            borrow={},
            take_overs=tuple(
                fact._replace(time=START + fact.time * scale)
                for fact in rules.take_overs
                if session.facts[fact.index].kind != "spot"
            ),
        )
        lent = {(c - 1) % 3 + 1: rate for c, rate in rules.borrow.items()}
        self.accounts = self.named.accounts()
        used = {c for currencies in self.accounts.values() for c in currencies}
        self.lent = {c: rate for c, rate in lent.items() if c in used}
        for currency, rate in self.lent.items():
            for account in self.accounts:
                self.rules.borrow[at_venue(currency, account)] = rate

    # --- what there is ---

    def cash(self, account: int) -> dict[str, Decimal]:
        amount = next((a for c, a in self.session.deposits.items() if c % 3 == USDT), 10**22)
        lends = self.rules.loans.call and all(f.kind != "inverse" for f in self.session.facts)
        cash_of = {USDT: Decimal(amount).scaleb(-18), BTC: Decimal(0 if lends else 50)}
        return {NAMES[c]: cash_of[c] for c in self.accounts[account]}

    def plan(self, folder: Path) -> RunPlan:
        session, named, rules, law = self.core, self.named, self.rules, self.law(self.core)
        inputs = [TapeInput(str(self.world.write(folder / "tape", detail=False)))]
        if any(frame.is_detail for frame in self.world.frames):
            path = self.world.write(folder / "detail", detail=True)
            inputs.append(TapeInput(str(path), role=DETAIL))
        cash = {account: self.cash(account) for account in self.accounts}
        queue = session.queue
        plain = queue.name in ("conservative", "log", "log2")

        def fee(pair: tuple[int, int]) -> tuple[Decimal, Decimal]:
            return Decimal(pair[0]).scaleb(-12), Decimal(pair[1]).scaleb(-12)

        def volume(amount: int) -> Decimal:
            return Decimal(amount // ONE)

        return RunPlan(
            strategy="Plays",
            inputs=inputs,
            seed=session.seed,
            cash=cash.get(0, {}),
            accounts=named.named(cash) if session.apart else {},
            fee=fee(session.fees[0]) if 0 in session.fees else None,
            fees={v: fee(pair) for v, pair in named.named(session.fees).items()},
            fee_volume=volume(session.volumes.get(0, 0)),
            fee_volumes={v: volume(a) for v, a in named.named(session.volumes).items()},
            latency=engine_latency(self.ways.get(0, Delay())),
            latencies={v: engine_latency(way) for v, way in named.named(self.ways).items()},
            leverage=session.leverage,
            hedge=session.hedge,
            margin="isolated" if session.isolated else "cross",
            queue=queue.name if plain else f"{queue.name}:{queue.exponent:g}",
            bar_volume_share=session.bar_volume_share,
            limit_fills=AT_LIMIT if session.limits_at_limit else AT_OPEN,
            impact=None if law is None else Impact(law.coefficient, law.half_life, law.permanent, law.window),
            fuse=session.fuse,
            venue=VenueOptions(
                order_rate=(rules.order_limit, rules.order_window) if rules.order_limit else None,
                order_rates=named.named(rules.order_rates),
                trigger_delay=rules.trigger_delay,
                closed=[
                    Closed(c.begin, c.end, VENUES[c.venue - 1] if c.venue else "", c.cancels) for c in rules.closed
                ],
                borrow={NAMES[c]: Decimal(rate).scaleb(-12) for c, rate in self.lent.items()},
                loans=LoanLevels(
                    Decimal(rules.loans.call).scaleb(-6),
                    Decimal(rules.loans.liquidation).scaleb(-6),
                    Decimal(rules.loans.fee).scaleb(-12),
                ),
                adl=[
                    Adl(
                        named.symbols[fact.index],
                        fact.time,
                        fact.is_long,
                        Decimal(fact.price).scaleb(-session.facts[fact.index].price_decimals) if fact.price else None,
                        Decimal(fact.share).scaleb(-6),
                    )
                    for fact in rules.take_overs
                ],
            ),
        )

    def law(self, session: Session) -> Law | None:
        """None, too, where the data of one say no volume: such a run is refused."""
        law, scale = session.impact, self.world.scale
        finer = {f.index for f in self.world.frames if f.is_detail}
        for index in range(len(session.facts)):
            frames = [f for f in self.world.frames if f.index == index and f.is_detail == (index in finer)]
            events = {f.event for f in frames}
            if events & {"quote", "book", "mbo"} and "trade" not in events:
                return None
        return law and law._replace(half_life=law.half_life * scale, window=law.window * scale)

    def routes(self) -> dict[int, Way]:
        """As the core numbers them: the common one, those that are named, then the others'."""
        ways = {0: self.ways.get(0, Delay())}
        named = {n: way for n, way in self.ways.items() if n}
        ways |= named
        if named:
            ways |= {n: ways[0] for n in self.named.venues if n not in named}
        return {n: Way(self.set_right(n, way)) for n, way in ways.items()}

    def set_right(self, venue: int, way: Delay) -> Delay:
        """A recorded clock: by the youngest event, of that venue where it was named."""
        if way.clock != "recorded":
            return way
        own = venue in self.ways and venue != 0
        ages = [
            f.time - f.stamp
            for f in self.world.frames
            if f.event in MARKET and (not own or self.named.venues[f.index] == venue)
        ]
        return replace(way, feed=min(ages))

    def slow(self, requests: Any, follow_ups: Any, timed: Any) -> Loop:
        session, named = self.session, self.named
        facts = [named.charged(i, each) for i, each in enumerate(named.facts)]
        frames = [
            frame._replace(cells=(named.charged(frame.index, frame.cells[0]),)) if frame.event == "version" else frame
            for frame in self.world.frames
        ]
        begin = self.world.main[0].time
        exchange = Exchange(
            facts,
            rules=self.rules,
            leverage=session.leverage,
            hedge=session.hedge,
            isolated=session.isolated,
            queue=session.queue,
            bar_volume_share=session.bar_volume_share,
            limits_at_limit=session.limits_at_limit,
            fuse=session.fuse,
            impact=self.law(session),
            begin=begin,
        )
        for each in facts:
            before = session.volumes.get(each.venue, session.volumes.get(0, 0))
            entry = (begin, each.volume_group, before)
            if entry not in exchange.traded:
                exchange.traded.append(entry)
        loop = Loop(exchange, frames, requests, follow_ups=follow_ups, timed=timed, ways=self.routes())
        for account in self.accounts:
            for name, amount in self.cash(account).items():
                number = at_venue(next(c for c in NAMES if NAMES[c] == name), account)
                exchange.account.balances[number] += int(amount.scaleb(18))
                loop.account.balances[number] += int(amount.scaleb(18))
        return loop

    # --- the comparison ---

    def play(self) -> None:
        """Raises Part where the two differ."""
        if not self.world.main:
            return
        with tempfile.TemporaryDirectory(prefix="session-") as folder:
            made = type("Mine", (Plays,), {"plays": self.world})
            session = Backtest(RunSpec(self.plan(Path(folder)), made, Path(folder) / "run"))
            try:
                session.open()
                session.start()
            except OnetapeError as problem:
                session.close()
                self.met[f"refused: {problem}"] += 1
                return  # no session at all: steps are missing that an option needs
            session.step()
            session.finish()
            played = tapes.Played(session, Path(folder) / "run")
            if played.host.failures:
                raise Part(f"the robot failed: {played.host.failures[0]}")
            self.compare(played)
            session.close()

    def compare(self, played: tapes.Played) -> None:
        robot, journal = played.robot, Journal(played.journal)
        same(robot.frames, len(self.world.main), "frames that the robot was shown")
        requests, follow_ups, timed = journal.requests_of(robot)
        loop = self.slow(requests, follow_ups, timed)
        loop.run()
        wanted = [(n.heard, n.event) for n in loop.heard if n.event["event"] != "fees"]
        for got, (heard, event) in zip(journal.news, wanted, strict=False):
            self.compare_news(got, heard, event)
        rest = max(journal.news, wanted, key=len)[min(len(journal.news), len(wanted)) :][:2]
        if rest:
            more = "core" if len(journal.news) > len(wanted) else "reference"
            raise Part(f"the {more} alone says {rest}")
        self.compare_money(played, loop)
        self.met.update(
            {
                "requests": len(journal.requests),
                "follow-ups": sum(map(len, follow_ups.values())),
                "fills": sum(kind == "fill" for _, kind, *_ in journal.news),
                "loans": sum(kind == "loan" for _, kind, *_ in journal.news),
                "taken over": played.loop.counters()["deleveragings"],
                "versions": sum(frame.event == "version" for frame in self.world.frames),
                "fused": loop.exchange.fused_quotes,
                "holes": loop.holes,
                "detail": sum(frame.is_detail for frame in self.world.frames),
                "apart": self.session.apart,
                "routes": len(loop.ways) > 1,
                "recorded clocks": any(way.delay.clock == "recorded" for way in loop.ways.values()),
                "constant clocks": any(way.delay.clock == "constant" for way in loop.ways.values()),
                "curves": any(way.delay.curve for way in loop.ways.values()),
                "bursts": any(way.delay.burst for way in loop.ways.values()),
            }
        )

    def compare_news(self, got: Any, heard: int, event: dict[str, Any]) -> None:
        time, kind, index, data = got
        context = f"at {time - START} {kind} {data}; the reference at {heard - START} {event}"
        same(time, heard, context)
        if kind == "cash":
            same("cash", event["event"], context)
            same(Decimal(data["amount"]).scaleb(18), event["amount"], context)
            if data["kind"] == "interest":
                account = VENUES.index(data["account"]) + 1 if "account" in data else 0
                number = next(c for c in NAMES if NAMES[c] == data["currency"])
                same(at_venue(number, account), event["currency"], context)
            return
        same(index, event["owner"], context)
        if kind == "loan":
            same("loan", event["event"], context)
            same(data["state"], "called" if event["called"] else "covered", context)
            for key in ("assets", "debts"):
                same(Decimal(data[key]).scaleb(18), event[key], context)
            return
        same("fill" if kind == "fill" else "order", event["event"], context)
        for key, value in event.items():
            if key in data and data[key] != value:
                same(data[key] or "none", value, f"{key}: {context}")

    def compare_money(self, played: tapes.Played, loop: Loop) -> None:
        sim, recorded, exchange = played.loop, loop.account, loop.exchange

        def money(text: str) -> Decimal:
            return Decimal(text).scaleb(18)

        total = 0
        for index, market in enumerate(exchange.markets):
            recorded.marks[index] = self.valued(index, market)
        first = next(iter(self.accounts.values()))[0]
        for account, currencies in self.accounts.items():
            cash = self.cash(account)
            for currency in currencies:
                number, name = at_venue(currency, account), NAMES[currency]
                key = played.host.money_index(VENUES[account - 1] if account else "", name)
                balance = recorded.balances[number]
                same(money(sim.balance_text(key)), balance, f"{name} at account {account}")
                for each in (exchange.account, recorded):
                    kept(each, exchange.facts, number, int(cash[name].scaleb(18)))
            if first in currencies:
                total += recorded.equity(at_venue(first, account))
        for index, symbol in enumerate(self.named.symbols):
            for side in ("long", "short") if self.session.hedge else (None,):
                held = recorded.closable(index, side or "both")
                same(played.robot.position(symbol, side).qty_int, held, f"position {symbol}")
            same(money(sim.fees_text(index)), recorded.fees[index], f"fees {symbol}")
            same(money(sim.funding_text(index)), recorded.funding[index], f"funding {symbol}")
            same(money(sim.insurance_text(index)), recorded.insurance[index], f"insurance {symbol}")
        if not self.session.fuse:  # the robot's own book is the venue's, not the fused one
            same(money(sim.equity_text), total, "equity")
        same(sim.counters()["fused_quotes"], exchange.fused_quotes, "fused quotes")
        same(sim.counters()["detail_holes"], loop.holes, "holes in the detail data")

    def valued(self, index: int, market: Any) -> Fraction | int:
        """What the robot reckons a holding with: mark, exact mid, last trade, close of a bar."""
        if market.mark:
            return market.mark
        if index in self.session.detail:
            bars = [f for f in self.world.main if f.event == "bar" and f.index == index]
            return bars[-1].cells[4] if bars else 0
        depth, quote = market.depth or {"buy": {}, "sell": {}}, market.quote
        if quote and quote.bid and quote.ask:
            return Fraction(quote.bid + quote.ask, 2)
        if depth["buy"] and depth["sell"]:
            return Fraction(max(depth["buy"]) + min(depth["sell"]), 2)
        return market.trade.price if market.trade else market.bar.close if market.bar else 0


def scaled(way: Delay, scale: int) -> Delay:
    start = 0 if way.daily else START
    unit = 1 if way.daily else scale
    return replace(
        way,
        request=way.request * scale,
        reply=way.reply * scale,
        burst=way.burst * scale,
        window=way.window * scale,
        feed=way.feed * scale,
        curve=tuple((start + t * unit, r * scale, b * scale) for t, r, b in way.curve),
    )


def kept(account: Any, facts: list[Facts], currency: int, deposited: int) -> None:
    """What came and went has a name: trades, fees, funding, insurance, interest."""
    change = account.interest[currency]
    for index, each in enumerate(facts):
        held = [h for (i, _), h in account.held.items() if i == index]
        if each.settle == currency:
            change += account.funding[index] + account.insurance[index]
            change -= account.fees[index] + account.liquidation_fees[index]
            change += sum(h.realized - (h.cost if each.is_spot else 0) for h in held)
        if each.is_spot and each.base == currency:
            change += sum(each.coins(h.qty) for h in held)
    same(account.balances[currency], deposited + change, f"what became of currency {currency}")


def difference(session: Session, as_core: AsCore | None = None) -> str | None:
    """Where the two part first, or None when they agree to the last unit."""
    try:
        Duel(session, as_core).play()
    except Part as part:
        return str(part)
    return None


def explained(session: Session, as_core: AsCore | None = None) -> str | None:
    """None, or the smallest session that still differs in the same thing, as text."""
    found = difference(session, as_core)
    if found is None:
        return None
    what = found.partition(":")[0]
    small = shrunk(session, lambda tried: (difference(tried, as_core) or "").startswith(what))
    return f"{difference(small, as_core)}\n\n{script(small)}"


__all__ = ["ONE", "Duel", "difference", "explained"]
