"""Provide the prompt of `onetape replay RUN --until PLACE` on a terminal: steps through a run by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from onetape.cli.state_text import book_lines, brief_lines, frame_lines, order_lines, state_text
from onetape.model.errors import OnetapeError

if TYPE_CHECKING:
    from onetape.replay.time_travel import Traveller

__all__ = ["HELP", "run_prompt"]

HELP = """n [N]    N frames on, 1 without N
p [N]    N frames back
g PLACE  to a frame's number, a time, or a time of day
s        the whole state
o b f    working orders, books, the frames around
q        end; an empty line does the last thing again"""


def run_prompt(
    traveller: Traveller,
    read: Callable[[], str],
    write: Callable[[str], None],
    working: AbstractContextManager[object] | None = None,
) -> None:
    """Process commands until q or the end of the input. read: raises EOFError there. working: a context entered for
    each answer."""
    working = working or nullcontext()
    write("\n".join([*frame_lines(traveller.state()), *brief_lines(traveller.state(0))[1:]]))
    write("h for help")
    last = "n"
    while True:
        try:
            line = read().strip() or last
        except EOFError:
            return
        verb, _, rest = line.partition(" ")
        if verb in ("q", "quit", "exit"):
            return
        last = line
        try:
            with working:
                said = "\n".join(_answer(traveller, verb, rest.strip()))
            write(said)
        except OnetapeError as error:
            write(error.message)


def _answer(traveller: Traveller, verb: str, rest: str) -> Iterator[str]:
    match verb:
        case "n" | "p":
            if rest and not rest.isdigit():
                yield f"{rest} is no count of frames"
                return
            count = int(rest or 1)
            done = traveller.step(count if verb == "n" else -count)
            if done < count:
                yield f"{done} of {count}: the run {'ends' if verb == 'n' else 'begins'} here"
            yield from brief_lines(traveller.state(0))
        case "g":
            traveller.go(rest)
            yield from brief_lines(traveller.state(0))
        case "s":
            yield state_text(traveller.state())
        case "o":
            yield from order_lines(traveller.state(0))
        case "b":
            yield from book_lines(traveller.state(0))
        case "f":
            yield from frame_lines(traveller.state())
        case _:
            yield HELP
