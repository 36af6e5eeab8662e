"""What all verbs share: the common options, where the home is, how an answer or error is shown.

A verb is a function `(shell, **options) -> Answer`, made a command by `@verb`. It prints nothing
itself: under --json standard output carries exactly one JSON value, and only `main` writes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onetape.model.errors import NotAvailable, OnetapeError, RuntimeFailure
from onetape.model.home import config_beside, home_of

if TYPE_CHECKING:
    from onetape.cli.progress import Progress
    from onetape.model.config import Config


class Interrupted(RuntimeFailure):
    """Ctrl-C or SIGTERM ended the command before it was done."""

    name = "INTERRUPTED"
    code = 4608


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb came to. `value` is the JSON value, `text` its form for a reader.

    `error` is for a check that was made and did not hold: there is a value, and it is not well.
    """

    value: object
    text: str | Callable[[], None] = ""
    exit_code: int = 0
    error: OnetapeError | None = None

    @classmethod
    def of_check(cls, value: dict[str, Any], error: OnetapeError | None, text: str = "") -> Answer:
        """The value of a check; with an error its number is in the value too."""
        text = text or rows(value)
        if error is None:
            return cls(value, text)
        return cls({**value, **error.as_json()}, text, error.exit_code, error)


@dataclass(slots=True)
class Shell:
    """One invocation: where it works and how it talks."""

    json: bool = False
    debug: bool = False
    home_option: Path | None = None
    config_option: Path | None = None
    _config: Config | None = field(default=None, init=False)

    @property
    def config_path(self) -> Path | None:
        """The configuration file: --config, else ./onetape.toml if there is one."""
        return config_beside(self.config_option)

    @property
    def home(self) -> Path:
        """--home, else $ONETAPE_HOME, else .onetape beside the configuration, else here."""
        return home_of(self.home_option, config=self.config_option)

    @property
    def config(self) -> Config:
        """The configuration with the environment over it; the defaults where there is no file."""
        if self._config is None:
            from onetape.store.config import load_config

            self._config = load_config(self.config_path, os.environ)
        return self._config

    def progress(self, title: str) -> Progress:
        """A bar on a terminal, silence in a pipe."""
        from onetape.cli.progress import Progress

        return Progress(title, shown=sys.stderr.isatty() and not self.json)

    def run_path(self, name: str) -> Path:
        """RUN is a path, or a name under <home>/runs."""
        path = Path(name)
        if path.exists() or path.parent != Path():
            return path
        return self.home / "runs" / name


class Verb(click.Command):
    """A command whose help ends with an example, kept as typed."""

    example: str = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.strip().splitlines():
                formatter.write(f"  {line.strip()}\n")


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def common_options(command: click.Command) -> click.Command:
    """Add the four options that every verb has, after its own."""
    command.params += [
        click.Option(["--json"], is_flag=True, help="One JSON value on standard output."),
        click.Option(
            ["--home"],
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where journals and runs live [default: $ONETAPE_HOME, else .onetape].",
        ),
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The configuration [default: ./onetape.toml].",
        ),
        click.Option(["--debug"], is_flag=True, help="Show tracebacks."),
    ]
    return command


def verb(name: str, *, example: str) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make (shell, **options) -> Answer the command `name`; its docstring is the help."""

    def wrap(function: Callable[..., Answer]) -> click.Command:
        def call(
            json: bool, home: Path | None, config: Path | None, debug: bool, **options: Any
        ) -> Answer:
            return function(Shell(json, debug, home, config), **options)

        command = click.command(name, cls=Verb, context_settings=SETTINGS)(
            update_wrapper(call, function)
        )
        assert isinstance(command, Verb)
        command.example = example
        return common_options(command)

    return wrap


def load(module: str, name: str, *, what: str) -> Any:
    """Import what does the work, late. Without it in this build the verb is NOT_AVAILABLE."""
    from importlib import import_module

    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name == module or module.startswith(f"{error.name}."):
            raise NotAvailable(
                f"{what} is not part of this build",
                where=f"{module}.{name}",
                todo="see the roadmap",
            ) from error
        raise


def plain(value: object) -> dict[str, Any]:
    """A result object's contract keys: its own as_json(), or its fields."""
    if isinstance(value, dict):
        return value
    shown = getattr(value, "as_json", None)
    if callable(shown):
        result: dict[str, Any] = shown()
        return result
    import dataclasses

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    import msgspec

    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    raise TypeError(f"a result without fields: {type(value).__name__}")


def rows(value: dict[str, Any]) -> str:
    """Key and value, one a line, for a reader."""
    width = max((len(key) for key in value), default=0)
    return "\n".join(
        f"{key.replace('_', ' '):<{width}}  {_shown(item, key)}" for key, item in value.items()
    )


TIME_KEYS = ("ts", "time")  # as a name, or as the end of one
TIME_NS_MIN = 10**17  # 1973: a smaller number under such a name is no moment


def _shown(item: object, key: str = "") -> str:
    if item is None:
        return "-"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int):
        if abs(item) >= TIME_NS_MIN and key.split("_")[-1] in TIME_KEYS:
            return moment(item)
        return f"{item:,}"
    if isinstance(item, float):
        return f"{item:,.6g}"
    if isinstance(item, dict):
        return ", ".join(f"{name} {_shown(inner, name)}" for name, inner in item.items()) or "none"
    if isinstance(item, (list, tuple)):
        return ", ".join(_shown(inner) for inner in item) or "none"
    return str(item)


def moment(ts_ns: int) -> str:
    """ns UTC as a date and time, with as many digits as there are."""
    import time

    seconds, rest = divmod(ts_ns, 10**9)
    digits = f"{rest:09d}".rstrip("0")
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{day}.{digits}" if digits else day
