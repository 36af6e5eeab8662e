"""What the recorder is started with, and where its journal is. Light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.config import SECRET_FORMS, parse_share
from onetape.model.money import money, money_units
from onetape.model.sections import AccountAlertsConfig, Config, NotifyConfig
from onetape.model.time import parse_duration
from onetape.security.secrets import read_secret
from onetape.tape.prune import pin, pins, unpin

__all__ = [
    "GATEWAYS",
    "RECORDER",
    "Limits",
    "RecorderOptions",
    "forget_recorded",
    "has_recorder",
    "note_recorded",
    "recorder_journal",
    "recorder_options",
    "unrecorded_from",
]

RECORDER: Final = "recorder"  # the process, its kind and its journal
GATEWAYS: Final = "gateway-"  # how names of the journals begin that it reads
_PIN: Final = "process:recorder"  # of what it has not read yet
DEFAULT_URL: Final = "sqlite:///store.db"


class Limits(msgspec.Struct, frozen=True):
    """The limits of one account. delta: currency -> decimal text; shares of 1, 0: none."""

    delta: dict[str, str] = {}
    utilization: float = 0.0
    drawdown: float = 0.0

    def of(self, row: Mapping[str, Any]) -> Iterator[tuple[str, Decimal, Decimal]]:
        """(kind, figure, limit) of a row of `record_risk`."""
        if most := self.delta.get(row["currency"]):
            yield "delta", abs(Decimal(row["delta"])), Decimal(most)
        if self.utilization:
            used = row["utilization"]
            if used is None:  # there is nothing to cover it, or nothing at all
                used = "Infinity" if Decimal(row["equity"]) < 0 else 0
            yield "utilization", Decimal(str(used)), Decimal(str(self.utilization))
        if self.drawdown:
            yield "drawdown", Decimal(str(row["drawdown"])), Decimal(str(self.drawdown))


class RecorderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a recorder is started with. url: of the database, which may hold a password: it is in no text of this.
    leverage, limits: by account."""

    home: str
    url: str
    leverage: dict[str, float]
    limits: dict[str, Limits] = {}
    notes: list[str] = []  # what is told of what was traded
    batch_ns: int = 0

    def __repr__(self) -> str:
        return f"RecorderOptions(home={self.home!r})"


def recorder_journal(home: Path) -> Path:
    return home / "journal" / RECORDER


def note_recorded(journal: Path, sequence: int) -> None:
    """Nothing of a gateway's journal up to this frame is needed for records any more."""
    pin(journal, _PIN, sequence + 1)


def forget_recorded(journal: Path) -> None:
    """Nothing is kept for records any more."""
    unpin(journal, _PIN)


def unrecorded_from(journal: Path, config: Config) -> int | None:
    """From which frame on a journal has not been recorded. None: nobody records it, or is to."""
    if not has_recorder(config) or not journal.name.startswith(GATEWAYS):
        return None
    return next((each.first_sequence for each in pins(journal) if each.run == _PIN), 0)


def has_recorder(config: Config) -> bool:
    """It is written, and not switched off."""
    return config.has(RECORDER) and config.recorder.enabled


def recorder_options(config: Config, *, home: Path, folder: Path, environ: Mapping[str, str]) -> RecorderOptions:
    """Raises BadConfig for a secret that cannot be read."""
    url = config.recorder.url or DEFAULT_URL
    if url.startswith(SECRET_FORMS):
        url = read_secret(url, environ, folder=folder).reveal()
    leverage = {name: account.leverage for name, account in config.accounts.items()}
    limits = {name: _limits(account.alerts) for name, account in config.accounts.items()}
    notify: NotifyConfig = config.notify
    return RecorderOptions(
        home=str(home),
        url=url,
        leverage=leverage,
        limits=limits,
        notes=notify.trade_types,
        batch_ns=parse_duration(notify.batch),
    )


def _limits(alerts: AccountAlertsConfig) -> Limits:
    shares = [float(parse_share(text)) if text else 0.0 for text in (alerts.utilization, alerts.drawdown)]
    return Limits({name: str(money(money_units(amount))) for name, amount in alerts.delta.items()}, *shares)
