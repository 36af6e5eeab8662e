"""Provide what all verbs share: common options, the home, and the output of answers and errors.

A verb is a function `(shell, **options) -> Answer`, made a command by `@verb`. It prints nothing
itself: under --json standard output carries exactly one JSON value, and only `main` writes it.
While it works, `shell.progress` shows it on a terminal; a verb that prints ends that first.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onetape.cli.progress import Progress
from onetape.model.errors import BadConfig, NotAvailable, OnetapeError, PermissionDenied, RuntimeFailure, UsageError
from onetape.model.home import config_beside, home_of, is_copied_home
from onetape.model.near import did_you_mean
from onetape.model.time import rough_duration

if TYPE_CHECKING:
    from onetape.model.sections import Config


# Words that name all processes of a kind; a robot called so needs its full name.
KINDS = frozenset(
    {
        *("robot", "gateway", "supervisor", "collector", "hub", "guardian"),
        *("cluster", "recorder", "control", "dashboard", "telegram", "venue", "variants", "single"),
    }
)


class Interrupted(RuntimeFailure, code=4608):
    """Ctrl-C or SIGTERM ended the command before it was done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verb's result. `value` is the JSON value, `text` its form for a reader. `error`: set when a check failed; the
    value is printed, too.
    """

    value: object
    text: str | Callable[[], None] = ""
    exit_code: int = 0
    error: OnetapeError | None = None

    @classmethod
    def of_check(cls, value: dict[str, Any], error: OnetapeError | None, text: str = "") -> Answer:
        """Returns the answer of a check. The value gets the error's number as well."""
        text = text or rows(value)
        if error is None:
            return cls(value, text)
        return cls({**value, **error.as_json()}, text, error.exit_code, error)


@dataclass(slots=True)
class Shell:
    """One invocation: its home, configuration and output."""

    json: bool = False
    debug: bool = False
    home_option: Path | None = None
    config_option: Path | None = None
    title: str = ""
    _config: Config | None = field(default=None, init=False)
    progress: Progress = field(init=False)  # drawn only on a terminal, while the verb works

    def __post_init__(self) -> None:
        is_terminal = sys.stderr is not None and sys.stderr.isatty()  # None: standard error was closed at the start
        self.progress = Progress(self.title, shown=is_terminal and not self.json)

    @property
    def config_path(self) -> Path | None:
        """The configuration file: --config, else ./onetape.toml if it exists."""
        return config_beside(self.config_option)

    @property
    def config_folder(self) -> Path:
        """The base of paths in the configuration."""
        path = self.config_path
        return (path.parent if path is not None else Path()).absolute()

    @property
    def home(self) -> Path:
        """The home: --home, else $ONETAPE_HOME, else .onetape beside the configuration, else in the current folder."""
        return home_of(self.home_option, config=self.config_option)

    @property
    def config(self) -> Config:
        """The configuration with environment variables applied; the defaults without a file."""
        if self._config is None:
            from onetape.store.config import load_config

            self._config = load_config(self.config_path, os.environ)
        return self._config

    @property
    def running_config(self) -> Config:
        """The configuration for verbs on running processes: where the file is missing or invalid, the one that the
        home's processes were started with. Stopping a system needs only its home."""
        from onetape.store.config import kept_config

        if self.config_option is None and is_copied_home(self.home):
            self._config = kept_config(self.home) or self.config
            return self._config
        try:
            if self.config_path is not None or self.config.accounts:
                return self.config
        except BadConfig as error:
            kept = kept_config(self.home)
            if kept is None:
                raise
            sys.stderr.write(f"{error.message}: using the configuration of the running processes instead\n")
        else:
            kept = kept_config(self.home)
        self._config = kept or self.config
        return self._config

    @property
    def accounts_config(self) -> Config:
        """The configuration for verbs about all accounts. Raises BadConfig without a configuration: an empty answer
        would look like "no positions"."""
        found = self.running_config
        if (self.config_path is None or is_copied_home(self.home)) and not found.accounts:
            raise BadConfig(
                "there is no configuration here, so no account is known",
                location=str(Path("onetape.toml").absolute()),
                todo="name it with --config FILE, or go to its folder",
            )
        return found

    def run_path(self, name: str, missing: type[OnetapeError] = BadConfig) -> Path:
        """Returns the folder of RUN, a path or a name under <home>/runs. Raises `missing` for other names."""
        path = Path(name)
        if path.exists() or path.parent != Path():
            return path
        runs = self.home / "runs"
        if not (runs / name).exists():
            names = [each.name for each in runs.iterdir()] if runs.is_dir() else []
            todo = did_you_mean(name, names) or f"name a run or its folder; the last is {max(names)}" if names else ""
            raise missing(f"there is no run {name!r}", location=str(runs), todo=todo or "name a run or its folder")
        return runs / name

    def process(self, name: str) -> str:
        """Returns a process's full name: `robot:mm`, also for `mm` where there is a robot of that name."""
        from onetape.ipc.names import process_socket

        if not name.isidentifier() and not name.replace("-", "_").isidentifier():
            return name
        robot = f"robot:{name}"
        is_one = name in self.running_config.robots or process_socket(self.home, robot).exists()
        return robot if is_one and name not in KINDS else name

    def say(self, line: str) -> None:
        """Print a line on the progress of long work, beside the answer."""
        if not self.json:
            self.progress.say(line)


class Verb(click.Command):
    """A command whose help ends with an example in its typed layout."""

    example: str = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.strip().splitlines():
                formatter.write(f"  {line.strip()}\n")


class Suggesting(click.Group):
    """A group that suggests a similar verb for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        is_typed = not ctx.resilient_parsing and not name.startswith("-")  # not for completion
        if is_typed and self.get_command(ctx, name) is None:
            near = did_you_mean(name, self.list_commands(ctx))
            todo = near or f"see {ctx.command_path} --help"
            raise UsageError(f"no such command {name!r}", location=ctx.command_path, todo=todo)
        return super().resolve_command(ctx, args)


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def common_options(command: click.Command) -> click.Command:
    """Add the options that every verb has, after the verb's own."""
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


# Those common options that take a value.
_VALUED = ("--home", "--config")


def behind_verb(arguments: Sequence[str]) -> list[str]:
    """Move common options from before the verb to after it: `--json status` becomes `status --json`."""
    rest, moved = list(arguments), list[str]()
    while rest and rest[0].partition("=")[0] in ("--json", "--debug", *_VALUED):
        moved.append(rest.pop(0))
        if moved[-1] in _VALUED and rest:
            moved.append(rest.pop(0))
    at = rest.index("--") if "--" in rest else len(rest)
    return rest[:at] + moved + rest[at:] if rest and not rest[0].startswith("-") else rest or moved


def home_refused(error: OSError, home: Path) -> PermissionDenied | None:
    """Returns the error for a home that cannot be used, or None when the error has another cause."""
    place, home = Path(str(error.filename or "")).absolute(), home.absolute()
    is_above = place == home or place in home.parents
    if not error.filename or not (is_above or home in place.parents):
        return None
    refusals = [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST]
    refusals += [errno.ENOENT] * is_above  # a missing file below the home is no fault of the home
    if error.errno not in refusals:
        return None
    return PermissionDenied(
        f"the home {home} cannot be used: {(error.strerror or str(error)).lower()}",
        location=str(place),
        todo="name another with --home DIR or $ONETAPE_HOME",
    )


def _check_numbers(context: click.Context) -> click.Context:
    """Raises UsageError for NaN, which passes every bound of click, and for infinity."""
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if isinstance(value, float) and not isfinite(value):
            raise UsageError(f"{value} is not a finite number", location=option.opts[0])
    return context


def verb(
    name: str, *, example: str, group: click.Group | None = None
) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make (shell, **options) -> Answer command `name`, of `group` where there is one. Its docstring is the help."""

    def wrap(function: Callable[..., Answer]) -> click.Command:
        def call(json: bool, home: Path | None, config: Path | None, debug: bool, **options: Any) -> Answer:
            path = _check_numbers(click.get_current_context()).command_path
            shell = Shell(json, debug, home, config, path.removeprefix("onetape "))
            try:
                with shell.progress:
                    return function(shell, **options)
            except OSError as error:
                refused = home_refused(error, shell.home)
                if refused is None or debug:
                    raise
                raise refused from None

        command = click.command(name, cls=Verb, context_settings=SETTINGS)(update_wrapper(call, function))
        assert isinstance(command, Verb)
        command.example = example
        made = common_options(command)
        if group is not None:
            group.add_command(made)
        return made

    return wrap


def load(module: str, name: str, *, what: str) -> Any:
    """Import an implementation on use. Raises NotAvailable when this build lacks it."""
    from importlib import import_module

    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name == module or module.startswith(f"{error.name}."):
            raise NotAvailable(
                f"{what} is not part of this build", location=f"{module}.{name}", todo="see the roadmap"
            ) from error
        raise


def plain(value: object) -> dict[str, Any]:
    """Returns a result object's contract keys: its own as_json(), or its fields."""
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
    """Returns key and value, one a line."""
    heads = [_head(key, item) for key, item in value.items()]
    width = max(map(len, heads), default=0)
    lines = zip(heads, value.items(), strict=True)
    return "\n".join(f"{head:<{width}}  {_shown(item, key)}" for head, (key, item) in lines)


SPANS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # suffix of a name -> ns per unit


def _is_span(item: object, key: str) -> bool:
    name, _, unit = key.rpartition("_")
    return bool(name) and unit in SPANS and isinstance(item, (int, float)) and item == item and abs(item) < TIME_NS_MIN


def _head(key: str, item: object) -> str:
    return (key.rpartition("_")[0] if _is_span(item, key) else key).replace("_", " ")


TIME_KEYS = ("ts", "time", "since", "until")  # names of times, or their last word
TIME_NS_MIN = 10**17  # 1973: a smaller number with such a name is no time


def _shown(item: object, key: str = "") -> str:
    if item is None:
        return "-"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, (int, float)) and _is_span(item, key):
        return ("-" if item < 0 else "") + rough_duration(round(abs(item) * SPANS[key.rpartition("_")[2]]))
    if isinstance(item, int):
        if abs(item) >= TIME_NS_MIN and key.split("_")[-1] in TIME_KEYS:
            return moment(item)
        return str(item) if key in ("year", "code") else f"{item:,}"
    if isinstance(item, float):
        return f"{item:,.6g}"
    if isinstance(item, dict):
        return ", ".join(f"{_head(name, inner)} {_shown(inner, name)}" for name, inner in item.items()) or "none"
    if isinstance(item, (list, tuple)):
        return ", ".join(_shown(inner) for inner in item) or "none"
    return str(item)


def moment(ts_ns: int) -> str:
    """Returns ns UTC as a date and time, with all its digits."""
    import time

    seconds, rest = divmod(ts_ns, 10**9)
    digits = f"{rest:09d}".rstrip("0")
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{day}.{digits}" if digits else day
