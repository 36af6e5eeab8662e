"""The state of a gateway's journal at one of its frames, as its gateway writes it and readers load it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from onetape.accounts.kept_money import MoneyRecord
from onetape.model.home import encoded
from onetape.orders.first_request import Claim
from onetape.orders.halts import HaltsRecord
from onetape.orders.reports import FillReport
from onetape.projections.brackets import Bracket, BracketTerms
from onetape.projections.found import Found
from onetape.projections.once import Done
from onetape.projections.recovered_orders import RecoveryRecord
from onetape.projections.robot_life import RobotLife
from onetape.tape.checkpoint import Head, newest

__all__ = ["FORMAT", "Checkpoint", "TapeRecord", "checkpoint_file", "is_ours", "read_checkpoint"]

FORMAT: Final = 21  # of the records below; a test holds it to their shape


class TapeRecord(msgspec.Struct, frozen=True):
    """The numbers, names and commands of a journal's frames up to a checkpoint."""

    robots: list[RobotLife]
    currencies: dict[str, int]
    killed: str
    halts: HaltsRecord
    since: int
    once: list[tuple[str, Done]]
    first: list[tuple[tuple[int, str], Claim[str]]]
    beyond: list[tuple[int, FillReport]] = []
    forced: list[tuple[int, FillReport]] = []
    opened: int = 0
    last_by_hand: int = 0
    shares: dict[str, tuple[int, int]] = {}
    begun: dict[str, Found] = {}
    brackets: list[Bracket] = []
    bracket_terms: dict[str, BracketTerms] = {}


class Checkpoint(Head, frozen=True, kw_only=True):
    """The state of a gateway's journal at one of its frames. made_by: includes the instruments whose units amounts are
    in."""

    orders: RecoveryRecord
    tape: TapeRecord
    money: MoneyRecord


def checkpoint_file(home: Path, account: str) -> Path:
    return home / "state" / f"gateway-{encoded(account)}.checkpoint"


def read_checkpoint(journal: Path, file: Path) -> Checkpoint | None:
    """Reads the newest checkpoint of a journal in this version's format. None: there is none."""
    return newest(journal, file, Checkpoint, is_ours=is_ours)[0]


def is_ours(head: Head) -> bool:
    """Tells whether a checkpoint has this version's format."""
    return head.made_by.startswith(f"{FORMAT} ")
