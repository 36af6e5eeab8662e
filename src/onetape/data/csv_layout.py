"""`csv`: the header's names decide what a table is, or `--columns`."""

from __future__ import annotations

from dataclasses import replace

from onetape import _core
from onetape.data.columns import (
    TableShape,
    find_separator,
    parse_columns,
    settle_shape,
    split_header,
)
from onetape.data.layout import Layout, Planned, TableOptions, TableSource, text_head
from onetape.model.errors import UsageError


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Settle the columns from the first line. Raises BadInput; UsageError for `--columns`."""
    head = text_head(source)
    separator = find_separator(head.first)
    cells = split_header(head.first, separator)
    if options.columns is not None:
        shape = settle_shape(parse_columns(options.columns), where="--columns", given=True)
        if len(cells) < shape.fields:
            raise UsageError(
                f"names {shape.fields} columns, and the rows have {len(cells)}",
                where="--columns",
            )
        shape = replace(shape, fields=len(cells))
        has_header = not is_time(cells, shape.columns["ts_event"])
    else:
        shape = settle_shape(cells, where=source.name, given=False)
        has_header = True
    return Planned(source, of_shape(shape, separator, head.skipped + has_header))


def of_shape(shape: TableShape, separator: str, skip_lines: int) -> Layout:
    """The layout of a table whose columns are settled."""
    return Layout(
        shape.kind,
        shape.columns,
        fields=shape.fields,
        separator=separator,
        skip_lines=skip_lines,
        ignored=shape.ignored,
        note=f"columns read as: {', '.join(shape.renamed)}" if shape.renamed else "",
    )


def is_time(cells: list[str], place: int) -> bool:
    """Whether the cell at that place reads as a time: its row is then no header."""
    return place < len(cells) and isinstance(_core.parse_time_text(cells[place]), int)
