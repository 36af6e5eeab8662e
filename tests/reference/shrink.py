"""A case that fails, cut down to what still does: every step, option and fact that can go is gone.

The exchange's worlds and the sessions of robots are cut by the same tool: a case has `steps`, and
fields whose plain value says that there is nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from typing import TypeVar

from reference.facts import Facts
from reference.worlds import World

Case = TypeVar("Case", bound=World)
# What a case is made of, and not how it is played.
KEPT = ("facts", "data", "steps", "deposits", "period", "leverage", "apart")


def options_of(world: World) -> Iterable[str]:
    return [field.name for field in fields(world) if field.name not in KEPT]


def shrunk(world: Case, fails: Callable[[Case], bool]) -> Case:
    """Without every step, rule and fact that it still fails without."""
    size = max(len(world.steps) // 2, 1)
    while size:
        at, smaller = 0, False
        while at < len(world.steps):
            tried = replace(world, steps=world.steps[:at] + world.steps[at + size :])
            if fails(tried):
                world, smaller = tried, True
            else:
                at += size
        if not smaller or size > 1:
            size //= 2
    plain = type(world)([], [])
    for name in options_of(world):
        if getattr(world, name) != getattr(plain, name):
            tried = replace(world, **{name: getattr(plain, name)})
            if fails(tried):
                world = tried
    for index, facts in enumerate(world.facts):
        for name, value in asdict(Facts()).items():
            if name in ("kind", "multiplier") or getattr(facts, name) == value:
                continue
            changed = list(world.facts)
            changed[index] = replace(changed[index], **{name: getattr(Facts(), name)})
            if fails(replace(world, facts=changed)):
                world = replace(world, facts=changed)
    return world


def script(world: World) -> str:
    """The case as text, a step a line."""
    plain = type(world)([], [])
    lines = [
        f"{field.name} = {getattr(world, field.name)}"
        for field in fields(world)
        if field.name not in ("facts", "data", "steps") and getattr(world, field.name) != getattr(plain, field.name)
    ]
    for index, facts in enumerate(world.facts):
        default = Facts()
        said = {k: getattr(facts, k) for k in asdict(default) if getattr(facts, k) != getattr(default, k)}
        lines.append(f"instrument {index}: {facts.kind} {said}")
    lines += [" ".join(map(str, step)) for step in world.steps]
    return "\n".join(lines)
