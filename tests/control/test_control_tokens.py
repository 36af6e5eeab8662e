"""Tokens: shown once, hashed at rest, valid from one moment to another."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from onetape.model.errors import BadConfig, PermissionDenied, UsageError
from onetape.model.time import DAY
from onetape.web.tokens import SCOPES, TokenStore


def test_a_token_is_on_no_disk_and_is_found_by_whoever_looks(tmp_path: Path):
    token, grant = TokenStore(tmp_path).create("bot", ["trade", "read"], days=2)
    file = tmp_path / "state" / "control.tokens"
    assert token not in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert grant.scopes == ("read", "trade") and grant.expires - grant.created == 2 * DAY
    store = TokenStore(tmp_path)
    assert store.find(token) == grant and store.find(f"{token}x") is None and store.find("") is None
    assert not grant.has_expired(grant.expires - 1) and grant.has_expired(grant.expires)


def test_a_change_is_seen_by_who_has_read_before(tmp_path: Path):
    store, other = TokenStore(tmp_path), TokenStore(tmp_path)
    assert store.grants() is None and not store.has_valid()
    token, _ = other.create("bot", ["read"])
    assert store.has_valid() and store.find(token) is not None
    other.revoke("bot")
    assert store.find(token) is None and store.grants() == ()


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        *((name, ["read"]) for name in ("", "a\nb", "bot/mcp", "auto", "control", "anonymous")),
        *(("a", scopes) for scopes in ([], ["write"])),
    ],
)
def test_what_is_no_token_is_refused(tmp_path: Path, name: str, scopes: list[str]):
    with pytest.raises(UsageError):
        TokenStore(tmp_path).create(name, scopes)
    assert TokenStore(tmp_path).grants() is None


def test_a_name_is_of_one_token(tmp_path: Path):
    store = TokenStore(tmp_path)
    store.create("bot", list(SCOPES))
    with pytest.raises(UsageError, match="exists already"):
        store.create("bot", ["read"])
    with pytest.raises(UsageError, match="no token"):
        store.revoke("other")


def test_tokens_that_are_made_at_the_same_time_are_all_there(tmp_path: Path):
    names = [f"bot-{number}" for number in range(20)]
    threads = [threading.Thread(target=TokenStore(tmp_path).create, args=(name, ["read"])) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.name for each in TokenStore(tmp_path).grants()) == sorted(names)


def test_a_file_that_is_damaged_or_that_others_may_read_lets_nobody_in(tmp_path: Path):
    store = TokenStore(tmp_path)
    token, _ = store.create("bot", ["read"])
    file = tmp_path / "state" / "control.tokens"
    file.chmod(0o644)
    with pytest.raises(PermissionDenied, match="chmod 600"):
        TokenStore(tmp_path).find(token)
    file.chmod(0o600)
    file.write_text("{")
    with pytest.raises(BadConfig, match="not a file of tokens"):
        store.find(token)
