"""Turn a run's data into tapes: tapes themselves, files and frames imported once."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from onetape.model.errors import BadConfig, BadInput
from onetape.model.instrument import Instrument
from onetape.runs.options import RunOptions
from onetape.security.private import private_folder
from onetape.tape.segments import is_tape, located

__all__ = ["as_tapes", "load_instruments"]

ROWS = "csv"
RECORDING = "cryptofeed"  # the kind of file that names symbols itself


def as_tapes(options: RunOptions, symbol: str | None, sources: Sequence[Any], *, flag: str = "--data") -> list[Path]:
    """Returns `sources` as tapes: themselves, or imported once under <home>/tapes.

    Files of one kind become one tape of `symbol`: facts are inferred from all of them, and rows of equal times keep
    the files' order.
    """
    tapes: list[Path] = []
    is_read = False  # at least one source is read with the reading options
    groups: dict[str, tuple[int, list[Path]]] = {}  # kind -> (index in `tapes`, files)
    for data in sources:
        if not isinstance(data, (str, os.PathLike)):
            try:
                tapes.append(_frame_as_tape(data, symbol, options))
                is_read = True
            except TypeError as problem:
                raise BadConfig(str(problem), location=flag) from None
            continue
        path = located(Path(data))
        if is_tape(path):
            # Links stay: the journal of another host's process moves when that does.
            tapes.append(Path(os.path.abspath(path)))  # noqa: PTH100 - it follows links
            continue
        kind = _kind_of_file(path, flag, options)
        is_read = is_read or kind == ROWS
        if symbol is None and kind != RECORDING:
            tapes.append(_imported(kind, [path], None, options))
            continue
        place, files = groups.setdefault(kind, (len(tapes), []))
        if not files:
            tapes.append(path)  # placeholder until all files of the kind are known
        files.append(path)
    for kind, (place, files) in groups.items():
        # A recording names its symbols itself: the run takes only the requested ones.
        name = None if kind == RECORDING else symbol
        tapes[place] = _imported(kind, files, name, options)
    if _has_reading_options(options) and not is_read and flag == "--data":
        raise BadConfig(
            "reading options do not apply: all data are tapes",
            location="--columns, --time-format, --decimal",
            todo="remove them",
        )
    return tapes


def _has_reading_options(options: RunOptions) -> bool:
    return bool(options.columns or options.time_format or options.decimal)


def _kind_of_file(path: Path, flag: str, options: RunOptions) -> str:
    if not path.exists():
        raise BadInput(f"no such file or tape: {path}", location=flag, todo="check the path")
    if path.is_dir():
        raise BadInput(f"the folder {path} holds no tape", location=flag, todo="name a tape or a file")
    if _has_reading_options(options):
        return ROWS  # other kinds of files are not recognized by content
    from onetape.data.sniff import sniff

    return sniff(path)


def _imported(kind: str, files: Sequence[Path], symbol: str | None, options: RunOptions) -> Path:
    """Returns the tape of these files. They are imported once; later calls find the tape by the files' identity."""
    from onetape.data.importing import IMPORT_VERSION, import_files

    facts = []
    for path in files:
        stat = path.stat()
        facts.append(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{kind}|{symbol}")
    how = _how(options) if kind == ROWS else {}
    key = "|".join([*facts, str(options.instruments), str(IMPORT_VERSION), str(how)])
    stem = f"{_safe(files[0].name)}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    target = options.home / "tapes" / stem
    if not is_tape(target):
        private_folder(target.parent)
        name = f"data:{_safe(files[0].name.split('.')[0]).upper()}"
        options.doing(f"imports {files[0].name}" + (f" and {len(files) - 1} more" * (len(files) > 1)))
        import_files(
            kind,
            files,
            symbol=symbol,
            default_symbol=name if kind != RECORDING else None,
            out=target,
            instruments=options.instruments,
            force=True,
            on_understood=_sayer(options),
            **how,
        )
        options.doing("")
    return target.resolve()


def _how(options: RunOptions) -> dict[str, Any]:
    return {"columns": options.columns or None, "time_format": options.time_format, "decimal": options.decimal}


def _sayer(options: RunOptions) -> Callable[[list[dict[str, object]]], None]:
    from onetape.data.understood import understood_lines

    def say(tables: list[dict[str, object]]) -> None:
        for line in understood_lines(tables):
            if options.say is not None:
                options.say(line)

    return say


def _frame_as_tape(frame: Any, symbol: str | None, options: RunOptions) -> Path:
    from onetape.data.importing import import_frame

    folder = options.home / "tapes"
    private_folder(folder)
    # Kept like an imported file, so that the run can be repeated. The content gives the identity.
    target = folder / f"frame-{time.time_ns():x}"
    import_frame(
        frame,
        symbol=symbol,
        default_symbol="data:FRAME",
        out=target,
        instruments=options.instruments,
        on_understood=_sayer(options),
        **_how(options),
    )
    return target.resolve()


def _safe(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)[:48]
    return kept.strip(".-") or "data"


def load_instruments(path: Path | None) -> dict[str, Instrument]:
    """Returns symbol -> instrument of the --instruments file."""
    if path is None:
        return {}
    from onetape.data.instruments import read_instruments

    return dict(read_instruments(path))
