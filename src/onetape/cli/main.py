"""Provide the command line's entry point: find the verb, run it, turn its outcome into an exit code."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from onetape import __version__
from onetape.cli.frame import SETTINGS, Answer, Interrupted, Suggesting, behind_verb
from onetape.cli.verbs import BY_NAME, VERBS
from onetape.ipc.stop_signals import stop_signals
from onetape.model.errors import (
    BadInput,
    DiskFull,
    InvariantViolation,
    NotAvailable,
    OnetapeError,
    PermissionDenied,
    UsageError,
)
from onetape.model.shown import shown

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETE = "_ONETAPE_COMPLETE"  # click's name for the variable set by its scripts
NEXT_STEPS = """\
onetape {version}: backtest, paper and live as one program on one kind of tape.

  onetape demo                                     thirty seconds that show everything, offline
  onetape init                                     a configuration and example strategies, here
  onetape sample --out market.tape                 a generated market to work on
  onetape backtest strategies/cross.py --data market.tape
  onetape --help                                   all commands; `onetape VERB --help` has examples
"""


class VerbGroup(Suggesting):
    """Imports verbs on call; the help is written from the table alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = BY_NAME.get(cmd_name)
        if entry is None:
            return None
        module = import_module(f"onetape.cli.{entry.home or cmd_name}")
        command = getattr(module, cmd_name) if hasattr(module, cmd_name) else module.command
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes verbs from the table, without importing any."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(e.name, help=e.summary) for e in VERBS if e.name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in VERBS):
            with formatter.section(section):
                formatter.write_dl([(e.name, e.summary) for e in VERBS if e.section == section])


@click.group(
    cls=VerbGroup,
    invoke_without_command=True,
    context_settings=SETTINGS,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad data, 4 a check did not hold, "
    "5 refused, 6 not reachable.",
)
@click.version_option(__version__, prog_name="onetape")
@click.pass_context
def group(ctx: click.Context) -> Answer | None:
    """Backtest, paper and live trading as one program on one kind of tape."""
    if ctx.invoked_subcommand is not None:
        return None
    return Answer({"version": __version__}, NEXT_STEPS.format(version=__version__).rstrip())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    if COMPLETE in os.environ:  # a shell asks for completions: click reads the options itself
        return _complete()
    arguments = behind_verb(arguments)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json, debug = "--json" in options, "--debug" in options
    if sys.stdout is None:  # standard output was closed at the start
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as we run
    with _reserved(as_json) as descriptor:
        try:
            for number in stop_signals():
                signal.signal(number, _on_stop)
            answer = _invoke(arguments)
            _show(answer, descriptor)
            return answer.exit_code
        # The only place that catches everything: without it users would see a traceback.
        except BaseException as error:
            if isinstance(error, BrokenPipeError) and (_is_unread(descriptor) or _is_unread(2)):
                # The reader (head, a pager) has read enough.
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                return 0
            if debug and not isinstance(error, click.ClickException):
                import traceback

                traceback.print_exc()
            named = _named(error)
            if as_json:
                from onetape.cli.output import write_value

                write_value(descriptor, named.as_json())
            else:
                for line in (*named.excerpt.splitlines(), str(named)):
                    print(shown(line), file=sys.stderr)
            return named.exit_code


def _is_unread(descriptor: int) -> bool:
    """Returns True when the reader of our output has closed the pipe; False for a broken socket of a command."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))


def _complete() -> int:
    """Print the completion script of a shell, or completions. Errors of a completion are not shown."""
    from click.shell_completion import shell_complete

    code = shell_complete(group, {}, "onetape", COMPLETE, os.environ[COMPLETE])
    sys.stdout.flush()
    return code


def _reserved(as_json: bool) -> AbstractContextManager[int]:
    if not as_json:
        return nullcontext(1)
    from onetape.cli.output import reserved_stdout

    return reserved_stdout()


def _invoke(arguments: list[str]) -> Answer:
    """Invoke a verb without click's own `main`, which prints and exits by itself."""
    if set(arguments) <= {"--json", "--debug"}:
        arguments = []
    try:
        with group.make_context("onetape", arguments) as context:
            result = group.invoke(context)
    except click.exceptions.Exit as end:  # --help and --version
        return Answer(None, exit_code=end.exit_code)
    assert isinstance(result, Answer)
    return result


def _show(answer: Answer, descriptor: int) -> None:
    if answer.value is None and not answer.text:
        pass
    elif descriptor != 1:
        from onetape.cli.output import write_value

        write_value(descriptor, answer.value)
    elif callable(answer.text):
        answer.text()
    elif answer.text:
        print(shown(answer.text))
    sys.stdout.flush()
    if answer.error is not None and descriptor == 1:
        print(shown(str(answer.error)), file=sys.stderr)


def _on_stop(number: int, _frame: FrameType | None) -> None:
    """First signal: unwind cleanly. Second signal: the system's default, at once."""
    for each in stop_signals():
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _named(error: BaseException) -> OnetapeError:
    """Returns the named error of any exception."""
    match error:
        case InvariantViolation():
            return _by_a_tape() or error
        case OnetapeError():
            return error
        case click.UsageError():
            return _usage(error)
        case click.ClickException():
            return UsageError(error.format_message())
        case KeyboardInterrupt() | click.Abort():
            return Interrupted("the command was stopped before its end", location=str(error) or "Ctrl-C")
        case ModuleNotFoundError() if not (error.name or "").startswith("onetape"):
            return NotAvailable(f"{error.name} is not installed", todo="pip install 'onetape[research]' has it")
        case OSError():
            return _system(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    at = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
    return _by_a_tape() or InvariantViolation(
        f"unexpected {type(error).__name__}: {error}", location=at, todo="--debug shows the traceback"
    )


def _by_a_tape() -> OnetapeError | None:
    """Returns the error of a tape that the command has read, if its invalid content is the cause; else None."""
    journal = sys.modules.get("onetape.tape.journal")
    if journal is None:
        return None
    from onetape.tape.fits import misfit

    return misfit(tuple(journal.READ))


def _usage(error: click.UsageError) -> UsageError:
    what = error.format_message().rstrip(".")
    command = error.ctx.command_path if error.ctx else "onetape"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # the message of this error is the whole help
        group = error.ctx.command
        names = ", ".join(group.list_commands(error.ctx)) if isinstance(group, click.Group) else "its arguments"
        what = f"missing command, one of {names}"
    if isinstance(error, click.NoSuchOption) and error.option_name[1:2].isdigit():
        what = "a number below 0 is not allowed here"
    return UsageError(what[:1].lower() + what[1:], location=command, todo=f"see {command} --help")


def _system(error: OSError) -> OnetapeError:
    what = (error.strerror or str(error)).lower()
    location = str(error.filename or "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(what, location=location, todo="make room and run it again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PermissionDenied(what, location=location)
    return BadInput(what, location=location, todo="check the path" if error.errno == errno.ENOENT else "")
