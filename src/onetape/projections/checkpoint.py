"""What a gateway's journal comes to at one of its frames, as its gateway keeps it and as readers take it up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from onetape.accounts.kept_money import MoneyRecord
from onetape.model.home import encoded
from onetape.orders.first_request import Claim
from onetape.orders.halts import HaltsRecord
from onetape.orders.reports import FillReport
from onetape.projections.found import Found
from onetape.projections.once import Done
from onetape.projections.recovered_orders import RecoveryRecord
from onetape.projections.robot_life import RobotLife
from onetape.tape.checkpoint import Head, newest

__all__ = ["FORMAT", "Checkpoint", "TapeRecord", "checkpoint_file", "is_ours", "read_checkpoint"]

FORMAT: Final = 20  # of the records below; a test holds it to their shape


class TapeRecord(msgspec.Struct, frozen=True):
    """Keeps in a checkpoint the numbers, names and commands that a journal's frames up to one of them have."""

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


class Checkpoint(Head, frozen=True, kw_only=True):
    """Holds what a gateway's journal comes to at one of its frames. made_by: also the instruments that amounts are
    reckoned by."""

    orders: RecoveryRecord
    tape: TapeRecord
    money: MoneyRecord


def checkpoint_file(home: Path, account: str) -> Path:
    return home / "state" / f"gateway-{encoded(account)}.checkpoint"


def read_checkpoint(journal: Path, file: Path) -> Checkpoint | None:
    """Reads the newest checkpoint of a journal that has the form of this version's. None: there is none that fits."""
    return newest(journal, file, Checkpoint, is_ours=is_ours)[0]


def is_ours(head: Head) -> bool:
    """Tells whether a checkpoint has the form of this version's."""
    return head.made_by.startswith(f"{FORMAT} ")
