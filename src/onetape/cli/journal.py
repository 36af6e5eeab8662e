"""Provide `onetape journal`: inspect and maintain tapes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click

from onetape.cli.frame import SETTINGS, Answer, Shell, Suggesting, load, moment, plain, rows, verb
from onetape.model.errors import BadInput, TornTape, UsageError
from onetape.model.shown import line_shown


class TapePath(click.Path):
    """A tape given by path or by the name of its process."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from onetape.tape.segments import located

        path = located(Path(os.fsdecode(super().convert(value, param, ctx))))
        if path.exists() and not path.is_dir():
            raise BadInput("this is a file, not a tape", location=str(path), todo="name the folder of a tape")
        return path


TAPE = TapePath(path_type=Path)


class JournalGroup(Suggesting):
    """A group whose help shows its sub-verbs and an example."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            formatter.write("  onetape journal cat market.tape --type trade --where 'price>100'\n")


@click.group("journal", cls=JournalGroup, context_settings=SETTINGS)
def command() -> None:
    """List, read, verify, repair and prune tapes."""


_add = partial(verb, group=command)


@_add("ls", example="onetape journal ls\nonetape journal ls market.tape --json")
@click.argument("path", type=TAPE, required=False)
def ls(shell: Shell, path: Path | None) -> Answer:
    """List journals below PATH [default: the home] with their ranges and sizes."""
    if path is not None:
        load("onetape.tape.segments", "require_there", what="listing tapes")(path)
    list_journals = load("onetape.tape.inspect", "ls", what="listing tapes")
    found = [plain(entry) for entry in list_journals(path or shell.home)]
    text = "\n\n".join(rows(entry) for entry in found) or f"no journals in {path or shell.home}"
    return Answer(found, text)


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--jsonl", is_flag=True, help="One JSON object per line."),
        click.option("--where", metavar="'price>100'", help="Only records that meet this condition."),
        click.option("--type", "types", multiple=True, metavar="NAME", help="Repeat for several."),
    ):
        function = option(function)
    return function


def _records(shell: Shell, records: Iterable[Any], jsonl: bool) -> Answer:
    if shell.json:
        return Answer([plain(record) for record in records])
    rest = iter(records)
    first = list(islice(rest, 1))  # finding the first record may take time

    def show() -> None:
        from onetape.cli.output import to_json

        for record in chain(first, rest):
            fields = plain(record)
            print(to_json(fields) if jsonl else line_shown(_line(fields)), flush=False)

    return Answer(None, show)


# Fields that are shown first, and fields that are not shown.
_LEADING = ("sequence", "time", "type", "flags", "stream", "symbol")
_UNSAID = ("ts_recv", "id_kind", "id_low", "id_high", "reserved", "update_id")


def _line(fields: dict[str, Any]) -> str:
    """Returns one record as a line; --jsonl and --json have every field."""
    head = f"{fields['sequence']:>9} {moment(fields['time']):<29} {fields['type']:<13}"
    rest = [f"{fields.get('symbol') or ''}"]
    if fields.get("flags"):
        rest.append(f"flags={fields['flags']}")
    for key, value in fields.items():
        if key not in _LEADING and key not in _UNSAID and value not in (None, "", 0, "none"):
            rest.append(f"{key}={moment(value) if key == 'ts_event' else value}")
    return f"{head} {'  '.join(part for part in rest if part)}"


@_add("cat", example="onetape journal cat market.tape --type trade --where 'price>100' --jsonl")
@click.argument("tape", type=TAPE)
@click.option("--from", "start", metavar="SEQ|TIME")
@click.option("--to", "end", metavar="SEQ|TIME")
@_filters
def cat(
    shell: Shell, tape: Path, start: str | None, end: str | None, types: tuple[str, ...], where: str | None, jsonl: bool
) -> Answer:
    """Print the records of a tape."""
    read = load("onetape.tape.inspect", "cat", what="reading tapes")
    records = read(tape, start=start, end=end, types=_types(types), where=where)
    return _records(shell, records, jsonl)


@_add("tail", example="onetape journal tail .onetape/journal/robot:mm --follow")
@click.argument("tape", type=TAPE)
@click.option("-n", "--count", type=click.IntRange(min=0), default=10, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Print new records as they arrive, until Ctrl-C.")
@click.option(
    "--latest", is_flag=True, help="With --follow: only each symbol's newest record, and the number of skipped ones."
)
@_filters
def tail(
    shell: Shell,
    tape: Path,
    count: int,
    follow: bool,
    latest: bool,
    types: tuple[str, ...],
    where: str | None,
    jsonl: bool,
) -> Answer:
    """Print the last records of a tape."""
    if follow and shell.json:
        raise UsageError(
            "--follow has no end, and --json prints one value", location="onetape journal tail", todo="use --jsonl"
        )
    if latest and not follow:
        raise UsageError("--latest needs --follow", location="onetape journal tail", todo="add --follow")
    read = load("onetape.tape.inspect", "tail", what="reading tapes")
    records = read(tape, count=count, follow=follow, latest=latest, types=_types(types), where=where)
    return _records(shell, records, jsonl)


def _types(texts: tuple[str, ...]) -> list[str]:
    return [name for each in texts for name in each.split(",") if name]


@_add("verify", example="onetape journal verify market.tape\nonetape journal verify market.tape --market")
@click.argument("tape", type=TAPE)
@click.option("--market", is_flag=True, help="Also check the market data: gaps, crossed books, ...")
@click.option("--strict", is_flag=True, help="With --market: exit 4 if anything was found.")
@click.option(
    "--silence",
    type=click.FloatRange(min=1),
    metavar="N",
    help="With --market: a silence is longer than N median intervals and 10 s [default: 100].",
)
@click.option(
    "--spike",
    type=click.FloatRange(min=1),
    metavar="K",
    help="With --market: a spike is more than K deviations and 0.5 % off [default: 20].",
)
def verify(shell: Shell, tape: Path, market: bool, strict: bool, silence: float | None, spike: float | None) -> Answer:
    """Check every byte: exit 3 (TORN_TAPE) if a sealed tape is damaged."""
    if not market and (strict or silence is not None or spike is not None):
        raise UsageError("these options need --market", location="--strict, --silence, --spike")
    check = load("onetape.tape.verify", "verify", what="verification")
    shell.progress.doing("every byte")
    value = plain(check(tape))
    if not value["ok"]:
        places = value.get("damage") or []
        error = TornTape(
            f"{value['damaged']} damaged places, the first: {places[0] if places else '?'}",
            location=str(tape),
            todo="onetape journal repair keeps the frames before it",
        )
        return Answer.of_check(value, error)
    if not market:
        return Answer.of_check(value, None)
    from onetape.cli.market_table import market_text
    from onetape.data.quality.market import Rules, verify_market

    rules = Rules()
    if silence is not None:
        rules = replace(rules, silence_factor=silence)
    if spike is not None:
        rules = replace(rules, spike_factor=spike)
    shell.progress.doing("the market")
    report = verify_market(tape, rules=rules, progress=shell.progress)
    text = f"{rows(value)}\n\n{market_text(report)}"
    value["findings"] = report.findings
    value["market"] = report.as_json()
    found = None
    if strict and report.findings:
        found = MarketFindings(
            f"{report.findings:,} findings in the market", location=str(tape), todo="see the list above"
        )
    return Answer.of_check(value, found, text)


class MarketFindings(BadInput):
    """Findings in a tape whose bytes are valid: a failed check under --strict."""

    exit_code = 4


@_add("repair", example="onetape journal repair damaged.tape")
@click.argument("tape", type=TAPE)
def repair(shell: Shell, tape: Path) -> Answer:
    """Move everything from the first damage on into a side file, and report the loss."""
    mend = load("onetape.tape.repair", "repair", what="repair")
    value = plain(mend(tape))
    return Answer(value, rows(value))


@_add("prune", example="onetape journal prune .onetape/journal/gateway:main --older 30d --dry-run")
@click.argument("tape", type=TAPE)
@click.option("--older", metavar="AGE", help="Segments that ended longer ago than this, e.g. 30d.")
@click.option("--size", metavar="BYTES", help="Keep at most this much, e.g. 10GiB.")
@click.option("--compress", is_flag=True, help="Compress closed segments with zstd; they stay readable.")
@click.option("--force", is_flag=True, help="Remove also segments that runs or the recorder need; they are listed.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def prune(
    shell: Shell, tape: Path, older: str | None, size: str | None, compress: bool, force: bool, dry_run: bool
) -> Answer:
    """Remove or compress old closed segments."""
    if older is None and size is None and not compress:
        raise UsageError(
            "nothing to remove or compress", location="onetape journal prune", todo="give --older, --size or --compress"
        )
    value: dict[str, Any] = {}
    if older is not None or size is not None:
        cut = load("onetape.tape.prune", "prune", what="pruning")
        unread = _unrecorded_from(shell, tape)
        keep = None if force else unread
        value = plain(cut(tape, older=older, size=size, keep_sequence=keep, force=force, dry_run=dry_run))
        if unread is not None and unread < value["first_seq"]:
            value["unrecorded"] = [unread, value["first_seq"] - 1]
    if compress and not dry_run:
        pack = load("onetape.tape.prune", "compress", what="compression")
        shell.progress.doing("packs segments")
        value = {**value, "compressed": pack(tape, shell.progress.of("bytes"))}
    return Answer(value, rows(value))


def _unrecorded_from(shell: Shell, tape: Path) -> int | None:
    """Returns the first frame of a journal of this home that the configured recorder has not read yet, or None."""
    from onetape.options.recorder import unrecorded_from

    is_ours = tape.absolute().parent == (shell.home / "journal").absolute()
    return unrecorded_from(tape, shell.config) if is_ours else None


@_add("schema", example="onetape journal schema quote --json")
@click.argument("event", metavar="[TYPE]", required=False)
def schema(shell: Shell, event: str | None) -> Answer:
    """Print the JSON Schema of an event [default: of all messages, commands too]."""
    found = load("onetape.ipc.message_page", "messages", what="schemas")()
    if event is not None:
        if event not in found["events"]:
            raise BadInput(
                f"unknown event type {event!r}", location="EVENT", todo=f"choose from {', '.join(found['events'])}"
            )
        found = {"$schema": found["$schema"], **found["events"][event]}
    from onetape.cli.output import to_json

    return Answer(found, to_json(found))


@_add("latency", example="onetape journal latency live-run --out mine.csv --every 15m")
@click.argument("run", type=TAPE)
@click.option("--out", type=TAPE, required=True, metavar="FILE", help="File to write, for --latency FILE.")
@click.option("--every", default="1h", show_default=True, help="Distance of the curve's points.")
@click.option("--quantile", type=float, default=0.5, show_default=True)
def latency(shell: Shell, run: Path, out: Path, every: str, quantile: float) -> Answer:
    """Fit a latency curve to the measured latencies of a run's orders and answers."""
    fit = load("onetape.runs.latency_fit", "fit_latency", what="fitting latency")
    from onetape.model.time import parse_duration

    found = fit(run, out, every=parse_duration(every), quantile=quantile)
    return Answer(plain(found), str(found))


@_add("queue", example="onetape journal queue live-run --out queue.toml")
@click.argument("run", type=TAPE)
@click.option("--out", type=TAPE, required=True, metavar="FILE", help="File to write, for --queue FILE.")
@click.option("--model", "family", metavar="NAME", help="Fit only this family, such as power [default: the likeliest].")
def queue(shell: Shell, run: Path, out: Path, family: str | None) -> Answer:
    """Fit the model of cancels ahead of a resting order to the outcomes of a run's orders."""
    found = load("onetape.runs.queue_fit", "fit_queue", what="fitting queues")(run, out, family=family)
    return Answer(plain(found), f"{found}\n{out}: give it to --queue")


@_add("impact", example="onetape journal impact live-run --out impact.toml")
@click.argument("run", type=TAPE)
@click.option("--out", type=TAPE, required=True, metavar="FILE", help="File to write, for --impact FILE.")
@click.option(
    "--law", metavar="K=V,..", help="Fixed values of the law, such as halflife=5m,window=1h [default: the run's law]."
)
def impact(shell: Shell, run: Path, out: Path, law: str | None) -> Answer:
    """Fit the coefficient of own impact to the effect of a run's own takers on their market."""
    fit = load("onetape.runs.tca", "fit_impact", what="fitting own impact")
    from onetape.engine.impact import parse_impact

    found = fit(run, out, parse_impact(law) if law is not None else None)
    return Answer(found.as_json(), f"{found}\n{out}: give it to --impact")
