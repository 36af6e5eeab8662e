"""Differences between the configuration's file and the running one, and those that a process applies when it is
restarted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from onetape.model.config import SINGLE, with_section
from onetape.model.errors import NotAvailable
from onetape.model.sections import Config
from onetape.supervisor.start import children_of

__all__ = ["changes", "differences", "reread", "section_of"]

_OF_KIND: Final = {"venue": "venues", "gateway": "accounts", "collector": "collectors", "robot": "robots"}
_ABSENT: Final = object()
_USER: Final = re.compile(r"//[^/\s]*@")  # in an address, with a password or without


def section_of(process: str) -> tuple[str, ...]:
    """Returns the section that a process is started with, (): none of its own."""
    kind, _, name = process.partition(":")
    if kind in _OF_KIND:
        return _OF_KIND[kind], name
    return (kind,) if kind in SINGLE else ()


def reread(config: Config, read: Config, process: str) -> tuple[Config, dict[str, tuple[Any, Any]]]:
    """Returns the running configuration with the process's section as read now, and old and new values by key.
    Raises NotAvailable if it needs other processes, BadConfig if it does not fit the running ones."""
    path = section_of(process)
    before, now = _at(config, path), _at(read, path)
    if before is None or now is None or not (changed := differences(before, now)):
        return config, {}
    made = with_section(config, path, read)
    if children_of(made) != children_of(config):
        words = f"of [{'.'.join(path)}] {', '.join(changed)}: a restart of one process neither adds nor removes others"
        raise NotAvailable(words, location=read.location(*path), todo="onetape down, up")
    return made, {key: (_shown(was), _shown(now)) for key, (was, now) in changed.items()}


def _shown(value: object) -> object:
    return _USER.sub("//***@", value) if isinstance(value, str) else value


def changes(config: Config, read: Config, processes: Iterable[str]) -> dict[str, str]:
    """Returns the differences of the file: keys, and the process whose restart applies each, "": none's. No restart
    removes what is gone from the file."""
    sections = {".".join(path): name for name in processes if _at(read, path := section_of(name)) is not None}
    read = msgspec.structs.replace(read, places=config.places)
    return {
        key: next((name for section, name in sections.items() if key.startswith(f"{section}.")), "")
        for key in differences(config, read)
    }


def _at(config: Config, path: tuple[str, ...]) -> msgspec.Struct | None:
    if not path:
        return None
    section = getattr(config, path[0])
    found: msgspec.Struct | None = section.get(path[1]) if len(path) == 2 else section
    return found


def differences(before: msgspec.Struct, now: msgspec.Struct) -> dict[str, tuple[Any, Any]]:
    """Returns old and new values by key, tables separated by dots."""
    was, is_now = _flat(msgspec.to_builtins(before)), _flat(msgspec.to_builtins(now))
    return {
        key: (was.get(key), is_now.get(key))
        for key in {**was, **is_now}
        if was.get(key, _ABSENT) != is_now.get(key, _ABSENT)
    }


def _flat(section: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in section.items():
        rows = {f"{name}.{key}": each for key, each in _flat(value).items()} if isinstance(value, dict) else {}
        found |= rows or {name: value}
    return found
