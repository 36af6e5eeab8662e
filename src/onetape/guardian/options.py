"""What the guardian is started with, and where its journal is. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from onetape.guardian.events import GuardianSettings, Rules
from onetape.model.config import GUARDIAN, Config, GuardianConfig, HaltsConfig, parse_amount, parse_share
from onetape.model.enums import TriggerBy
from onetape.model.errors import BadConfig

__all__ = ["GUARDIAN", "AccountOptions", "GuardianOptions", "guardian_journal", "guardian_options", "has_guardian"]


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True):
    """An account, and how its venue is asked about it. Its text shows no secret."""

    kind: str
    rest: str
    ws: str
    key: str
    secret: str

    def __repr__(self) -> str:
        return f"AccountOptions(kind={self.kind!r}, rest={self.rest!r})"


class GuardianOptions(msgspec.Struct, frozen=True, kw_only=True):
    home: str
    accounts: dict[str, AccountOptions]
    settings: GuardianSettings
    halts: HaltsConfig = HaltsConfig()
    subaccounts: dict[str, dict[str, int]] = {}  # by account: name -> slot


def guardian_journal(home: Path) -> Path:
    return home / "journal" / GUARDIAN


def has_guardian(config: Config) -> bool:
    """It is written, and not switched off."""
    return config.has(GUARDIAN) and config.guardian.enabled


def guardian_options(config: Config, accounts: Mapping[str, AccountOptions], *, home: Path) -> GuardianOptions:
    """Raises BadConfig where there is nothing to guard."""
    if not config.accounts:
        raise BadConfig("there is no account to guard", location="[guardian]", todo="add an [accounts.NAME]")
    guardian: GuardianConfig = config.guardian
    rules = _rules(guardian.ladder, guardian.hard_stop)
    symbols = {
        name: _rules(each.ladder or guardian.ladder, each.hard_stop or guardian.hard_stop)
        for name, each in guardian.symbols.items()
    }
    total: dict[str, Decimal] = {}
    if guardian.total_loss:
        amount, currency = parse_amount(guardian.total_loss)
        total[currency] = amount
    settings = GuardianSettings(rules, symbols, total, TriggerBy(guardian.trigger_by))
    return GuardianOptions(
        home=str(home),
        accounts=dict(accounts),
        settings=settings,
        halts=guardian.halts,
        subaccounts={name: config.accounts[name].subaccounts for name in accounts},
    )


def _rules(ladder: list[str], hard_stop: str) -> Rules:
    return Rules(tuple(map(parse_share, ladder)), parse_share(hard_stop) if hard_stop else Decimal(0))
