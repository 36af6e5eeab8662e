"""Read kind `parquet`: tables by the names of their columns, as `csv`. Needs the extra `research`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from onetape.data import csv_layout
from onetape.data.arrow import rows_of_batch
from onetape.data.frame import ROWS_A_CHUNK
from onetape.data.layout import Planned, TableOptions, TableSource
from onetape.data.source import OnRead, Source
from onetape.model.errors import BadInput, NotAvailable

__all__ = ["MAGIC", "ParquetSource", "parquet_libraries", "plan"]

MAGIC: Final = b"PAR1"


class ParquetSource:
    """A Parquet file's columns as comma-separated values, the header first; times and floats as in data frames."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name = source.name
        self.stem = source.stem

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields rows. Raises BadInput if the file is damaged, or exceeds the limits when decompressed;
        NotAvailable."""
        header = True
        pa, parquet = parquet_libraries()
        source, bytes_there = self._source, self._source.path.stat().st_size
        try:
            place = str(source.path) if source.is_file_of(MAGIC) else io.BytesIO(b"".join(source.chunks()))
            with parquet.ParquetFile(place) as file:
                groups = [file.metadata.row_group(at).total_byte_size for at in range(file.num_row_groups)]
                source.limits.check(expanded=sum(groups), compressed=bytes_there, location=self.name)
                for at, size in enumerate(groups):
                    for batch in file.iter_batches(ROWS_A_CHUNK, row_groups=[at]):
                        yield rows_of_batch(batch, self.name).text(0, ROWS_A_CHUNK, header=header)
                        header = False
                    if on_read is not None:
                        on_read(bytes_there * size // (sum(groups) or 1))
        except (pa.ArrowException, OSError) as error:
            raise BadInput(
                f"the Parquet file is damaged: {str(error).splitlines()[0][:120]}", location=self.name
            ) from None
        if header:
            raise BadInput("the file has no rows", location=self.name)

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first rows."""
        return next(self.chunks())[:size]


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for a file that is no Parquet or an unknown table,
    NotAvailable without the extra."""
    assert isinstance(source, Source)
    if not source.head(len(MAGIC)).startswith(MAGIC):
        raise BadInput("the file is no Parquet", location=source.name, todo="name another KIND")
    return csv_layout.plan(ParquetSource(source), options)


def parquet_libraries() -> tuple[Any, Any]:
    """Returns pyarrow and its Parquet module. Raises NotAvailable without them."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise NotAvailable("Parquet needs pyarrow", todo="pip install 'onetape[research]'") from None
