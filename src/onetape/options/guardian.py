"""The options of the guardian, and the path of its journal. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.config import parse_amount, parse_share
from onetape.model.enums import TriggerBy
from onetape.model.errors import BadConfig
from onetape.model.proxy import Proxy
from onetape.model.sections import GUARDIAN, Config, GuardedSymbolConfig, GuardianConfig, HaltsConfig
from onetape.model.time import parse_duration
from onetape.options.gateway import GatewayOptions, HubOfGateway
from onetape.options.guardian_rules import GuardianSettings, Rules, StaleRule, StaleRules
from onetape.security.secrets import read_secret

__all__ = [
    "GUARDIAN",
    "STANDBY",
    "AccountOptions",
    "GuardianOptions",
    "guarded_account",
    "guardian_options",
    "has_guardian",
]


STANDBY: Final = f"{GUARDIAN}:standby"  # the second process of a guardian


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True):
    """An account, and how its venue is queried. hub: the hub that its gateway reads. Its repr shows no secret."""

    kind: str
    rest: str
    ws: str
    key: str
    secret: str
    third_secret: str = ""
    isolated: bool = False
    hub: HubOfGateway | None = None
    proxy: Proxy | None = None

    def __repr__(self) -> str:
        return f"AccountOptions(kind={self.kind!r}, rest={self.rest!r})"


def guarded_account(made: GatewayOptions, config: Config, environ: Mapping[str, str], folder: Path) -> AccountOptions:
    """Returns an account's options for the guardian, with the guardian's key if configured, else the gateway's.
    Raises BadConfig, PermissionDenied."""
    own = config.guardian.accounts.get(made.account)
    key, secret, third = made.key, made.secret, made.third_secret
    if own is not None:
        key, secret = (read_secret(each, environ, folder=folder).reveal() for each in (own.key, own.secret))
        third = read_secret(own.password, environ, folder=folder).reveal() if own.password else third
    return AccountOptions(
        kind=made.kind,
        rest=made.rest,
        ws=made.ws,
        key=key,
        secret=secret,
        third_secret=third,
        isolated=made.isolated,
        hub=made.hub,
        proxy=made.proxy,
    )


class GuardianOptions(msgspec.Struct, frozen=True, kw_only=True):
    home: str
    accounts: dict[str, AccountOptions]
    settings: GuardianSettings
    halts: HaltsConfig = HaltsConfig()
    subaccounts: dict[str, dict[str, int]] = {}  # account -> name -> slot
    stale: StaleRules = StaleRules()
    waits: bool = False  # stands by while another guardian of this home runs
    takeover_ns: int = 0  # silence after which it acts for a dead gateway; 0: never


def has_guardian(config: Config) -> bool:
    """Returns True when the guardian is configured and enabled."""
    return config.has(GUARDIAN) and config.guardian.enabled


def guardian_options(config: Config, accounts: Mapping[str, AccountOptions], *, home: Path) -> GuardianOptions:
    """Makes the options. Raises BadConfig if there is nothing to guard."""
    if not config.accounts:
        raise BadConfig("there is no account to guard", location="[guardian]", todo="add an [accounts.NAME]")
    guardian: GuardianConfig = config.guardian
    rules = _rules(guardian, guardian)
    symbols = {name: _rules(each, guardian) for name, each in guardian.symbols.items()}
    total: dict[str, Decimal] = {}
    if guardian.total_loss:
        amount, currency = parse_amount(guardian.total_loss)
        total[currency] = amount
    confirm = parse_duration(guardian.confirm)
    settings = GuardianSettings(rules, symbols, total, TriggerBy(guardian.trigger_by), confirm)
    return GuardianOptions(
        home=str(home),
        accounts=dict(accounts),
        settings=settings,
        halts=guardian.halts,
        subaccounts={name: config.accounts[name].subaccounts for name in accounts},
        stale=_stale(guardian),
        waits=guardian.standby,
        takeover_ns=parse_duration(guardian.takeover_after) if guardian.takeover_after else 0,
    )


def _rules(of: GuardedSymbolConfig | GuardianConfig, default: GuardianConfig) -> Rules:
    hard_stop = default.hard_stop if of.hard_stop is None else of.hard_stop
    look_back = default.look_back if of.look_back is None else of.look_back
    beyond = default.look_back_beyond if of.look_back_beyond is None else of.look_back_beyond
    return Rules(
        tuple(map(parse_share, default.ladder if of.ladder is None else of.ladder)),
        parse_share(hard_stop) if hard_stop else Decimal(0),
        parse_duration(look_back) if look_back else 0,
        parse_share(beyond) if beyond else Decimal(0),
        tuple(map(parse_share, default.take_profit if of.take_profit is None else of.take_profit)),
    )


def _stale(guardian: GuardianConfig) -> StaleRules:
    tags = {
        tag: StaleRule(
            parse_duration(rule.cancel_after) if rule.cancel_after else 0,
            parse_duration(rule.take_after) if rule.take_after else 0,
            parse_share(rule.take_share),
            parse_share(rule.take_within),
        )
        for tag, rule in guardian.stale.items()
    }
    return StaleRules(tags, parse_duration(guardian.orphaned_stops) if guardian.orphaned_stops else 0)
