"""The options of the recorder, and the path of its journal. Light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.config import SECRET_FORMS, parse_share
from onetape.model.money import money, money_units
from onetape.model.placement import hosts_of
from onetape.model.sections import RECORDER, AccountAlertsConfig, Config, NotifyConfig
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

GATEWAYS: Final = "gateway-"  # prefix of the journals that it reads
_PIN: Final = "process:recorder"  # protects the frames that it has not read yet
DEFAULT_URL: Final = "sqlite:///store.db"


class Limits(msgspec.Struct, frozen=True):
    """The limits of one account. delta: currency -> decimal text; shares of 1, 0: none."""

    delta: dict[str, str] = {}
    utilization: float = 0.0
    drawdown: float = 0.0

    def of(self, row: Mapping[str, Any]) -> Iterator[tuple[str, Decimal, Decimal]]:
        """Yields (kind, figure, limit) for each limit and figure of a row of `record_risk`."""
        if most := self.delta.get(row["currency"]):
            yield "delta", abs(Decimal(row["delta"])), Decimal(most)
        if self.utilization:
            used = row["utilization"]
            if used is None:  # no equity, or no margin in use
                used = "Infinity" if Decimal(row["equity"]) < 0 else 0
            yield "utilization", Decimal(str(used)), Decimal(str(self.utilization))
        if self.drawdown:
            yield "drawdown", Decimal(str(row["drawdown"])), Decimal(str(self.drawdown))


class RecorderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a recorder. url: of the database, not in the repr, as it may contain a password. leverage,
    limits: by account."""

    home: str
    url: str
    leverage: dict[str, float]
    limits: dict[str, Limits] = {}
    notes: list[str] = []  # types of trade alerts to send
    batch_ns: int = 0
    waits: bool = False  # a recorder of another host may write to the database: this one waits until it has ended

    def __repr__(self) -> str:
        return f"RecorderOptions(home={self.home!r})"


def recorder_journal(home: Path) -> Path:
    return home / "journal" / RECORDER


def note_recorded(journal: Path, sequence: int) -> None:
    """Mark a gateway's journal as recorded up to this frame: frames up to it may be pruned."""
    pin(journal, _PIN, sequence + 1)


def forget_recorded(journal: Path) -> None:
    """End the recorder's protection of a journal against pruning."""
    unpin(journal, _PIN)


def unrecorded_from(journal: Path, config: Config) -> int | None:
    """Returns the first frame of a journal that is not recorded yet; None if no recorder is configured or it does not
    read the journal."""
    if not has_recorder(config) or not journal.name.startswith(GATEWAYS):
        return None
    return next((each.first_sequence for each in pins(journal) if each.run == _PIN), 0)


def has_recorder(config: Config) -> bool:
    """Returns True when the recorder is configured and enabled."""
    return config.has(RECORDER) and config.recorder.enabled


def recorder_options(config: Config, *, home: Path, folder: Path, environ: Mapping[str, str]) -> RecorderOptions:
    """Makes the options. Raises BadConfig for an unreadable secret."""
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
        waits=len(hosts_of(config, RECORDER)) > 1,
    )


def _limits(alerts: AccountAlertsConfig) -> Limits:
    shares = [float(parse_share(text)) if text else 0.0 for text in (alerts.utilization, alerts.drawdown)]
    return Limits({name: str(money(money_units(amount))) for name, amount in alerts.delta.items()}, *shares)
