"""What is remembered of commands, and what their payloads are."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest
from ipc_process import Adder, journal_of, requests_in

import onetape.projections.once
from onetape.ipc.commands import kraken_strategy_balance, strategy_balance_cmd
from onetape.model.errors import UsageError
from onetape.model.time import DAY
from onetape.projections.once import Once, digest_of
from onetape.security.tokens import read_token, token_file


class Exchange(Enum):
    KRAKEN = "kraken"


class Currency(Enum):
    USD = 3


def test_a_payload_is_as_it_is_written_down():
    built = kraken_strategy_balance(strategy="a", cmd="allocate", currency="usd", index=2, amount=100)
    assert built == {"strategy": "a", "cmd": "allocate", "currency": "usd", "amount": "100", "index": 2}
    adjusted = kraken_strategy_balance("a", "adjust", Currency.USD, delta=-1000, transfer_id="t")
    assert adjusted == {
        "strategy": "a",
        "cmd": "adjust",
        "currency": "USD",
        "delta": "-1000",
        "index": 0,
        "transfer_id": "t",
    }
    for amount in (0.1, "0.1", Decimal("0.1")):
        assert kraken_strategy_balance("a", "release", "usd", amount)["amount"] == "0.1"
    with pytest.raises(UsageError, match="an amount"):
        kraken_strategy_balance("a", "release", "usd", True)
    assert strategy_balance_cmd(Exchange.KRAKEN) == "kraken_strategy_balance"


def test_ids_are_forgotten_when_they_are_many_and_old(monkeypatch):
    monkeypatch.setattr(onetape.projections.once, "NEWEST", 10)
    monkeypatch.setattr(onetape.projections.once, "MOST", 30)
    once = Once()
    for n in range(29):
        once.began(str(n), b"", n)
    assert len(once) == 29 and not once.is_full(28)  # all are young
    once.began("29", b"", 29)
    assert once.is_full(29)
    # The oldest six are a day old, and go a few at a time: many at once would be a pause.
    assert not once.is_full(DAY + 5)
    assert len(once) == 30 - onetape.projections.once.GONE_AT_ONCE
    assert not once.is_full(DAY + 5)
    assert once.find("5") is None and once.find("6") is not None
    for _ in range(10):
        assert not once.is_full(10 * DAY)
    assert len(once) == 10 and once.find("20") is not None  # the newest stay, whatever their age


def test_the_same_words_have_one_digest_however_they_were_written():
    one = digest_of("a", "add", {"x": 1, "y": {"b": Decimal("0.1"), "a": None}})
    assert one == digest_of("a", "add", {"y": {"a": None, "b": "0.1"}, "x": 1})
    others = [("b", "add", {}), ("a", "adds", {}), ("a", "add", {"x": 1}), ("a", "add", {"x": "1"})]
    assert len({digest_of(*each) for each in others}) == 4


def query(home: Path, **other) -> dict:
    return {
        "id": "x",
        "actor": "operator",
        "target": "adder:one",
        "command": "add",
        "fields": {"amount": 2},
        "token": read_token(home, other.get("actor", "operator")),
        **other,
    }


def test_a_refusal_is_remembered_and_a_stranger_leaves_nothing(tmp_path: Path):
    adder = Adder(tmp_path, "adder:one", "process")
    answer = adder.door.answer
    first = answer(query(tmp_path, fields={"amount": "two"}))
    second = answer(query(tmp_path, fields={"amount": "two"}))
    assert (first["status"], second["status"]) == ("refused", "duplicate")
    assert first["error"] == second["error"]
    wrong = (
        {"token": "0" * 64},
        {"token": None},
        {"token": 7},
        {"target": "adder:two"},
        {"id": ""},
        {"command": "dance"},
        {"fields": {"sum": 1}},
        {"fields": []},
        {"deadline_ns": "soon"},
        {"deadline_ns": 1},
        {"target": "*"},
        {"actor": "a", "command": "halt", "fields": {}},
    )
    for number, each in enumerate(wrong):
        reply = answer(query(tmp_path, **{"id": f"w{number}", **each}))
        assert reply["status"] in ("refused", "timeout"), each
        assert reply["error"]["code"] and json.dumps(reply)
    assert adder.sum == 0
    adder.writer.close()
    ((kind, record),) = requests_in(journal_of(tmp_path, "adder:one"))
    assert (kind, record["id"], record["refused"]["name"]) == ("command", "x", "INVALID_AMOUNT")


@pytest.mark.parametrize(("command", "syncs"), [("halt", 2), ("place", 0)])
def test_what_only_makes_orders_waits_for_no_sync_and_is_done_once(tmp_path: Path, monkeypatch, command, syncs):
    adder, found = Adder(tmp_path, "adder:one", "disk"), []
    monkeypatch.setattr(adder, "ensure", found.append)
    request = query(tmp_path, command=command, fields={})
    assert adder.door.answer(request)["status"] == "applied"
    adder.door.settle()
    assert found == ["disk"] * syncs
    assert adder.door.answer(request)["status"] == "duplicate"
    adder.writer.close()
    assert [kind for kind, _ in requests_in(journal_of(tmp_path, "adder:one"))] == ["command", "reply"]


def test_a_token_that_was_made_anew_counts_at_once(tmp_path: Path):
    adder = Adder(tmp_path, "adder:one", "process")
    old = query(tmp_path, actor="a")
    assert adder.door.answer(old)["status"] == "applied"
    path = token_file(tmp_path, "a")
    beside = path.with_name("new")
    beside.write_text("0" * 64)
    beside.chmod(0o600)
    beside.rename(path)
    assert adder.door.answer({**old, "id": "y"})["error"]["name"] == "PERMISSION_DENIED"
    assert adder.door.answer(query(tmp_path, actor="a", id="z"))["result"] == 4
    path.unlink()
    assert adder.door.answer({**old, "id": "u", "token": ""})["error"]["name"] == "NOT_OWNER"
    adder.writer.close()


def test_the_operator_is_heard_on_a_day_of_too_many_commands(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(onetape.projections.once, "MOST", 3)
    adder = Adder(tmp_path, "adder:one", "process")
    received = [adder.door.answer(query(tmp_path, actor="a", id=str(n))) for n in range(4)]
    assert [each["status"] for each in received] == ["applied"] * 3 + ["refused"]
    assert received[-1]["error"]["name"] == "RATE_LIMITED"
    assert adder.door.answer(query(tmp_path, id="o"))["result"] == 8
    adder.writer.close()
