"""Read events of a journal as columns, several types in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from onetape import _core
from onetape.model.errors import BadInput
from onetape.model.time import TIME_MAX
from onetape.tape.schema import EventSchema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NEVER", "OrderRows", "Table", "read_columns"]

_FRAMES_MAX = 1 << 20  # frames between two checks of signals
NEVER = -1  # OrderRows::never of core/journal/columns.hpp


@dataclass(frozen=True, slots=True)
class Table:
    """Selects the columns of one event type.

    names: of the frame's header and the payload's fixed part (a counted tail, as a book's levels,
    is left out); None: all. where: only rows whose fields have these values.
    """

    schema: EventSchema
    names: Iterable[str] | None = None
    where: Mapping[str, int] = field(default_factory=dict)

    def columns(self) -> dict[str, np.dtype[Any]]:
        """Names and types, in the requested order."""
        if not self.schema.fixed:
            raise BadInput(f"{self.schema.name} has no fixed layout: iterate over its records")
        fields = self.schema.row_dtype.fields
        assert fields is not None and self.schema.row_dtype.names is not None
        wanted = self.schema.row_dtype.names if self.names is None else self.names
        return {name: fields[name][0] for name in wanted}

    def core(self) -> tuple[int, int, list[tuple[int, int]], list[tuple[int, int, int]]]:
        """Returns the selection in the core's form."""
        import numpy as np

        fields = self.schema.row_dtype.fields
        assert fields is not None
        places = [(fields[name][1], dtype.itemsize) for name, dtype in self.columns().items()]
        where = []
        for name, value in self.where.items():
            dtype, offset, *_ = fields[name]
            raw = np.array(value, dtype).tobytes()
            where.append((offset, dtype.itemsize, int.from_bytes(raw, "little")))
        return self.schema.id, self.schema.payload_bytes, places, where


class OrderRows(NamedTuple):
    """The orders of a run as columns: the requests to the exchange and its reports, one row for each order.

    Columns of one length by name: `id` (ascending), `stream`, `side` and `type` as on the tape,
    `price size trigger` (integers; size as last amended), `requested answer done placed` (ns: the
    request, the first report, the end or trigger, the exchange's stamp of its last queue
    position; NEVER where there is none), `end` (0 none, 1 canceled, 2 expired, 3 rejected, 4
    denied) and `tag`, an index into `tags`. Fills are events of their own.
    """

    columns: dict[str, NDArray[Any]]
    tags: list[bytes]


_ORDER_TYPES = {
    "id": "<i8",
    "stream": "<u4",
    "side": "u1",
    "type": "u1",
    "price": "<i8",
    "size": "<i8",
    "trigger": "<i8",
    "requested": "<i8",
    "answer": "<i8",
    "done": "<i8",
    "placed": "<i8",
    "end": "u1",
    "tag": "<u4",
}


def read_columns(
    core: _core.JournalReader, tables: Iterable[Table], *, orders: bool = False, time_until: int = TIME_MAX
) -> tuple[list[dict[str, NDArray[Any]]], OrderRows]:
    """Read from the reader's position to the end, in one pass: contiguous columns of each table, and the rows of the
    orders if `orders`."""
    wanted = list(tables)
    walk = _core.ColumnPass([each.core() for each in wanted], orders)
    while not walk.read(core, _FRAMES_MAX, time_until):
        pass
    found = [
        {name: raw.view(dtype) for (name, dtype), raw in zip(each.columns().items(), columns, strict=True)}
        for each, columns in zip(wanted, walk.take_columns(), strict=True)
    ]
    rows, tags = walk.take_orders()
    return found, OrderRows({name: raw.view(_ORDER_TYPES[name]) for name, raw in rows.items()}, tags)
