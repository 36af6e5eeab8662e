"""Complete arguments in a shell: files, runs of the home, processes, words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from onetape.model.home import home_of

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

__all__ = ["files", "kinds", "processes", "runs", "words"]

Completer = Callable[["click.Context", "click.Parameter", str], list["CompletionItem"]]


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes files, by the shell itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes names of recorded runs, the newest first; else files."""
    folder = home_of(ctx.params.get("home"), config=ctx.params.get("config")) / "runs"
    found = sorted(folder.glob("*/run.toml"), key=lambda each: -each.stat().st_mtime)
    return _some([each.parent.name for each in found], incomplete) or files(ctx, param, incomplete)


def processes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes robots by their bare names (shells split words at a colon), other processes by their kinds."""
    from onetape.ipc.names import process_of, sockets

    home = home_of(ctx.params.get("home"), config=ctx.params.get("config"))
    names = [process_of(each) for each in sockets(home)]
    return _some([each.removeprefix("robot:") for each in names], incomplete)


def kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the kinds of `import`."""
    from onetape.data.registry import KINDS

    return _some(list(KINDS), incomplete)


def words(*choices: str) -> Completer:
    """Completes to one of these."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _some(choices, incomplete)

    return complete


def _some(choices: Sequence[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(each) for each in choices if each.startswith(incomplete)]
