"""Halts, positions without protection and a guardian's lease at a gateway's process, over its socket."""

from __future__ import annotations

import json
import socket
import time
import uuid

import msgspec
import pytest

import copied_process
from onetape.clients.halts import halts, lift, merged, past_halts, set_danger
from onetape.gateway.stops import Stops
from onetape.ipc import operator
from onetape.ipc.command_tape import CommandTape
from onetape.ipc.names import process_socket
from onetape.model.enums import Side
from onetape.model.errors import BannedSymbol, LossHalt, NoGuardian, NotProtected, OrderRate, ServiceTimeout, UsageError
from onetape.model.home import gateway_journal
from onetape.model.sections import GUARDIAN, AccountConfig, Config
from onetape.model.time import SECOND
from onetape.security.tokens import make_token, read_token
from onetape.tape.journal import JournalReader, JournalWriter
from orders.gate_desk import NOW, Desk
from orders.surroundings import surround
from waiting import wait_for
from worlds.gateway_money import options_of
from worlds.gateway_process import SYMBOL, configure, news_of
from worlds.gateway_tapes import first_tape


def say(home, gateway, command: str, actor: str = GUARDIAN, id_: str = "", **fields) -> dict:
    return gateway.ask(
        "command",
        id=id_ or uuid.uuid4().hex,
        actor=actor,
        token=read_token(home, actor),
        target="gateway:main",
        command=command,
        fields=fields,
    )


def refused_with(home, robot, listing) -> int:
    """The number that an order is denied with, 0: it was accepted."""
    order = robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: news_of(home, order))
    (news, code) = news_of(home, order)[0]
    assert news in ("denied", "accepted")
    return code


def health(home, kind: str) -> list[dict]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        records = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("health",))]
    return [each for each in records if each["kind"] == kind]


def test_a_halt_cancels_refuses_survives_a_crash_and_is_lifted_once(world, tmp_path):
    account, listing, start = world
    gateway, robot = start()
    robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)
    loss = {"rule": "4h 150 USDT", "loss": "150.00 USDT", "limit": "150 USDT"}
    answer = say(tmp_path, gateway, "halt", id_="h1", symbol=SYMBOL, **loss)
    assert answer["status"] == "applied"
    name = answer["result"]["id"]
    wait_for(lambda: not account.open_orders)  # it may only be reduced
    assert refused_with(tmp_path, robot, listing) == BannedSymbol.code
    gateway.kill()
    gateway.start()
    (shown,) = say(tmp_path, gateway, "halts")["result"]["halts"]
    assert shown == answer["result"]
    assert refused_with(tmp_path, robot, listing) == BannedSymbol.code
    second = say(tmp_path, gateway, "halt", id_="h1", symbol=SYMBOL, **loss)
    assert second["status"] == "duplicate"
    for actor, reason, status in (("operator", "", "refused"), ("operator", "it is over", "applied")):
        assert say(tmp_path, gateway, "lift_halt", actor=actor, id=name, reason=reason)["status"] == status
    assert say(tmp_path, gateway, "lift_halt", actor="operator", id=name, reason="twice")["status"] == "refused"
    assert refused_with(tmp_path, robot, listing) == 0
    gateway.kill()
    gateway.start()
    assert say(tmp_path, gateway, "halts")["result"]["halts"] == []
    states = [each["state"] for each in health(tmp_path, "halt")]
    assert states[0].startswith("lost 150.00 USDT by 4h 150 USDT, at most 150 USDT")
    assert states[-1] == "lifted by operator: it is over"


def test_a_halt_ends_by_the_gateways_own_clock(world, tmp_path):
    _, listing, start = world
    gateway, robot = start()
    until = time.time_ns() + 2 * SECOND
    assert say(tmp_path, gateway, "halt", symbol=SYMBOL, until=until)["status"] == "applied"
    wait_for(lambda: say(tmp_path, gateway, "halts")["result"]["halts"] == [])
    assert time.time_ns() > until - SECOND  # by the venue's clock, which is near
    assert "severity" not in health(tmp_path, "halt")[-1]  # that ends its alert
    assert refused_with(tmp_path, robot, listing) == 0


def test_without_a_guardian_that_watches_nothing_is_opened(world, tmp_path):
    _, listing, start = world
    gateway, robot = start(is_guarded=True)
    assert refused_with(tmp_path, robot, listing) == NoGuardian.code

    def lease(epoch: int, seconds: float) -> dict:
        until = time.time_ns() + int(seconds * SECOND)
        return say(tmp_path, gateway, "guardian_lease", until_ns=until, epoch=epoch)

    assert lease(2, 30)["status"] == "applied"
    assert refused_with(tmp_path, robot, listing) == 0
    late = lease(1, 30)  # by one that another has taken the place of
    assert (late["status"], late["error"]["name"]) == ("refused", "NOT_OWNER")
    assert lease(2, 3600)["status"] == "refused"  # nobody watches for an hour unheard
    assert lease(3, 0.1)["status"] == "applied"
    wait_for(lambda: "nothing new is opened" in health(tmp_path, GUARDIAN)[-1]["state"])
    assert refused_with(tmp_path, robot, listing) == NoGuardian.code
    gateway.kill()
    gateway.start()
    assert refused_with(tmp_path, robot, listing) == NoGuardian.code
    assert lease(2, 30)["status"] == "refused"  # the epoch is on the tape
    assert lease(3, 30)["status"] == "applied"
    assert refused_with(tmp_path, robot, listing) == 0


@pytest.mark.parametrize("taken_after_s", [None, 9])
def test_a_guardian_has_ten_seconds_to_come_before_its_absence_is_an_alert(taken_after_s, tmp_path):
    desk, said = Desk(), []
    surround(desk.gate, is_guarded=True)
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        options = options_of()
        stops = Stops(desk.gate, first_tape(writer, []), options, say=said.append, wall=lambda: NOW)
        stops.open(NOW)
        for second in range(12):
            now = NOW + second * SECOND
            if second == taken_after_s:
                stops.lease(NOW + 30 * SECOND, 1, now=now, wall=NOW)
            stops.look(now)
            assert (said == []) == (second < 10 or taken_after_s is not None)
    assert [each.severity for each in said] == ["critical"] * (taken_after_s is None)  # once


def test_a_level_that_takes_the_place_of_another_ends_what_was_said_of_it(tmp_path):
    desk, said = Desk(), []
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        options = options_of()
        stops = Stops(desk.gate, first_tape(writer, []), options, say=said.append, wall=lambda: NOW)
        for level in (1, 2, 2):
            halt = stops.wanted({"level": level}, actor="operator", time=NOW)
            stops.begin(halt, desk.gate.halts.find(halt.id), NOW)
            desk.gate.halts.begin(halt)
    first, over, *seconds = said
    assert (over.subject, over.severity) == (first.subject, "info") and "takes its place" in over.state
    assert len(seconds) == 2 and {each.subject for each in seconds} != {first.subject}


def test_a_position_without_protection_is_not_added_to(world, tmp_path):
    _, listing, start = world
    gateway, robot = start(is_guarded=True)

    def unprotected() -> list[str]:
        until = time.time_ns() + 50 * SECOND
        return say(tmp_path, gateway, "guardian_lease", until_ns=until)["result"]["unprotected"]

    assert unprotected() == []
    since = str(time.time_ns())  # as the command line has it
    assert say(tmp_path, gateway, "unprotected", symbol=SYMBOL, since=since)["status"] == "applied"
    assert say(tmp_path, gateway, "unprotected", symbol=SYMBOL, since="soon")["status"] == "refused"
    assert refused_with(tmp_path, robot, listing) == NotProtected.code
    gateway.kill()
    gateway.start()
    assert unprotected() == [SYMBOL]
    assert refused_with(tmp_path, robot, listing) == NotProtected.code
    assert say(tmp_path, gateway, "unprotected", symbol=SYMBOL, since=0)["status"] == "applied"
    assert refused_with(tmp_path, robot, listing) == 0


@pytest.mark.parametrize("is_guarded", [False, True])
def test_a_gateway_that_has_no_guardian_any_more_holds_nothing_back_for_its_word(is_guarded, tmp_path):
    desk, said = Desk(), []
    surround(desk.gate, is_guarded=is_guarded)
    desk.gate.halts.protect(SYMBOL, NOW)
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        stops = Stops(desk.gate, first_tape(writer, []), options_of(), say=said.append, wall=lambda: NOW)
        stops.open(NOW)
    assert [each.subject for each in said] == [SYMBOL] * is_guarded
    assert list(stops.status()["unprotected"]) == [SYMBOL] * is_guarded


def test_more_executions_than_a_strategy_may_have_halt_it_until_somebody_has_looked(world, tmp_path):
    _, listing, start = world
    gateway, robot = start(executions_max=2, executions_ns=600 * SECOND)
    for count in range(3):
        robot.place((Side.BUY, Side.SELL)[count % 2], 0)
        wait_for(lambda count=count: gateway.ask("status")["booked"] > count)
    (halt,) = say(tmp_path, gateway, "halts")["result"]["halts"]
    assert (halt["scope"], halt["subject"], halt["until"], halt["actor"]) == ("strategy", "main", 0, "gateway")
    assert halt["rule"] == "executions 2 in 600 s"
    config = Config(accounts={"main": AccountConfig(venue="x")})
    wait_for(lambda: [(row["id"], row["event"]) for row in past_halts(tmp_path, config)] == [(halt["id"], "begun")])
    assert refused_with(tmp_path, robot, listing) == LossHalt.code
    gateway.kill()
    gateway.start()
    assert say(tmp_path, gateway, "halts")["result"]["halts"] == [halt]
    assert refused_with(tmp_path, robot, listing) == LossHalt.code
    lifted = say(tmp_path, gateway, "lift_halt", actor="operator", id=halt["id"], reason="it is as it should be")
    assert lifted["status"] == "applied"
    assert refused_with(tmp_path, robot, listing) == 0


def test_orders_and_cancels_count_as_messages(world, tmp_path):
    _, listing, start = world
    _, robot = start(messages_per_second=3)
    orders = [robot.place(Side.BUY, listing.bid - 2000 - n) for n in range(40)]  # in far less than 13 s
    for order in orders:
        wait_for(lambda order=order: news_of(tmp_path, order))
    codes = [news_of(tmp_path, order)[0][1] for order in orders]
    assert set(codes) == {0, OrderRate.code}
    assert codes[:3] == [0, 0, 0]


def test_halts_are_shown_and_lifted_from_the_command_line(world, tmp_path, venue):
    _, listing, start = world
    gateway, robot = start()
    folder = tmp_path / "configuration"
    folder.mkdir()
    configure(folder, venue[1], gateway.account)

    def answer_of(*words: str, code: int = 0):
        done = copied_process.run(*words, "--json", "--home", tmp_path, "--config", folder / "onetape.toml")
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    assert answer_of("halts") == []
    for of in ("symbol=typo", "strategy=typo"):
        answer = answer_of("send", "gateway:main", "halt", of, "reason=news", code=2)
        assert "this gateway has no" in answer["error"]["message"]
    assert answer_of("send", "gateway", "halt", f"symbol={SYMBOL}", "until=4h", "reason=news")["status"] == "applied"
    (row,) = answer_of("halts")
    assert row["until"] - row["since"] == 4 * 3600 * SECOND
    shown = {key: row[key] for key in ("scope", "subject", "rule", "loss", "limit", "actor", "reason", "accounts")}
    assert shown == {
        "scope": "symbol",
        "subject": SYMBOL,
        "rule": "ban",
        "loss": "",
        "limit": "",
        "actor": "operator",
        "reason": "news",
        "accounts": ["main"],
    }
    assert refused_with(tmp_path, robot, listing) == BannedSymbol.code
    assert answer_of("halts", "lift", row["id"], code=2)["error"]["name"] == "BAD_CONFIG"  # no reason
    assert [each["id"] for each in answer_of("halts", "lift", row["id"], "--reason", "old news")] == [row["id"]]
    assert answer_of("halts") == []
    assert answer_of("halts", "lift", row["id"], "--reason", "again", code=2)["error"]["name"] == "BAD_CONFIG"
    with JournalReader(gateway_journal(tmp_path, "main")) as reader:
        commands = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("command",))]
    (lift,) = [each for each in commands if each["command"] == "lift_halt"]
    assert (lift["actor"], lift["fields"]["reason"]) == ("operator", "old news")
    level = ("halts", "level")
    assert answer_of(*level, "4", "--reason", "x", code=2)["error"]["name"] == "BAD_CONFIG"
    assert answer_of(*level, "0", "--symbol", SYMBOL, "--reason", "x", code=2)["error"]["name"] == "BAD_CONFIG"
    assert answer_of(*level, "1", "--account", "other", "--reason", "x", code=2)["error"]["name"] == "BAD_CONFIG"
    assert answer_of(*level, "0", "--until", "4h", "--reason", "x", code=2)["error"]["name"] == "BAD_CONFIG"
    for of in (("--symbol", SYMBOL.partition(":USDT")[0]), ("--strategy", "typo")):
        assert "this gateway has no" in answer_of(*level, "3", *of, "--reason", "x", code=2)["error"]["message"]
    answer_of(*level, "1", "--symbol", SYMBOL, "--reason", "thin book")
    assert refused_with(tmp_path, robot, listing) == BannedSymbol.code
    gateway.kill()
    gateway.start()
    answer_of(*level, "3", "--symbol", SYMBOL, "--reason", "thinner book")
    (row3,) = answer_of("halts")
    assert (row3["level"], row3["subject"], row3["actor"], row3["reason"]) == (3, SYMBOL, "operator", "thinner book")
    assert answer_of(*level, "0", "--symbol", SYMBOL, "--reason", "deep again") == []
    assert refused_with(tmp_path, robot, listing) == 0
    gateway.kill()  # who halted what, and who lifted it, is known without it, too
    past = answer_of("halts", "--all")
    assert [(each["event"], each["actor"], each["reason"], each["subject"]) for each in past] == [
        ("begun", "operator", "news", SYMBOL),
        ("lifted", "operator", "old news", SYMBOL),
        ("begun", "operator", "thin book", SYMBOL),
        ("begun", "operator", "thinner book", SYMBOL),
        ("lifted", "operator", "deep again", SYMBOL),
    ]
    assert {each["id"] for each in past[:2]} == {row["id"]} and past[0]["ts"] < past[1]["ts"]


def test_halts_are_listed_and_lifted_where_a_gateway_answers_and_that_others_do_not_is_said(
    world, tmp_path, monkeypatch
):
    _, _, start = world
    gateway, _ = start()
    monkeypatch.setattr(operator, "WITHIN_S", 1.0)
    config = Config(accounts={name: AccountConfig(venue="x") for name in ("dead", "main")})
    assert halts(tmp_path, Config(accounts={"main": AccountConfig(venue="x")})) == ([], None)
    with socket.socket(socket.AF_UNIX) as left:  # its process was killed
        left.bind(str(process_socket(tmp_path, "gateway:dead")))
    say(tmp_path, gateway, "halt", symbol=SYMBOL, id="h1")
    for found in (halts(tmp_path, config), lift(tmp_path, config, "h1", "looked at it")):
        assert [(row["id"], row["accounts"]) for row in found.rows] == [("h1", ["main"])]
        assert "gateway-dead" in found.away.message and found.away.exit_code == 6
    assert say(tmp_path, gateway, "halts")["result"]["halts"] == []
    with pytest.raises(ServiceTimeout):  # it may be there
        lift(tmp_path, config, "h1", "looked at it")


def test_the_history_has_what_a_gateway_did_that_was_killed_before_its_reply(tmp_path):
    with JournalWriter(gateway_journal(tmp_path, "main"), process="gateway:main", account="main") as writer:
        tape = CommandTape(writer)
        for id_, command, fields, is_refused in (
            ("1", "halt", {"symbol": SYMBOL, "reason": "news"}, False),
            ("2", "halt", {"symbol": SYMBOL, "until": 1}, True),
            ("3", "lift_halt", {"id": f"symbol:{SYMBOL}:ban", "reason": "old news"}, False),
        ):
            record = {"id": id_, "actor": "operator", "target": "gateway:main", "command": command, "fields": fields}
            tape.command(record | ({"refused": {"code": 4602}} if is_refused else {}), NOW)
    rows = past_halts(tmp_path, Config(accounts={"main": AccountConfig(venue="x")}))
    assert [(each["event"], each["subject"], each["reason"]) for each in rows] == [
        ("begun", SYMBOL, "news"),
        ("lifted", SYMBOL, "old news"),
    ]


def test_a_level_is_lifted_of_one_subject_at_a_time(tmp_path):
    with pytest.raises(UsageError, match="a symbol or a strategy, not both"):
        set_danger(tmp_path, Config(), 0, {"symbol": SYMBOL, "strategy": "main", "reason": "x"}, "")


def test_only_operator_and_guardian_may_and_a_guardian_no_more_than_that(world, tmp_path):
    _, _, start = world
    gateway, robot = start()
    make_token(tmp_path, robot.name)
    for command in ("halt", "lift_halt", "unprotected", "guardian_lease", "kill"):
        actor = GUARDIAN if command == "kill" else robot.name
        answer = say(tmp_path, gateway, command, actor=actor)
        assert (answer["status"], answer["error"]["name"]) == ("refused", "PERMISSION_DENIED")


def test_a_halt_of_an_older_gateway_that_says_no_level_is_listed_with_the_one_that_it_has():
    row = {"id": "h1", "since": 1, "until": 0}
    (shown,) = merged({"a": [row], "b": [{**row, "level": 2}]})
    assert (shown["level"], shown["accounts"]) == (2, ["a", "b"])
