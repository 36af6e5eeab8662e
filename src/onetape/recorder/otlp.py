"""Sends orders as OpenTelemetry traces, read from tapes, as OTLP over HTTP in JSON.

A trace is one order; each frame of it is a span that begins at the frame before. Ids are derived from the order's
and the frame's positions on the tape, so that a repeated trace has the same ids.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.errors import ProcessDown
from onetape.model.time import TIME_MAX
from onetape.model.typed import from_json
from onetape.net.http_send import http_send
from onetape.options.recorder import GATEWAYS
from onetape.recorder.chains import LOOK_FRAMES, READ, Chain, Chains, Home, Tape, shown_chain

__all__ = ["send_traces", "trace_of"]

LOOK_S: Final = 0.5
_AT_ONCE: Final = 200  # orders per request
_INTERNAL, _ERROR = 1, 2  # SpanKind, StatusCode


class _Partial(msgspec.Struct):
    """Reports rejected spans: the names are the protocol's."""

    rejectedSpans: str | int = 0  # noqa: N815
    errorMessage: str = ""  # noqa: N815


class _Answer(msgspec.Struct):
    partialSuccess: _Partial | None = None  # noqa: N815


def trace_of(chain: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the ResourceSpans of one order from `chains`: a resource for each process."""
    hops = chain["hops"]
    robot, order_id = chain["order"]
    trace = _id(chain["journal"], robot, order_id, size=16)
    root = _id(trace, "order", size=8)
    refused = next((hop["data"] for hop in hops if hop["data"].get("news") in ("rejected", "denied")), None)
    whole = _span(trace, root, "", "order", hops[0]["ts"], max(hop["ts"] for hop in hops), _facts(chain))
    if refused is not None:
        whole["status"] = {"code": _ERROR, "message": str(refused.get("code", ""))}
    spans = [(chain["process"], whole)]
    for hop in hops:
        facts = {"journal": hop["journal"], "sequence": hop["seq"], **hop["data"]}
        name = " ".join(str(each) for each in (hop["what"], hop["data"].get("kind") or hop["data"].get("news")) if each)
        own = _id(hop["journal"], hop["seq"], trace, size=8)
        spans.append((hop["process"], _span(trace, own, root, name, hop["ts"] - hop["after_ns"], hop["ts"], facts)))
    spans.sort(key=lambda each: each[0])
    return [
        {
            "resource": {"attributes": _attributes({"service.name": process, "service.namespace": "onetape"})},
            "scopeSpans": [{"scope": {"name": "onetape"}, "spans": [span for _, span in group]}],
        }
        for process, group in groupby(spans, key=lambda each: each[0])
    ]


def _span(trace: str, own: str, parent: str, name: str, begin: int, end: int, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": own,
        "parentSpanId": parent,
        "name": name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(end),
        "attributes": _attributes({f"onetape.{key}": value for key, value in facts.items()}),
    }


def _facts(chain: dict[str, Any]) -> dict[str, Any]:
    return {key: chain[key] for key in ("id", "account", "robot", "symbol")}


def _attributes(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if type(value) is int and value < 2**63 else {"stringValue": str(value)},
        }
        for key, value in facts.items()
    ]


def _id(*parts: object, size: int) -> str:
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=size).hexdigest()


def send_traces(
    folder: Path, url: str, *, since: int, follow: bool = False, sent: Callable[[int], None] = lambda _: None
) -> int:
    """Sends the ended orders of a home whose last frame is from `since` (ns) or later; with `follow` continues until
    interrupted. url: of a collector. sent: gets the count after each request. Returns the total. Raises ProcessDown
    if they are not accepted."""
    count = 0
    with Home(folder) as home:
        read: dict[Path, tuple[Tape, Chains]] = {}
        while True:
            for tape in home.tapes(GATEWAYS):
                if tape.reader.path not in read:
                    read[tape.reader.path] = Tape(tape.reader.path), Chains()
                reads, fold = read[tape.reader.path]
                for chains in _ended(reads, fold, since, is_last=not follow):
                    shown = [shown_chain(tape, each, home.hops(tape, each)) for each in chains]
                    for at in range(0, len(shown), _AT_ONCE):
                        part = shown[at : at + _AT_ONCE]
                        _send(url, part)
                        count += len(part)
                        sent(count)
            if not follow:
                return count
            time.sleep(LOOK_S)


def _ended(tape: Tape, fold: Chains, since: int, *, is_last: bool) -> Iterator[list[Chain]]:
    """Yields newly ended orders of a gateway's journal. is_last: without waiting."""
    for number, frame in enumerate(tape.frames(READ), 1):
        fold.take(frame)
        if number % LOOK_FRAMES == 0:
            yield _orders(fold.ended(frame.time), since)
    yield _orders(fold.ended(TIME_MAX if is_last else time.time_ns()), since)


def _orders(chains: Iterable[Chain], since: int) -> list[Chain]:
    return [each for each in chains if each.key[0] and each.last >= since]


def _send(url: str, chains: list[dict[str, Any]]) -> None:
    body = msgspec.json.encode({"resourceSpans": [resource for chain in chains for resource in trace_of(chain)]})
    headers = {"Content-Type": "application/json"}
    answer = http_send("POST", f"{url.rstrip('/')}/v1/traces", body, lambda: headers, what="traces", location="--otlp")
    try:
        partial = from_json(answer or b"{}", _Answer).partialSuccess
    except msgspec.DecodeError:
        partial = _Partial(rejectedSpans="all", errorMessage="it answers without JSON: no collector of OTLP over HTTP?")
    if partial is not None and partial.rejectedSpans not in ("0", 0):
        words = f"{partial.rejectedSpans} spans were rejected: {partial.errorMessage[:200]}"
        raise ProcessDown(words, location="--otlp", todo="see the log of the collector")
