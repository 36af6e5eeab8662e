"""An account that is followed on a journal which may go at any moment, as a page follows it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onetape.model.catalogue import find
from onetape.model.errors import TornTape
from onetape.projections import followed_account
from onetape.projections.followed_account import FollowedAccount
from onetape.tape.journal import JournalWriter
from onetape.tape.segments import first_sequence


def journal(path: Path) -> Path:
    with JournalWriter(path, process="gateway:main", account="main", durable=False) as writer:
        writer.append_instrument(1, 1, find("binance:BTC/USDT:USDT").to_msgpack())
        writer.append("params", b"\x80", time=2)
    return path


def test_the_first_sequence_of_a_journal_that_was_removed_is_an_error_of_the_tape(tmp_path):
    path = journal(tmp_path / "gateway")
    assert first_sequence(path) == 1
    shutil.rmtree(path)
    with pytest.raises(TornTape, match="removed"):
        first_sequence(path)


def test_a_journal_that_is_removed_while_it_is_first_read_is_followed_no_more(tmp_path, monkeypatch):
    path = journal(tmp_path / "gateway")
    begun = followed_account.begun_view

    def begun_then_removed(*args, **keywords):
        view = begun(*args, **keywords)
        shutil.rmtree(path)
        return view

    monkeypatch.setattr(followed_account, "begun_view", begun_then_removed)
    followed = FollowedAccount(path, tmp_path / "checkpoint")
    assert followed.take(lambda frame: None, back=10)
    assert not followed.take(lambda frame: None, back=10)
    followed.close()
