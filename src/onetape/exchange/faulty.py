"""A dialect that misbehaves by fault rules. It stands between the server and the venue's own dialect, with the same
interface. No I/O and no clock, as in a dialect: delayed effects happen in a `tick`. Requests are passed on to the
venue's dialect, or not, or late, or twice; its messages are dropped, delayed or changed.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.dialect import ABORT, Close, Connection, Dialect, Pending, Reply, Request
from onetape.exchange.exchange import SimExchange
from onetape.exchange.exchange_file import simulated
from onetape.exchange.fault_facts import Facts, VenueWords
from onetape.exchange.faults import FOR_EVER, ActiveRule, Rule
from onetape.exchange.hands import by_hand
from onetape.exchange.reports import OrderReport, Report
from onetape.exchange.views import View, frozen, seen_as, without_new
from onetape.model.enums import OrderState
from onetape.model.errors import BadConfig
from onetape.model.time import parse_duration

__all__ = ["Faulty", "Received"]

REQUESTS_KEPT: Final = 10_000
REORDER_NS: Final = 5_000_000_000  # longest time for which an answer waits for its stream message
SECRETS: Final = ("signature=", "listenKey=")
_LASTING: Final = frozenset({"halt", "maintenance", "clock_skew"})


class Received(NamedTuple):
    """One received request. fault: the fault applied to it, "" if none."""

    number: int
    time: int  # ns UTC
    method: str
    path: str
    query: str  # without signatures
    account: str
    purpose: str
    fault: str


def _received(number: int, time: int, facts: Facts, query: str, fault: str) -> Received:
    shown = "&".join(each for each in query.split("&") if not each.startswith(SECRETS))
    return Received(number, time, facts.method, facts.path, shown, facts.account, facts.purpose, fault)


@dataclass(slots=True, eq=False)
class _Link:
    """A client's connection, and the dialect's connection for it."""

    outer: Connection
    inner: Connection
    silent_until: int = 0
    read_at: int = 0


@dataclass(slots=True, eq=False)
class _Waiting:
    """An answer that waits for a message about its account."""

    pending: Pending
    reply: Reply
    account: str
    until: str


@dataclass(slots=True, eq=False)
class _Stale:
    """The delayed stream of an account; account "": of every account."""

    account: str
    until: int
    held: list[tuple[_Link, bytes]] = field(default_factory=list)


SpeedBump = Callable[[str, bytes], tuple[int, int]]


class Faulty:
    """Implements `Dialect` in front of another one, and adds faults. seed: for the randomness of the rules."""

    def __init__(self, inner: Dialect, kind: str, *, seed: int = 1) -> None:
        self.inner = inner
        self.kind = kind
        self.exchange: SimExchange = inner.exchange
        self.vocabulary = inner.vocabulary
        self.words: VenueWords = self.vocabulary(kind, inner)
        self.seed = seed
        self.active_rules: list[ActiveRule] = []  # all rules in force
        self.rules: list[ActiveRule] = []  # the rules in force about requests and messages
        self._requests: deque[Received | tuple[int, int, Request]] = deque(maxlen=REQUESTS_KEPT)
        self._links: dict[int, _Link] = {}
        self._speaking: list[_Link] = []  # connections with pending messages of the venue
        self._silenced: list[_Link] = []
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0
        self._number = 0
        self._rule_count = 0  # rules so far
        self._generation = 0  # increased by `clear`, which voids the plans of earlier rules
        self._waiting: list[_Waiting] = []
        self._stale: list[_Stale] = []
        self._views: list[tuple[int, View]] = []  # (until, an earlier state of an account)
        self._read_at: dict[str, int] = {}  # account -> when its next request is read, if requests are read slowly
        self._maintenance: tuple[int, str] = (0, "")
        self._halted: set[int] = set()
        self._random = Random(seed)
        # For a venue with a speed bump: returns the (least, most) delay in ns, by path ("": a message) and body.
        self.speed_bump: SpeedBump | None = None

    @property
    def skew(self) -> int:
        return self.inner.skew

    @skew.setter
    def skew(self, value: int) -> None:
        self.inner.skew = value

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return self.inner.addresses(host, port)

    # --- rules ------------------------------------------------------------------------------------

    def add(self, rules: Iterable[Rule], now: int, *, since: int | None = None) -> None:
        """Adds rules. since: the time from which their times are counted, default now. Timed actions that were due
        before now count as done, because a restart must not repeat them. Raises BadConfig, and then adds none."""
        made = self.check(rules, now, since=now if since is None else since)
        self._rule_count += len(made)
        self.active_rules += made
        for active in made:
            if active.about != "time":
                self.rules.append(active)
            elif active.begins >= now or active.action in _LASTING:
                # Lasting effects continue, or end, after a restart of the exchange.
                self._at_rule(max(active.begins, now), partial(self._by_time, active))

    def check(self, rules: Iterable[Rule], now: int, *, since: int | None = None) -> list[ActiveRule]:
        """Returns the rules as active ones, after checking that the exchange has everything that they name. Raises
        BadConfig."""
        made = []
        for number, rule in enumerate(rules, self._rule_count):
            active = ActiveRule(rule, number=number, seed=self.seed, since=now if since is None else since)
            if rule.symbol:
                active.symbols = self.words.spellings(rule.symbol)
            if rule.account and rule.account not in {a.name for a in self.exchange.accounts}:
                raise BadConfig(f"no account {rule.account!r}", location=f"fault {rule.title}")
            if rule.action == "error":
                self.words.error(active)
            if rule.action == "expire_listen_key" and not self.words.has_listen_keys:
                raise BadConfig(f"{self.kind} has no listen keys", location=f"fault {rule.title}")
            by_hand(self.exchange, self.words, active, now, only_check=True)
            made.append(active)
        return made

    def clear(self, now: int) -> None:
        """Removes all rules and their lasting effects: delayed messages are sent, halted instruments reopen. Delayed
        answers still come."""
        self.rules.clear()
        self.active_rules.clear()
        self._generation += 1
        self.skew = 0
        self._maintenance = (0, "")
        self._views.clear()
        self._read_at.clear()
        for link in self._links.values():
            link.silent_until, link.outer.silent = 0, False
        for stale in list(self._stale):
            self._release(stale)
        for index in sorted(self._halted):
            self.exchange.board.set_open(index, True, now)
        self._halted.clear()

    def at(self, when: int, what: Callable[[int], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, what))

    def _at_rule(self, when: int, what: Callable[[int], None]) -> None:
        """Schedules an action, which is dropped if the rules are cleared before."""
        generation = self._generation

        def fire(due: int) -> None:
            if generation == self._generation:
                what(due)

        self.at(when, fire)

    @property
    def next_due(self) -> int:
        """Returns when `tick` must be called next, ns UTC; a time far in the future if never."""
        return self._due[0][0] if self._due else FOR_EVER

    # --- requests ---------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply | Pending:
        if request.path == "/":
            return Reply.json(simulated(self.kind))
        wait = self._wait_of(request.path, request.body) if self.speed_bump is not None else 0
        if not wait:
            return self._judged(request, now)
        pending = Pending()

        def arrive(due: int) -> None:
            reply = self._judged(request, due)
            if not isinstance(reply, Pending):
                pending.finish(reply)
            elif reply.is_done:
                pending.finish(reply.reply)
            else:
                reply.then = lambda: pending.finish(reply.reply)

        self.at(now + wait, arrive)
        return pending

    def _wait_of(self, path: str, body: bytes) -> int:
        """Returns a request's delay at the venue's speed bump, ns; 0 for requests that are not delayed."""
        if self.speed_bump is None or not body:
            return 0
        least, most = self.speed_bump(path, body)
        return self._random.randint(least, most)

    def _judged(self, request: Request, now: int) -> Reply | Pending:
        is_judged = self.rules or self._views or self._maintenance[0] or self.exchange.board.maintenance[0]
        if not is_judged:  # the usual case
            self._number += 1
            self._requests.append((self._number, now, request))
            return self._inner_http(request, now)
        facts = self.words.request(request, with_symbols=bool(self.rules))
        if self._in_maintenance(facts, now):
            self._note(facts, request.query, now, "maintenance")
            return self.words.maintenance()
        rule = self._rule_for(facts, now)
        self._note(facts, request.query, now, rule.rule.title if rule else "")
        if rule is None:
            return self._carry_out(request, facts, now)
        return self._misbehave(rule, request, facts, now)

    def _misbehave(self, rule: ActiveRule, request: Request, facts: Facts, now: int) -> Reply | Pending:
        match rule.action:
            case "delay":
                return self._later(self._carry_out(request, facts, now), now + rule.pause())
            case "slow_reads":
                begins = max(self._read_at.get(facts.account, 0), now) + rule.pause()
                self._read_at[facts.account] = begins
                pending = Pending()
                self.at(begins, lambda due: pending.finish(self._carry_out(request, facts, due)))
                return pending
            case "drop_answer":
                self._carry_out(request, facts, now)
                return self._later(None, now + rule.pause())
            case "drop_request":
                return self._later(None, now + rule.pause())
            case "duplicate":
                reply = self._carry_out(request, facts, now)
                self.at(now + rule.pause(), lambda due: _ignore(self._carry_out(request, facts, due)))
                return reply
            case "error":
                reply, is_ambiguous = self.words.error(rule)
                if self._is_done(rule, is_ambiguous):
                    self._carry_out(request, facts, now)
                return reply
            case "shuffle":
                reply = self._carry_out(request, facts, now)
                return reply._replace(body=shuffled(reply.body, rule.random))
            case "reorder":
                pending = Pending()
                waiting = _Waiting(pending, self._carry_out(request, facts, now), facts.account, rule.rule.until)
                self._waiting.append(waiting)
                self.at(now + (rule.wait or REORDER_NS), partial(self._answer, waiting))
                return pending
            case "invisible":
                account = self._account(facts.account)
                if account is None or not facts.reads:
                    return self._carry_out(request, facts, now)
                born_before = now - rule.lasting
                view = without_new(self.exchange, account, born_before, fills=rule.rule.fills)
                with seen_as(self.exchange, view):
                    return self._inner_http(request, now)
            case _:
                reply = self._carry_out(request, facts, now)
                self._by_time(rule, now)
                return reply

    @staticmethod
    def _is_done(rule: ActiveRule, is_ambiguous: bool) -> bool:
        """Tells whether a request that is answered with an error is carried out all the same."""
        if rule.rule.done is not None:
            return rule.rule.done
        return is_ambiguous and rule.random.random() < 0.5

    def _later(self, reply: Reply | None, when: int) -> Pending:
        pending = Pending()
        self.at(when, lambda due: pending.finish(reply))
        return pending

    def _answer(self, waiting: _Waiting, _now: int) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        waiting.pending.finish(waiting.reply)

    def _carry_out(self, request: Request, facts: Facts, now: int) -> Reply:
        view = self._view(facts, now) if self._views else None
        if view is None:
            return self._inner_http(request, now)
        with seen_as(self.exchange, view):
            return self._inner_http(request, now)

    def _inner_http(self, request: Request, now: int) -> Reply:
        reply = self.inner.http(request, now)
        assert isinstance(reply, Reply), "one Faulty in front of another"
        if self._speaking:
            self._sweep(now)
        return reply

    def _view(self, facts: Facts, now: int) -> View | None:
        if not self._views or not facts.reads:
            return None
        self._views = [each for each in self._views if each[0] > now]
        return next((v for _, v in self._views if v.account.name == facts.account), None)

    def _account(self, name: str) -> SimAccount | None:
        return next((a for a in self.exchange.accounts if a.name == name), None)

    def _rule_for(self, facts: Facts, now: int) -> ActiveRule | None:
        for rule in self.rules:
            if (
                rule.about == "request"
                and rule.fits_request(facts.method, facts.path, facts.purpose)
                and rule.fits(facts.account, facts.symbols)
                and rule.takes(now)
            ):
                return rule
        return None

    def _in_maintenance(self, facts: Facts, now: int) -> bool:
        # By a rule, or by hand, which only the exchange knows.
        return any(
            now < until and facts.purpose != allowed
            for until, allowed in (self._maintenance, self.exchange.board.maintenance)
        )

    def close_sockets(self, reason: str) -> None:
        for link in self._of(""):
            if said := self.words.farewell(link.inner, self.exchange.now):
                link.outer.say(said)
            link.outer.close(1001, reason)

    @property
    def received(self) -> list[Received]:
        """Returns the newest requests, in order of receipt."""
        return [each if isinstance(each, Received) else self._received(*each) for each in list(self._requests)]

    def _received(self, number: int, time: int, request: Request) -> Received:
        return _received(number, time, self.words.request(request, with_symbols=False), request.query, "")

    def _note(self, facts: Facts, query: str, now: int, fault: str) -> None:
        self._number += 1
        self._requests.append(_received(self._number, now, facts, query, fault))

    # --- connections ------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        if now < max(self._maintenance[0], self.exchange.board.maintenance[0]):
            return False
        c = connection
        inner = Connection(c.id, c.path, c.query, c.peer, c.opened, c.headers)
        link = _Link(c, inner)
        inner.heard = lambda: self._speaking.append(link)
        if not self.inner.connect(inner, now):
            return False
        self._links[c.id] = link
        self._sweep(now)
        return True

    def disconnect(self, connection: Connection) -> None:
        link = self._links.pop(connection.id, None)
        if link is not None:
            self.inner.disconnect(link.inner)

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        if wait := self._wait_of("", data):
            self.at(now + wait, lambda due: self._judge_message(connection, data, due))
        else:
            self._judge_message(connection, data, now)

    def _judge_message(self, connection: Connection, data: bytes, now: int) -> None:
        link = self._links.get(connection.id)
        if link is None or connection.silent:
            return
        facts = self.words.call(link.inner, data)
        rule = self._rule_for(facts, now)
        self._note(facts, "", now, rule.rule.title if rule else "")
        if rule is None:
            self._hand_in(link, data, now)
            return
        match rule.action:
            case "delay" | "slow_reads":
                begins = now + rule.pause()
                if rule.action == "slow_reads":
                    begins = link.read_at = max(link.read_at, now) + rule.pause()
                self.at(begins, lambda due: self._hand_in(link, data, due))
            case "drop_request":
                pass
            case "drop_answer":
                self._hand_in(link, data, now, is_answered=False)
            case "duplicate":
                self._hand_in(link, data, now)
                self.at(now + rule.pause(), lambda due: self._hand_in(link, data, due))
            case "error":
                reply, is_ambiguous = self.words.error(rule)
                said = self.words.socket_error(reply, data)
                if said is None or self._is_done(rule, is_ambiguous):
                    self._hand_in(link, data, now, is_answered=said is None)
                if said is not None:
                    link.outer.send(said)
            case "reorder" | "invisible" | "shuffle":  # for HTTP only
                self._hand_in(link, data, now)
            case _:
                self._hand_in(link, data, now)
                self._by_time(rule, now)

    def _hand_in(self, link: _Link, data: bytes, now: int, *, is_answered: bool = True) -> None:
        """Passes a client's message to the venue; what the venue sends to this client at once is the answer."""
        if link.outer.id not in self._links:
            return
        self._sweep(now)
        self.inner.message(link.inner, data, now)
        if not is_answered:
            link.inner.out.clear()
        self._sweep(now)

    # --- streams ----------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        self.inner.publish(reports, now)
        if self._speaking:
            self._sweep(now)
        for waiting in list(self._waiting) if self._waiting else ():
            if any(_is_news(waiting, report) for report in reports):
                # One step later, so that the stream's message leaves before the answer.
                self.at(now + 1, partial(self._answer, waiting))

    def tick(self, now: int) -> None:
        self.inner.tick(now)
        if self._speaking:
            self._sweep(now)
        while self._due and self._due[0][0] <= now:
            _, _, what = heapq.heappop(self._due)
            what(now)
            self.publish(self.exchange.take(), now)
        if self._silenced:
            for link in self._silenced:
                if now >= link.silent_until:
                    link.outer.silent = False
            self._silenced = [link for link in self._silenced if link.outer.silent]

    def _sweep(self, now: int) -> None:
        """Sends the venue's messages to the clients."""
        if not self._speaking:
            return
        stream_rules = [r for r in self.rules if r.about == "stream"]
        speaking, self._speaking = self._speaking, []
        for link in sorted(speaking, key=lambda link: link.outer.id):
            if link.outer.id not in self._links:
                continue
            out, link.inner.out = link.inner.out, []
            for message in out:
                if isinstance(message, Close):
                    link.outer.close(message.code, message.reason)
                elif link.outer.silent:
                    pass
                elif not stream_rules and not self._stale:
                    link.outer.send(message)
                else:
                    self._tell(link, message, stream_rules, now)

    def _tell(self, link: _Link, message: bytes, rules: list[ActiveRule], now: int) -> None:
        facts = self.words.message_facts(message)
        account = self.words.account_of(link.inner) if facts.is_private else ""
        if facts.is_private:
            for stale in list(self._stale):
                if now >= stale.until:
                    self._release(stale)
                elif stale.account in ("", account):
                    stale.held.append((link, message))
                    return
        rule = next(
            (
                r
                for r in rules
                if facts.event and r.fits_event(facts.event) and r.fits(account, facts.symbols) and r.takes(now)
            ),
            None,
        )
        if rule is None:
            link.outer.send(message)
            return
        match rule.action:
            case "gap":
                pass
            case "delay":
                self.at(now + rule.pause(), lambda due: _send(link, message))
            case "duplicate":
                link.outer.send(message)
                self.at(now + rule.pause(), lambda due: _send(link, message))
            case "bad_checksum":
                link.outer.send(bad_checksum(message))
            case "crossed_book":
                link.outer.send(crossed(message))
            case "disconnect":
                link.outer.close(ABORT, "")
            case "half_open":
                self._silence(link, now + rule.lasting)
            case _:
                link.outer.send(message)
                self._by_time(rule, now)

    def _release(self, stale: _Stale) -> None:
        if stale in self._stale:
            self._stale.remove(stale)
        for link, message in stale.held:
            _send(link, message)

    def _silence(self, link: _Link, until: int) -> None:
        link.outer.silent, link.silent_until = True, until
        self._silenced.append(link)

    # --- effects on the whole exchange --------------------------------------------------------------

    def _by_time(self, active: ActiveRule, now: int) -> None:
        """Applies a rule that concerns no single request or message; `lasting` begins now."""
        rule = active.rule
        until = (active.begins if active.about == "time" else now) + active.lasting
        if active.about == "time" and not active.takes(now):
            return
        match active.action:
            case "disconnect":
                for link in self._of(rule.account):
                    link.outer.close(ABORT, "")
            case "half_open":
                for link in self._of(rule.account):
                    self._silence(link, until)
            case "stale" if rule.side == "stream":
                stale = _Stale(rule.account, until)
                self._stale.append(stale)
                self.at(until, lambda due: self._release(stale))
            case "stale":
                for account in self.exchange.accounts:
                    if rule.account in ("", account.name):
                        self._views.append((until, frozen(self.exchange, account)))
            case "expire_listen_key":
                self._expire_keys(rule.account, now, silent=rule.silent)
            case "clock_skew":
                sign = -1 if rule.offset.startswith("-") else 1
                self.skew = sign * parse_duration(rule.offset.removeprefix("-"))
                self._at_rule(until, lambda due: setattr(self, "skew", 0))
            case "maintenance":
                if now >= until:
                    return
                self._maintenance = (until, rule.allow)
                self.close_sockets("maintenance")
                if rule.cancel_orders:
                    for account in self.exchange.accounts:
                        self.exchange.orders.cancel_all(account, now)
            case "halt":
                index = self.words.index(rule.symbol)
                self.exchange.board.set_open(index, False, now)
                self._halted.add(index)
                self._at_rule(until, lambda due: self._reopen(index, due))
            case _:
                by_hand(self.exchange, self.words, active, now)

    def _reopen(self, index: int, now: int) -> None:
        if index in self._halted:
            self._halted.discard(index)
            self.exchange.board.set_open(index, True, now)

    def _of(self, account: str) -> list[_Link]:
        links = list(self._links.values())
        return [k for k in links if not account or self.words.account_of(k.inner) == account]

    def _expire_keys(self, account: str, now: int, *, silent: bool) -> None:
        self.words.expire_keys(account, now, silent=silent)
        self._sweep(now)


def _ignore(_reply: Reply) -> None:
    """Drops the answer to the second of two equal requests."""


def _send(link: _Link, message: bytes) -> None:
    if not link.outer.silent:
        link.outer.send(message)


def _is_news(waiting: _Waiting, report: Report) -> bool:
    if not isinstance(report, OrderReport) or report.order.account.name != waiting.account:
        return False
    match waiting.until:
        case "fill":
            return report.fill is not None
        case "cancel":
            return report.state is OrderState.CANCELED
        case _:
            return True


# The venues' names of the two sides; swapped, the best bid is above the best ask.
PAIRS: Final = (("b", "a"), ("bids", "asks"), ("bid", "ask"), ("bidPrice", "askPrice"))
SIDES: Final = {"Buy": "Sell", "Sell": "Buy"}


def crossed(message: bytes) -> bytes:
    """Swaps bids and asks wherever they are in the message."""
    return msgspec.json.encode(_crossed(msgspec.json.decode(message)))


def _crossed(value: Any) -> Any:
    if isinstance(value, list):
        return [_crossed(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _crossed(inner) for name, inner in value.items()}
    for bid, ask in PAIRS:
        if bid in value and ask in value:
            found[bid], found[ask] = found[ask], found[bid]
    if value.get("side") in SIDES and "id" in value:  # a row of BitMEX's orderBookL2
        found["side"] = SIDES[value["side"]]
    return found


def shuffled(body: bytes, chance: Random) -> bytes:
    """Returns the rows of an answer in another order: a list, or Kraken's named rows in `result`."""
    value = msgspec.json.decode(body)
    if isinstance(value, list):
        chance.shuffle(value)
    elif isinstance(value, dict) and isinstance(value.get("result"), dict):
        rows = list(value["result"].items())
        chance.shuffle(rows)
        value["result"] = dict(rows)
    return msgspec.json.encode(value)


def bad_checksum(message: bytes) -> bytes:
    """Replaces each checksum by a wrong one; a message without any is unchanged."""
    value = msgspec.json.decode(message)
    rows = value.get("data") if isinstance(value, dict) else None
    found = False
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("checksum"), int):
            row["checksum"] ^= 1
            found = True
    return msgspec.json.encode(value) if found else message
