"""Operations: ids that never repeat, each once by its key, whatever ends the process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from control_worlds import CONTROL, Plane, opened, plane

from onetape.control import server
from onetape.control.call import Call
from onetape.control.operations import ControlTape, Operations, Wanted, has_ended
from onetape.model.errors import DuplicateCommand
from onetape.model.sections import Config, RetentionConfig
from onetape.model.time import MS
from onetape.supervisor.retention import retain
from onetape.tape.prune import prune
from onetape.tape.segments import list_segments
from waiting import wait_for, wait_in_loop

DAY = 86_400 * 10**9
# Frames have the time of the wall, which keys are as old as.
DAY_1 = time.time_ns() // DAY * DAY
FIRST, SECOND = (datetime.fromtimestamp(at // 10**9, UTC).strftime("%Y%m%d") for at in (DAY_1, DAY_1 + DAY))
ANSWER = b'{"done":true}'


def wanted(key: str = "", actor: str = "bot", **fields: object) -> Wanted:
    return Wanted("delta-ctrl", "delta_control", actor, "r-1", fields, key=key, acts=False)


async def done(operation: str) -> tuple[int, bytes]:
    return 200, ANSWER


def life(home: Path, work: Callable[[Operations], Awaitable[None]], now: int = DAY_1) -> None:
    """One life of the process; `work` ends it, however far operations are."""

    async def run() -> None:
        tape = ControlTape(home)
        try:
            await work(Operations(tape, lambda: now))
        finally:
            tape.close()

    asyncio.run(run())


def test_ten_thousand_at_once_have_ids_of_their_own_and_each_is_on_the_tape(tmp_path: Path):
    async def work(operations: Operations) -> None:
        ended = await asyncio.gather(*(operations.run(wanted(n=n), done) for n in range(10_000)))
        ids = {each.operation for each in ended}
        assert len(ids) == operations.total == 10_000
        assert {f"delta-ctrl-{FIRST}-001", f"delta-ctrl-{FIRST}-10000"} <= ids
        found = {each.record["operation"] for each in operations.tape.records(("command",))}
        assert found == ids == {each.record["operation"] for each in operations.tape.records(("reply",))}

    life(tmp_path, work)


def test_ids_and_counts_go_on_over_lives_days_and_a_clock_that_goes_back(tmp_path: Path):
    found: list[str] = []

    async def work(operations: Operations) -> None:
        found.append((await operations.run(wanted(), done)).operation)
        assert operations.total == len(found)

    for now in (DAY_1, DAY_1, DAY_1 + DAY, DAY_1):
        life(tmp_path, work, now)
    ids = [f"{FIRST}-001", f"{FIRST}-002", f"{SECOND}-001", f"{SECOND}-002"]
    assert [each.removeprefix("delta-ctrl-") for each in found] == ids


def test_a_key_gives_the_operation_that_it_was_first_sent_with(tmp_path: Path):
    calls: list[str] = []

    async def once(operation: str) -> tuple[int, bytes]:
        calls.append(operation)
        await asyncio.sleep(0)
        return 409, ANSWER

    async def work(operations: Operations) -> None:
        same = await asyncio.gather(*(operations.run(wanted("k", n=1), once) for _ in range(5)))
        assert {(each.operation, each.status, bytes(each.answer)) for each in same} == {(calls[0], 409, ANSWER)}
        assert sorted(each.repeated for each in same) == [False, True, True, True, True]
        with pytest.raises(DuplicateCommand):
            await operations.run(wanted("k", n=2), once)
        other = await operations.run(wanted("k", actor="another", n=2), once)
        assert other.operation != calls[0] and len(calls) == 2

    async def later(operations: Operations) -> None:
        ended = await operations.run(wanted("k", n=1), done)
        assert (ended.operation, ended.status, json.loads(bytes(ended.answer)), ended.repeated) == (
            calls[0],
            409,
            {"done": True},
            True,
        )

    life(tmp_path, work)
    life(tmp_path, later)


def test_what_a_life_left_is_begun_under_its_own_id_by_who_sends_its_key(tmp_path: Path):
    begun: list[str] = []

    async def hangs(operation: str) -> tuple[int, bytes]:
        begun.append(operation)
        await asyncio.Event().wait()
        return 200, b""

    async def work(operations: Operations) -> None:
        task = asyncio.ensure_future(operations.run(wanted("k"), hangs))
        while not begun:
            await asyncio.sleep(0)
        task.cancel()

    async def later(operations: Operations) -> None:
        assert (await operations.run(wanted("other"), done)).operation != begun[0]
        ended = await operations.run(wanted("k"), done)
        assert (ended.operation, ended.repeated) == (begun[0], True)
        assert (await operations.run(wanted("k"), hangs)).operation == begun[0]

    life(tmp_path, work)
    life(tmp_path, later)
    assert len(begun) == 1


def test_what_a_life_had_begun_is_answered_on_the_tape_without_its_caller(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(server, "STOP_S", 0.0)
    begun: list[tuple[str, float]] = []

    async def hangs(call: Call) -> None:
        begun.append((call.operation, call.request.target_delta))
        await asyncio.Event().wait()

    async def life_1() -> None:
        async with opened(tmp_path, handlers={"delta_control": hangs}) as at:
            calls = [asyncio.ensure_future(at.call("POST", "delta/control", CONTROL)) for _ in range(2)]
            await wait_in_loop(lambda: len(begun) == 2)
            for each in calls:
                each.cancel()

    async def life_2() -> None:
        async with opened(tmp_path) as at:
            at.server.resume(lambda operation: operation == begun[0][0])
            await wait_in_loop(lambda: at.calls and list(at.operations.tape.records(("reply",))))
            (call,) = at.calls
            assert (call.operation, call.actor, call.request.target_delta) == (begun[0][0], "anonymous", 0)
            (reply,) = at.operations.tape.records(("reply",))
            assert (reply.record["operation"], reply.record["status"]) == (begun[0][0], 200)

    asyncio.run(life_1())
    asyncio.run(life_2())


def test_retention_takes_nothing_of_the_tape_that_a_life_begins_from(tmp_path: Path):
    with closing(ControlTape(tmp_path)) as tape:
        while len(list_segments(tape.path)) < 4:
            tape.append({"filler": bytes(1 << 20)}, "log")
        wait_for(lambda: all(each.sealed for each in list_segments(tape.path)[:-1]))  # by a thread of its own
        kept = prune(tape.path, size="1kB")
        assert (kept.removed, kept.kept_by_runs) == ([], ["control"])
        rules = Config(retention=RetentionConfig(size="1kB", compress=False, runs="drop"))
        assert retain(tmp_path, rules) == ["control: old segments stay for control"]


FULL = """
import asyncio, sys
from pathlib import Path
from onetape.control.operations import ControlTape, Operations, Wanted
from onetape.model.errors import DiskFull

tape = ControlTape(Path(sys.argv[1]))
operations = Operations(tape)

def fill(event, record):
    for count in range(1 << 20):
        try:
            tape.append(record, event)
        except DiskFull:
            return count > 0

async def done(operation):
    print("done", operation[:4])
    return 200, b'{"done": true}'

async def run(name):
    try:
        return (await operations.run(Wanted(name, name, "bot", "r", {}, key=name), done)).status
    except DiskFull:
        return "full"

async def work():
    print(fill("log", {"filler": bytes(1 << 18)}), fill("log", {}))
    operations.log({"status": 200})
    print(await run("hedge"))
    print(fill("memory", {"filler": bytes(1 << 12)}), fill("memory", {}))
    print(await run("hedge2"))
    print(await run("system_stop"))

asyncio.run(work())
"""


def test_on_a_full_disk_operations_have_the_reserve_and_a_stop_is_carried_out_without(tmp_path: Path):
    run = f'mount -t tmpfs -o size=8m tmpfs {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}'
    ran = subprocess.run(["unshare", "-rm", "sh", "-c", run, FULL], capture_output=True, text=True)
    if "mount" in ran.stderr or "unshare" in ran.stderr:
        pytest.skip(f"no tmpfs of one's own here: {ran.stderr.strip()[:80]}")
    assert ran.stdout.split("\n") == ["True True", "done hedg", "200", "True True", "full", "done syst", "200", ""], ran


def test_a_key_is_forgotten_after_a_day(tmp_path: Path):
    async def work(operations: Operations) -> None:
        await operations.run(wanted("k"), done)

    async def later(operations: Operations) -> None:
        assert not (await operations.run(wanted("k", other=True), done)).repeated

    life(tmp_path, work)
    life(tmp_path, later, DAY_1 + 3 * DAY)


def test_a_caller_that_goes_away_ends_no_operation(tmp_path: Path):
    begun, go = asyncio.Event(), asyncio.Event()

    async def waits(operation: str) -> tuple[int, bytes]:
        begun.set()
        await go.wait()
        return 200, ANSWER

    async def work(operations: Operations) -> None:
        caller = asyncio.ensure_future(operations.run(wanted("k"), waits))
        await begun.wait()
        caller.cancel()
        repeat = asyncio.ensure_future(operations.run(wanted("k"), waits))
        go.set()
        assert bytes((await repeat).answer) == ANSWER
        assert [each.record["status"] for each in operations.tape.records(("reply",))] == [200]

    life(tmp_path, work)


def test_over_http_a_repeated_call_says_that_it_is_one_and_another_body_is_refused(tmp_path: Path):
    async def work(at: Plane) -> None:
        first, second = [await at.call("POST", "delta/control", CONTROL, Idempotency_Key="bar-1") for _ in range(2)]
        assert first[:2] == second[:2] and first[1]["operationId"].startswith("delta-ctrl-")
        assert "Idempotent-Replayed" not in first[2] and second[2]["Idempotent-Replayed"] == "true"
        status, answer, _ = await at.call(
            "POST", "delta/control", {**CONTROL, "targetDelta": 1}, Idempotency_Key="bar-1"
        )
        assert (status, answer["code"]) == (409, 4605)
        status, answer, _ = await at.call("POST", "delta/control", CONTROL, Idempotency_Key="a b")
        assert (status, answer["location"]) == (400, "Idempotency-Key")
        assert len(at.calls) == 1

    plane(tmp_path, work)


def test_an_operation_is_done_when_its_saga_is_and_shows_what_came_after_the_answer(tmp_path: Path):
    async def work(operations: Operations) -> None:
        async def answers_early(operation: str) -> tuple[int, bytes]:
            operations.tape.append({"kind": "saga_begun", "operation": operation})
            return await done(operation)

        operation = (await operations.run(wanted(), answers_early)).operation
        assert not has_ended(operations.records(operation) or [])
        operations.tape.append({"kind": "saga_ended", "operation": operation})
        found = operations.records(operation) or []
        assert has_ended(found) and found[-1].record["kind"] == "saga_ended"

    life(tmp_path, work)


def test_of_calls_that_are_no_operations_so_many_a_second_are_written_and_the_others_counted(tmp_path: Path):
    async def work(at: Plane) -> None:
        made = 0

        def frames() -> list[dict]:
            return [each.record for each in at.operations.tape.records(("log",))]

        while not any(each["left_out"] for each in frames()):
            await asyncio.gather(*(at.call("GET", "nowhere") for _ in range(50)))
            made += 50
        await at.call("POST", "delta/control", CONTROL)
        assert len(frames()) + sum(each["left_out"] for each in frames()) == made + 1 and len(frames()) < made

    plane(tmp_path, work)


def test_each_call_leaves_who_asked_what_and_what_came_of_it(tmp_path: Path, capfd):
    async def work(at: Plane) -> None:
        _, answer, headers = await at.call("POST", "delta/control", CONTROL, X_Request_Id="mine-1")
        assert headers["X-Request-Id"] == "mine-1"
        _, _, headers = await at.call("GET", "symbols", X_Request_Id="not one of ours")
        made = headers["X-Request-Id"]
        calls = [each.record for each in at.operations.tape.records(("log",))]
        assert [(each["request"], each["actor"], each["status"]) for each in calls] == [
            ("mine-1", "anonymous", 200),
            (made, "anonymous", 200),
        ]
        assert calls[0]["operation"] == answer["operationId"] and calls[0]["ms"] >= 0
        (begun,) = (each.record for each in at.operations.tape.records(("command",)))
        assert begun["operation"] == answer["operationId"] and begun["fields"]["symbol"] == "BTC-USD"

    plane(tmp_path, work)
    said = capfd.readouterr().err
    assert "call mine-1 'anonymous'" in said and "delta-ctrl-" in said and "/symbols" not in said


def test_ids_do_not_repeat_in_another_home_as_gateways_and_venues_know_commands_and_transfers_by_them(tmp_path: Path):
    found: set[str] = set()

    async def work(operations: Operations) -> None:
        found.add((await operations.run(wanted(), done)).operation)

    for number in range(3):
        life(tmp_path / str(number), work, DAY_1 + number * MS)
    assert len(found) == 3
