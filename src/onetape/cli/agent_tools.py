"""Tools of `onetape mcp` that need no control plane: backtest, sweep and report.

`backtest` and `sweep` are the verbs themselves, each in a process of its own with `--json`: a strategy's output cannot
reach the protocol's stream, and a call ends with its process when its time is over. Their schemas are the verbs'
options. Files are taken from the folder of the configuration, and from the tapes and results of the home.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from mcp import types

from onetape.cli import backtest, sweep
from onetape.cli.frame import Shell
from onetape.cli.hedging import TOKEN
from onetape.control.mcp_server import LocalFailure, LocalTool
from onetape.model.errors import BadInput, PermissionDenied, ServiceTimeout, UsageError

__all__ = ["local_tools"]

SECONDS, SECONDS_MAX = 300, 3600
# Options of the command line alone, and those by which a call could replace results or reach other machines.
_LEFT_OUT: Final = frozenset(
    {"json", "home", "config", "debug", "help", "more_data", "report", "force", "resume", "backend", "jobs"}
)
_OF_HOME: Final = ("runs", "sweeps", "tapes", "journal")  # and not its tokens
_PIECES: Final = re.compile(r"[=,:]")  # a file may stand behind a venue: kraken=latency.csv
_PARTS: Final = ("facts", "statistics", "assumptions", "stress", "drawdowns", "months", "symbols", "venues", "failures")
_MORE_PARTS: Final = ("days", "years", "returns", "orders", "excursions", "strategies", "costs", "attribution")


def local_tools(shell: Shell, *, read_only: bool) -> list[LocalTool]:
    """Returns the tools. read_only: those that run and write nothing."""
    one = asyncio.Lock()  # a sweep uses all cores: the next call waits, within its own time
    verbs = [] if read_only else [backtest.command, sweep.command]
    runs = [LocalTool(_tool(each), partial(_run, shell, each, one)) for each in verbs]
    return [*runs, LocalTool(_REPORT, partial(_report, shell))]


_REPORT: Final = types.Tool(
    name="report",
    description="The report of a run, as report.json has it, and the path of its page.",
    input_schema={
        "type": "object",
        "properties": {
            "run": {"type": "string", "minLength": 1, "description": "A run's name, or its folder."},
            "parts": {
                "type": "array",
                "items": {"enum": [*_PARTS, *_MORE_PARTS]},
                "description": f"Parts of the report [default: {', '.join(_PARTS)}].",
            },
        },
        "required": ["run"],
        "additionalProperties": False,
    },
    annotations=types.ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
)


def _options(command: click.Command) -> dict[str, click.Parameter]:
    return {
        each.name: each
        for each in command.params
        if each.name is not None and each.name not in _LEFT_OUT and not getattr(each, "hidden", False)
    }


def _tool(command: click.Command) -> types.Tool:
    options = _options(command)
    seconds = {"type": "number", "exclusiveMinimum": 0, "maximum": SECONDS_MAX, "default": SECONDS}
    properties = {name: _schema(each) for name, each in options.items()}
    properties["seconds"] = {**seconds, "description": "The call's process is ended after this time."}
    assert command.name is not None
    text = (command.help or "").partition("\n\n")[0]
    return types.Tool(
        name=command.name,
        description=f"{' '.join(text.split())} The result is that of `onetape {command.name} --json`.",
        input_schema={
            "type": "object",
            "properties": properties,
            "required": [name for name, each in options.items() if each.required],
            "additionalProperties": False,
        },
        annotations=types.ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
        ),
    )


def _schema(option: click.Parameter) -> dict[str, Any]:
    """Returns the JSON schema of an option's value."""
    kind: dict[str, Any] = {"type": "string"}
    if getattr(option, "is_flag", False):
        kind = {"type": "boolean"}
    elif isinstance(option.type, click.Choice):
        kind = {"enum": list(option.type.choices)}
    elif isinstance(option.type, click.types.IntParamType):
        kind = {"type": "integer"}
    words = getattr(option, "help", None) or getattr(option, "metavar", None) or ""
    found = {"type": "array", "items": kind} if option.multiple else kind
    return {**found, "description": words} if words else found


async def _run(shell: Shell, command: click.Command, one: asyncio.Lock, arguments: Mapping[str, Any]) -> Any:
    """Runs the verb in a process of its own. Raises LocalFailure with the verb's answer where it failed,
    ServiceTimeout, PermissionDenied, BadInput, UsageError."""
    fields = dict(arguments)
    seconds = fields.pop("seconds", SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= SECONDS_MAX:
        raise BadInput(f"no time: {str(seconds)[:80]}", location="seconds", todo=f"above 0, at most {SECONDS_MAX}")
    words = [str(command.name), *_words(shell, command, fields), "--json", f"--home={shell.home.absolute()}"]
    if shell.config_path is not None:
        words.append(f"--config={shell.config_path.absolute()}")
    try:
        async with asyncio.timeout(seconds), one:
            code, answer = await _answer(words, shell.config_folder)
    except TimeoutError:
        todo = "give less data or fewer values, or more seconds"
        raise ServiceTimeout(
            f"not done after {seconds:g} s, and ended", location=str(command.name), todo=todo
        ) from None
    if code:
        raise LocalFailure(answer)
    return answer


async def _answer(words: Sequence[str], folder: Path) -> tuple[int, Any]:
    """Returns the exit code and the JSON value. The process, with all it started, ends with the call."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "onetape", *words),  # -P: files of the folder, as `random.py`, hide no modules
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # a strategy's own output
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != TOKEN},
        start_new_session=True,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    try:
        return process.returncode or 0, msgspec.json.decode(out)
    except msgspec.DecodeError:
        raise BadInput(f"the process ended with {process.returncode} and no answer", location=words[0]) from None


def _words(shell: Shell, command: click.Command, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yields the command line of the arguments, each value within its own word: no value can become an option."""
    options = _options(command)
    if unknown := sorted(set(fields) - set(options)):
        raise BadInput(f"unknown fields {', '.join(unknown)[:200]}", location=str(command.name))
    strategy = _text("strategy", fields.get("strategy"))
    file = strategy.partition(":")[0]
    if not file.endswith(".py") or file.startswith("-"):
        raise UsageError(f"no file of a strategy: {strategy[:80]!r}", location="strategy", todo="write FILE.py[:Class]")
    _check_inside(shell, file)
    yield strategy
    for name, value in fields.items():
        option = options[name]
        if name == "strategy":
            continue
        if getattr(option, "is_flag", False):
            if not isinstance(value, bool):
                raise BadInput("not true or false", location=name)
            yield from (option.opts if value else option.secondary_opts)[:1]
            continue
        for each in value if option.multiple and isinstance(value, list) else [value]:
            text = _text(name, str(each) if isinstance(each, (int, float)) and not isinstance(each, bool) else each)
            for piece in (text, *_PIECES.split(text)):
                _check_inside(shell, piece, is_new=name == "out")
            yield f"{option.opts[0]}={text}"


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadInput("a text that is not empty is required", location=name)
    return value


def _check_inside(shell: Shell, text: str, *, is_new: bool = False) -> None:
    """Raises PermissionDenied if a value names a file or folder elsewhere than in the configuration's folder and in
    tapes and results of the home. is_new: also one that does not exist yet."""
    folder, home = shell.config_folder.resolve(), shell.home.resolve()
    place = (folder / text).resolve()
    with contextlib.suppress(OSError):  # a text too long for a path names none
        if not (is_new or place.exists()):
            return
    is_inside = any(place.is_relative_to(home / each) for each in _OF_HOME)
    if not is_inside and (folder.parent == folder or not place.is_relative_to(folder) or place.is_relative_to(home)):
        raise PermissionDenied(
            "agents use files of one folder, and tapes and results of the home",
            location=text[:200],
            todo=f"name one in {folder}" if folder.parent != folder else "start onetape mcp in a folder of strategies",
        )


async def _report(shell: Shell, arguments: Mapping[str, Any]) -> Any:
    """Returns parts of a run's report. Raises BadInput, BadConfig for what is no run, PermissionDenied."""
    from onetape.report.run import open_run, read_report

    parts = arguments.get("parts") or list(_PARTS)
    if unknown := sorted(set(arguments) - {"run", "parts"}):
        raise BadInput(f"unknown fields {', '.join(unknown)[:200]}", location="report")
    if not isinstance(parts, list) or not all(each in (*_PARTS, *_MORE_PARTS) for each in parts):
        raise BadInput("unknown parts", location="parts", todo=", ".join((*_PARTS, *_MORE_PARTS)))
    path = shell.run_path(_text("run", arguments.get("run")))
    _check_inside(shell, str(path.absolute()), is_new=True)
    run = open_run(path)
    found = read_report(run.path / "report.json")
    if not found:
        raise BadInput("the run has no report", location=str(path), todo="run the backtest again")
    head = {"run": str(run.path), "page": str(run.report()), "title": found["title"], "currency": found["currency"]}
    return {**head, **{name: found.get(name) for name in parts}}
