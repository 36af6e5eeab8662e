"""Publish a host's journals to those that follow them, and copy the journals that this host follows.

A pure core: messages, the time and what is on the tapes come in by calls; messages go out by `send`. It is the same
live and in simulation, where messages are lost, doubled and reordered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape import __version__
from onetape.cluster.blocks import (
    Acknowledgement,
    Block,
    BlockRequest,
    HostState,
    HostThere,
    JournalState,
    Pulse,
    decode_block,
    encode_block,
    token,
)
from onetape.cluster.copy import JournalCopy
from onetape.cluster.links import show_copy
from onetape.cluster.source import JournalSource
from onetape.cluster.view import HostRow
from onetape.model.errors import BadInput, OnetapeError
from onetape.model.home import file_of, hosts_of
from onetape.model.sections import Config
from onetape.model.typed import from_json
from onetape.options.cluster import ClusterOptions
from onetape.store.config import keep_config, kept_config
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["HostMirror", "Send"]

AWAY_NS: Final = 5_000_000_000  # a host that says nothing for so long is away
COMPLETE_EVERY: Final = 5_000_000_000  # between complete announcements, if nothing has changed; and configurations
_OF_GATEWAYS: Final = "journal/gateway-"
ALIVE_MS: Final = 5_000  # a writer whose heartbeat is older is gone

# (subject, message, subject for the answer or "")
Send = Callable[[str, bytes, str], None]


class HostMirror:
    """What one host gives to others and copies of theirs. send: publishes a message. durable: copies can be synced.
    log: called with a line for a person."""

    def __init__(
        self,
        options: ClusterOptions,
        *,
        send: Send,
        durable: bool = True,
        log: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.host, self.home, self.root = options.host, Path(options.home), options.name
        self.shared = {f"journal/{file_of(process)}": hosts for process, hosts in options.shared.items()}
        self.acknowledged = {f"journal/{file_of(process)}": host for process, host in options.replicated.items()}
        self.follows = list(options.follow)
        self._shown: dict[str, tuple[str, int]] = {}  # journal -> host whose copy readers see, when its writer lived
        self.hosts: dict[str, HostState] = {}
        self.copies: dict[tuple[str, str], JournalCopy] = {}
        self.sources: dict[str, JournalSource] = {}
        self.followed: dict[str, JournalReader] = {}  # readers of new frames, of the sources that others follow
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}  # of copies, by the tokens of their subjects
        self._unwanted: set[tuple[str, str]] = set()  # journals of other hosts that are not copied
        self._heard: dict[str, tuple[int, int]] = {}  # when a host announced itself last, by our clock and by its own
        self._own: dict[str, JournalState] = {}
        self._announced_last: object = None  # what the last complete announcement said
        self._announced_at = 0  # when that was, 0: another one is due
        self._configured_at = 0  # when the configuration was sent
        self._configs: dict[str, str] = {}  # of other hosts
        self._peers = options.peers
        self._unheard: set[str] = set()  # hosts that are there, and have not said what they have
        self._logged: dict[str, str] = {}  # the last error of a journal
        self.hidden: frozenset[str] = frozenset()  # journals of this host that another host continues
        self._send, self._log, self._durable = send, log, durable
        self._answers = f"{self.root}.answer.{token(self.host)}"

    @property
    def subjects(self) -> list[str]:
        """Returns the subjects to subscribe to, besides those of `tapes`."""
        pulses = {f"{self.root}.pulse.{token(host)}" for host, _ in self.copies}
        own = token(self.host)
        subjects = [f"{self.root}.host.*", f"{self.root}.request.{own}", f"{self.root}.ack.{own}.*"]
        return [*subjects, f"{self._answers}.*.*", *pulses]

    @property
    def tapes(self) -> list[str]:
        """Returns the subjects of the journals that are copied here; it grows as hosts announce themselves."""
        return [self.tape_of(host, journal) for host, journal in self.copies]

    def tape_of(self, host: str, journal: str) -> str:
        return f"{self.root}.tape.{token(host)}.{token(journal)}"

    # --- what this host gives --------------------------------------------------------------------

    def announce(self, now: int, processes: Iterable[str] = (), *, is_last: bool = False) -> None:
        """Say that this host is there, and which journals it has if that has changed; every two seconds, and when
        `is_due`. now: ns UTC. processes: those that take commands. is_last: this host is stopped."""
        self._find_sources()
        for source in self.sources.values():
            source.look()
        self._own = {journal: source.state(now) for journal, source in self.sources.items()}
        of = list(processes)
        said = {name: _lasting(each) for name, each in self._own.items()}, of, is_last
        asks = sorted(self._unheard.union(self._peers) - self.hosts.keys())
        self._unheard.clear()
        if not self._announced_at or said != self._announced_last or now - self._announced_at >= COMPLETE_EVERY:
            self._announced_last, self._announced_at = said, now
            state = HostState(self.host, __version__, now, self._own, self.follows, of, is_last, asks)
            message = msgspec.json.encode(state)
        else:
            message = msgspec.json.encode(HostThere(self.host, now, asks))
        self._send(f"{self.root}.host.{token(self.host)}", message, "")

    @property
    def is_due(self) -> bool:
        """Returns True when a host waits for an announcement, or one is to be asked for."""
        return bool(self._unheard) or not self._announced_at

    def pulse(self, now: int) -> None:
        """Say how the journals are that others follow; ten times a second, because readers of a copy judge its writer
        by its heartbeat. now: ns UTC."""
        states = {journal: self.sources[journal].state(now) for journal in self.followed}
        if not states:
            return
        config = ""
        if now - self._configured_at >= COMPLETE_EVERY:
            self._configured_at, kept = now, kept_config(self.home)
            config = "" if kept is None else msgspec.json.encode(kept).decode()
        message = msgspec.json.encode(Pulse(self.host, states, config))
        self._send(f"{self.root}.pulse.{token(self.host)}", message, "")

    def publish(self) -> None:
        """Send what was written since the last call to journals that others follow."""
        for journal in list(self.followed):
            try:
                for message in self.sources[journal].blocks():
                    self._send(self.tape_of(self.host, journal), message, "")
            except OnetapeError as error:
                self._drop(journal, error)

    def _say(self, journal: str, error: OnetapeError) -> None:
        """Logs a journal's error, once until it has another one."""
        if self._logged.get(journal) != error.message:
            self._logged[journal] = error.message
            self._log(f"{journal}: {error.message}")

    def _find_sources(self) -> None:
        places = [*(self.home / "journal").glob("*"), *(self.home / "runs").glob("*/journal")]
        there = {
            str(path.relative_to(self.home)): path
            for path in places
            if (path / "control").exists() and not path.is_symlink()
        }
        there = {name: path for name, path in there.items() if name not in self.hidden}
        for journal in [name for name, source in self.sources.items() if name not in there or source.is_gone]:
            self._drop(journal)
        for journal in there.keys() - self.sources.keys():
            try:
                is_acknowledged = journal in self.acknowledged
                self.sources[journal] = JournalSource(there[journal], is_acknowledged=is_acknowledged)
            except OnetapeError as error:
                self._say(journal, error)
        self._find_followed()

    def _find_followed(self) -> None:
        patterns = {pattern for state in self.hosts.values() for pattern in state.follows}
        wanted = {name for name in self.sources if any(fnmatchcase(f"{self.host}/{name}", each) for each in patterns)}
        for journal in self.followed.keys() - wanted:
            del self.followed[journal]
            self.sources[journal].end()
        for journal in wanted - self.followed.keys():
            self._configured_at = 0
            self.followed[journal] = self.sources[journal].begin()

    def _drop(self, journal: str, error: OnetapeError | None = None) -> None:
        """Forget a journal that is gone, or damaged: the next look may find it again."""
        if error is not None:
            self._say(journal, error)
        self.followed.pop(journal, None)
        self.sources.pop(journal).close()

    def _answer(self, request: BlockRequest, reply: str) -> None:
        source = self.sources.get(request.journal)
        end = encode_block(bytes.fromhex(request.uuid), 0, 0, 0, b"")
        if source is not None:
            try:
                for message in source.answer(request):
                    self._send(reply, message, "")
            except BadInput as error:
                self._say(request.journal, error)
                end = encode_block(bytes.fromhex(request.uuid), 1, 0, 0, b"")  # segment 1: there is no such place
            except OnetapeError as error:
                self._say(request.journal, error)
        self._send(reply, end, "")

    # --- what it copies --------------------------------------------------------------------------

    def received(self, subject: str, message: bytes, reply: str, now: int) -> None:
        """A message of another host has come. now: ns UTC. Raises BadInput for one that cannot be read."""
        _, kind, host, *rest = subject.split(".")  # host: of the sender, of an answer ours
        match kind:
            case "host":
                state = from_json(message, HostState | HostThere)
                _check_sender(state.host, host)
                self._announced(state, now)
            case "pulse":
                pulse = from_json(message, Pulse)
                _check_sender(pulse.host, host)
                for journal, state in pulse.journals.items():
                    if (pulse.host, journal) in self.copies:
                        self._copy((pulse.host, journal), state, now)
                        self._show(pulse.host, journal, now)
                if pulse.config:
                    self._keep(pulse.host, pulse.config)
            case "tape":
                if (key := self._keys.get((host, rest[0]))) is not None:
                    self._act(key[0], self.copies[key].block(decode_block(message), now))
                    self._acknowledge(key)
            case "ack":
                said = from_json(message, Acknowledgement)
                source = self.sources.get(said.journal)
                if source is not None and token(self.acknowledged.get(said.journal, "")) == rest[0]:
                    source.acknowledged(said)
            case "answer":
                self._answered(decode_block(message), (rest[0], rest[1]), now)
            case "request":
                self._answer(from_json(message, BlockRequest), reply)

    def tick(self, now: int) -> None:
        """Called ten times a second: requests overdue blocks."""
        for (host, _), copy in self.copies.items():
            if self.is_away(host, now):
                copy.away()
            else:
                self._act(host, copy.overdue(now))

    def is_away(self, host: str, now: int) -> bool:
        return now - self.heard(host) > AWAY_NS

    def heard(self, host: str) -> int:
        """Returns when the host announced itself last, ns UTC by this host's clock; 0: never."""
        return self._heard.get(host, (0, 0))[0]

    def rows(self, now: int) -> list[HostRow]:
        """Returns what is known of each host, this one first. now: ns UTC."""
        found = [HostRow(self.host, "self", __version__, 0.0, None, _processes(self._own))]
        for name, state in sorted(self.hosts.items()):
            lags = [copy.lag_ns(now) for (host, _), copy in self.copies.items() if host == name]
            lag = max(lags) // 1_000_000 if lags else None
            word = "up" if not self.is_away(name, now) else "down" if state.is_last else "away"
            heard, time = self._heard[name]
            clock = (heard - time) / 1e6
            found.append(HostRow(name, word, state.version, clock, lag, _processes(state.journals)))
        return found

    def is_behind(self, journal: str, now: int) -> bool:
        """Returns True while a host that is there has frames of a journal that are not here."""
        return any(
            copy.is_behind
            for (host, name), copy in self.copies.items()
            if name == journal and not self.is_away(host, now)
        )

    def lacks(self, host: str, process: str) -> bool:
        """Returns True while the journal of another host's process is to be copied, and cannot be read here yet."""
        journal = f"journal/{file_of(process)}"
        is_wanted = any(fnmatchcase(f"{host}/{journal}", pattern) for pattern in self.follows)
        return is_wanted and not is_tape(self.home / journal)

    def is_lost(self, process: str, now: int) -> bool:
        """Returns True when all other hosts of a shared process are there, and none has its journal."""
        journal = f"journal/{file_of(process)}"
        hosts = self.shared.get(journal, ())
        return not any(self.is_away(host, now) or journal in self.hosts[host].journals for host in hosts)

    def let_go(self, host: str, journal: str) -> None:
        """Ends a copy, so that its folder can be moved: a process of this host continues the journal."""
        copy = self.copies.pop((host, journal), None)
        self._keys.pop((token(host), token(journal)), None)
        if copy is not None:
            copy.close()

    def close(self) -> None:
        for source in self.sources.values():
            source.close()
        for copy in self.copies.values():
            copy.close()

    def _announced(self, state: HostState | HostThere, now: int) -> None:
        if state.host == self.host:
            return
        before = self.hosts.get(state.host)
        if self.host in state.asks:
            self._announced_at = 0
        if isinstance(state, HostThere):
            if before is None:
                self._unheard.add(state.host)
            else:
                self._heard[state.host] = now, state.time
            return
        for journal in state.journals:
            _check_path(journal)
        self.hosts[state.host] = state
        self._heard[state.host] = now, state.time
        if before is None or before.follows != state.follows:
            self._find_followed()
        for journal, found in state.journals.items():
            key = (state.host, journal)
            if key not in self.copies:
                if key in self._unwanted:
                    continue
                if not any(fnmatchcase("/".join(key), pattern) for pattern in self.follows):
                    self._unwanted.add(key)
                    continue
                path = hosts_of(self.home) / token(state.host) / journal
                path.parent.mkdir(parents=True, exist_ok=True)
                self.copies[key] = JournalCopy(path, journal, durable=self._durable)
                self._keys[token(state.host), token(journal)] = key
            self._copy(key, found, now)
            self._show(state.host, journal, now)

    def _keep(self, host: str, config: str) -> None:
        """Keeps the configuration of a host of which something is copied, for commands that read it there."""
        if config != self._configs.get(host) and any(each == host for each, _ in self.copies):
            self._configs[host] = config
            with suppress(msgspec.DecodeError):  # of another version: the one that is here stays
                keep_config(hosts_of(self.home) / token(host), from_json(config.encode(), Config))

    def _show(self, host: str, journal: str, now: int) -> None:
        """Lets readers here see a host's copy of a shared journal, if it is its turn."""
        if host in self.shared.get(journal, ()) and self._is_shown(host, journal, now):
            show_copy(self.home / journal, self.copies[host, journal].path)

    def _is_shown(self, host: str, journal: str, now: int) -> bool:
        """Returns True for the host whose copy readers here see: of several with a living writer the first, and another
        one once that has been away for a while. A gateway has one writer, which moves at once."""
        alive = [
            each
            for each in self.shared[journal]
            if not self.is_away(each, now) and (copy := self.copies.get((each, journal))) is not None and copy.is_alive
        ]
        shown, seen = self._shown.get(journal) or (self._linked(journal), now)
        if shown in alive:
            seen = now
        elif alive and (not shown or journal.startswith(_OF_GATEWAYS) or now - seen > AWAY_NS):
            shown, seen = alive[0], now
        if shown:
            self._shown[journal] = shown, seen
        return host == (shown or host)

    def _linked(self, journal: str) -> str:
        """Returns the host whose copy is at the usual place of a journal, "": none."""
        place = self.home / journal
        linked = place.readlink().parts[-3:-2] if place.is_symlink() else ()
        return next((host for host in self.shared[journal] if (token(host),) == linked), "")

    def _copy(self, key: tuple[str, str], state: JournalState, now: int) -> None:
        try:
            self._act(key[0], self.copies[key].announced(state, now))
            self._acknowledge(key)
        except OnetapeError as error:
            self._say("/".join(key), error)

    def _answered(self, block: Block, tokens: tuple[str, str], now: int) -> None:
        key = self._keys.get(tokens)
        if key is None:
            return
        copy = self.copies[key]
        if len(block.message) > block.start:
            copy.block(block, now)
            self._acknowledge(key)
        elif block.segment:
            copy.refused()
        else:
            self._act(key[0], copy.answered(now))

    def _acknowledge(self, key: tuple[str, str]) -> None:
        said = self.copies[key].acknowledgement
        if said is not None:
            subject = f"{self.root}.ack.{token(key[0])}.{token(self.host)}"
            self._send(subject, msgspec.json.encode(said), "")

    def _act(self, host: str, request: BlockRequest | None) -> None:
        if request is not None:
            answer = f"{self._answers}.{token(host)}.{token(request.journal)}"
            self._send(f"{self.root}.request.{token(host)}", msgspec.json.encode(request), answer)


def _lasting(state: JournalState) -> tuple[Any, ...]:
    """Returns what changes seldom of a journal's state."""
    return state.uuid, state.first_segment, state.acknowledged, state.alive, _beats(state)


def _beats(state: JournalState) -> bool:
    return not state.closed and 0 <= state.heartbeat_ms < ALIVE_MS


def _processes(journals: Mapping[str, JournalState]) -> list[dict[str, Any]]:
    """Returns the living writers of journals: processes by name, and runs."""
    found = []
    for path, each in journals.items():
        folder, name, *_ = path.split("/")
        kind, dash, rest = name.partition("-")
        if _beats(each):
            process = f"run {name}" if folder == "runs" else f"{kind}:{rest}" if dash else name
            found.append({"name": process, "heartbeat_age_ms": each.heartbeat_ms})
    return sorted(found, key=lambda row: str(row["name"]))


def _check_sender(host: str, sender: str) -> None:
    """Raises BadInput if a message is about another host than its subject, for which servers check who may send."""
    if token(host) != sender:
        raise BadInput(f"{sender} sends what is of {host[:80]!r}", location="cluster")


def _check_path(journal: str) -> None:
    """Raises BadInput if the path of an announced journal leads out of its host's folder."""
    if "\0" in journal or any(part in ("", ".", "..") for part in journal.split("/")):
        raise BadInput(f"{journal[:80]!r} is no path below a home", location="cluster")
