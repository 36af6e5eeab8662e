"""KIND -> importer. Kinds that are promised and not built say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from onetape.model.errors import NotAvailable, UnknownFormat
from onetape.venues.protocol_table import Protocol

LATER: Final = (
    "binance-vision",
    "tardis",
    "ccxt",
    "freqtrade",
    "hftbacktest",
    "moex",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a KIND is read."""

    name: str
    form: Literal["table", "capture", "recording"]
    protocol: str = ""  # module:attribute of a capture's message table

    def load_protocol(self) -> Protocol:
        """The message table, imported when it is first needed."""
        from importlib import import_module

        module, _, attribute = self.protocol.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, Protocol)
        return found


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("csv", "table"),
        Kind("binance-raw", "capture", "onetape.venues.binance.protocol:MARKET"),
        Kind("cryptofeed", "recording"),  # venue and symbols are in its own lines
    )
}


class UnknownKind(UnknownFormat):
    """A KIND that nobody has heard of is a mistake in the command, not in the data."""

    exit_code = 2


def find_kind(name: str) -> Kind:
    """Raises NotAvailable for a kind of a later release, UnknownFormat (exit 2) for any other."""
    kind = KINDS.get(name)
    if kind is not None:
        return kind
    if name in LATER:
        raise NotAvailable(
            f"importing {name} is not built yet", todo=f"this release reads {', '.join(KINDS)}"
        )
    raise UnknownKind(
        f"no kind of data is called {name!r}",
        todo=f"use one of {', '.join(KINDS)}; later releases add {', '.join(LATER)}",
    )
