"""Commands over real sockets to real processes, which are killed at every step."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ipc_process import AdderProcess, journal_of, requests_in

from onetape.ipc import IPCCommandSystem
from onetape.ipc.names import process_socket
from onetape.model.errors import UsageError
from onetape.security.tokens import make_token, token_file
from waiting import PATIENCE_S


def sent(home: Path, *commands, actor: str = "a", timeout: float = 20.0):
    """Answers to (target, command, fields[, id]), one after another by one sender."""

    async def work():
        system = IPCCommandSystem(actor, home=home)
        system.start()
        answers = []
        for target, name, fields, *id_ in commands:
            answers.append(
                await system.send_command(target, name, fields, timeout=timeout, command_id=id_[0] if id_ else None)
            )
        system.stop()
        return answers if len(answers) > 1 else answers[0]

    return asyncio.run(work())


def test_a_command_is_done_once_however_often_it_is_sent(tmp_path: Path):
    with AdderProcess(tmp_path, "adder:one"):
        first, second, other, total = sent(
            tmp_path,
            ("adder:one", "add", {"amount": 5}, "x"),
            ("adder", "add", {"amount": 5}, "x"),
            ("adder:one", "add", {"amount": 6}, "x"),
            ("adder:one", "sum", {}),
        )
    assert (first.status, first.result, first.process) == ("applied", 5, "adder:one")
    assert (second.status, second.result) == ("duplicate", 5)
    assert (other["status"], other.get("error")["code"]) == ("refused", 4605)
    assert total.result == 5
    with AdderProcess(tmp_path, "adder:one"):  # its journal remembers
        second, other, total = sent(
            tmp_path,
            ("adder:one", "add", {"amount": 5}, "x"),
            ("adder:one", "add", {"amount": 6}, "x"),
            ("adder:one", "sum", {}),
        )
    assert (second.status, second.result, second.error) == ("duplicate", 5, None)
    assert other.error["name"] == "DUPLICATE_COMMAND"
    assert total.result == 5


@pytest.mark.parametrize("at", ["heard", "journaled", "replied"])
def test_a_process_killed_in_the_middle_of_a_command_does_it_once(tmp_path: Path, at: str):
    """Before it stood on the tape, between that and the reply, and before the answer left: the
    sender is told of a timeout, and the same id afterwards is done once."""

    async def work():
        system = IPCCommandSystem("a", home=tmp_path)
        system.start()
        dying = await asyncio.to_thread(AdderProcess, tmp_path, "adder:one", die_at=at)
        waiting = asyncio.ensure_future(
            system.send_command("adder:one", "add", {"amount": 5}, timeout=PATIENCE_S, command_id="x")
        )
        await asyncio.to_thread(dying.ended)
        system.stop()
        return await waiting

    lost = asyncio.run(work())
    assert (lost.status, lost.error["code"]) == ("timeout", 2001)
    with AdderProcess(tmp_path, "adder:one"):
        answer, total = sent(tmp_path, ("adder:one", "add", {"amount": 5}, "x"), ("adder:one", "sum", {}))
    assert answer.status == ("duplicate" if at == "replied" else "applied")
    assert total.result == 5
    reported = requests_in(journal_of(tmp_path, "adder:one"))
    assert [kind for kind, _ in reported] == ["command", "reply"]


def test_a_sender_waits_for_who_starts_later_and_finds_who_starts_again(tmp_path: Path):
    async def work():
        system = IPCCommandSystem("a", home=tmp_path)
        system.start()
        early = asyncio.ensure_future(system.send_command("adder", "add", {"amount": 1}, timeout=PATIENCE_S))
        await asyncio.sleep(0.05)
        dying = await asyncio.to_thread(AdderProcess, tmp_path, "adder:one", "process", "heard")
        await asyncio.to_thread(dying.ended)  # it heard, and did nothing
        assert not early.done()
        second = await asyncio.to_thread(AdderProcess, tmp_path, "adder:one")
        with second:
            answer = await early
            total = await system.send_command("adder", "sum", {})
        system.stop()
        return answer, total

    answer, total = asyncio.run(work())
    assert (answer.status, answer.result, total.result) == ("applied", 1, 1)


def test_a_lost_answer_is_asked_for_again_and_the_first_one_is_given(tmp_path: Path):
    async def work():
        system = IPCCommandSystem("a", home=tmp_path)
        system.start()
        dying = await asyncio.to_thread(AdderProcess, tmp_path, "adder:one", "process", "replied")
        waiting = asyncio.ensure_future(system.send_command("adder:one", "add", {"amount": 7}, timeout=PATIENCE_S))
        await asyncio.to_thread(dying.ended)
        with await asyncio.to_thread(AdderProcess, tmp_path, "adder:one"):
            answer = await waiting
        system.stop()
        return answer

    answer = asyncio.run(work())
    assert (answer.status, answer.result) == ("applied", 7)


def test_who_asks_is_proven(tmp_path: Path):
    with AdderProcess(tmp_path, "adder:one"):
        foreign, own, operators = sent(
            tmp_path,
            ("adder:one", "add", {"amount": 1, "strategy": "b"}),
            ("adder:one", "add", {"amount": 1, "strategy": "a"}),
            ("adder:one", "halt", {}),
        )
        assert (foreign.error["code"], own.status) == (4206, "applied")
        assert (operators.status, operators.error["code"]) == ("refused", 3001)
        halted = sent(tmp_path, ("adder:one", "halt", {}), actor="operator")
        assert (halted.status, halted.result) == ("applied", {"halted": True})
        all_may = ("adder:one", "add", {"amount": 1, "strategy": "b"})
        assert sent(tmp_path, all_may, actor="operator").status == "applied"
        # Another token in its place is another sender's; who has none is refused, at once.
        other = tmp_path / "other"
        make_token(other, "a")
        (other / "run" / "adder-one.sock").symlink_to(process_socket(tmp_path, "adder:one"))
        wrong = sent(other, ("adder:one", "add", {"amount": 1}))
        assert (wrong.status, wrong.error["code"]) == ("refused", 3001)
        token_file(other, "a").unlink()
        none = sent(other, ("adder:one", "add", {"amount": 1}), timeout=60)
        assert (none.status, none.error["code"]) == ("refused", 4206)
        assert "no token for 'a': no sub-account or robot" in none.error["message"]
    said = str(requests_in(journal_of(tmp_path, "adder:one")))
    assert "'actor': 'operator'" in said and "'actor': 'a'" in said
    for actor in ("a", "b", "operator"):
        assert make_token(tmp_path, actor) not in said


def test_a_command_reaches_who_it_is_for_and_nobody_else(tmp_path: Path):
    with AdderProcess(tmp_path, "adder:mm1"), AdderProcess(tmp_path, "adder:mm1.x"):
        x, one, two, money, pings = sent(
            tmp_path,
            ("adder:mm1.x", "add", {"amount": 3}),
            ("adder:mm1", "sum", {}),
            ("adder", "add", {"amount": 1}),
            ("*", "add", {"amount": 1}),
            ("*", "ping", {}),
        )
        assert (x.result, one.result) == (3, 0)
        assert two.status == "refused" and "adder:mm1, adder:mm1.x" in two.error["message"]
        assert money.status == "refused" and "one process only" in money.error["message"]
        assert {name: reported["result"]["pong"] for name, reported in pings.result.items()} == {
            "adder:mm1": "adder:mm1",
            "adder:mm1.x": "adder:mm1.x",
        }
        # A socket that lies under another name: the receiver looks at the target itself.
        process_socket(tmp_path, "adder:mm2").symlink_to(process_socket(tmp_path, "adder:mm1"))
        misled = sent(tmp_path, ("adder:mm2", "add", {"amount": 1}))
        assert misled.status == "refused" and "this is adder:mm1" in misled.error["message"]
    nobody = sent(tmp_path, ("adder:mm1", "sum", {}), timeout=0.1)
    assert nobody.status == "timeout"


def test_a_command_is_not_done_after_its_deadline(tmp_path: Path):
    """A sender that has given up has been told so: what it sent is not done behind its back."""
    with AdderProcess(tmp_path, "adder:one") as process:
        process.process.send_signal(19)  # SIGSTOP
        late = sent(tmp_path, ("adder:one", "add", {"amount": 1}, "x"), timeout=0.2)
        process.process.send_signal(18)
        assert late.status == "timeout"
        total, second = sent(tmp_path, ("adder:one", "sum", {}), ("adder:one", "add", {"amount": 1}, "x"))
        assert (total.result, second.status, second.result) == (0, "applied", 1)


def test_one_that_hangs_is_told_of_and_keeps_nobody_else_waiting(tmp_path: Path):
    with AdderProcess(tmp_path, "adder:one"), AdderProcess(tmp_path, "adder:two") as hanging:
        hanging.process.send_signal(19)  # SIGSTOP
        own, one_of_two, pings = sent(
            tmp_path, ("adder:one", "add", {"amount": 1}), ("adder", "add", {"amount": 1}), ("*", "ping", {}), timeout=5
        )
        hanging.process.send_signal(18)
    assert own.status == "applied"
    assert one_of_two.status == "refused" and "adder:two" in one_of_two.error["message"]
    assert pings.status == "timeout"
    assert {name: reported["status"] for name, reported in pings.result.items()} == {
        "adder:one": "applied",
        "adder:two": "timeout",
    }


def test_a_sender_that_has_not_started_or_says_nothing_is_told_so(tmp_path: Path):
    system = IPCCommandSystem("a", home=tmp_path)
    with pytest.raises(UsageError, match="start"):
        asyncio.run(system.send_command("adder", "sum", {}))
    system.start()
    with pytest.raises(UsageError, match="128 bytes"):
        asyncio.run(system.send_command("adder", "sum", {}, command_id="x" * 129))
    with AdderProcess(tmp_path, "adder:one"):
        long = sent(tmp_path, ("adder:one", "add", {"amount": "1" * 70_000}))
        odd = sent(tmp_path, ("adder:one", "add", {"amount": object()}))
    assert (long.status, odd.status) == ("refused", "refused")


def test_commands_at_the_same_time_each_get_their_own_answer(tmp_path: Path):
    async def work():
        system = IPCCommandSystem("a", home=tmp_path)
        system.start()
        answers = await asyncio.gather(
            *(system.send_command("adder:one", "add", {"amount": 1}, timeout=PATIENCE_S) for _ in range(300))
        )
        system.stop()
        return answers

    with AdderProcess(tmp_path, "adder:one", "disk"):
        answers = asyncio.run(work())
    assert len({each.id for each in answers}) == 300
    assert sorted(each.result for each in answers) == list(range(1, 301))
