"""What a caller may write on the tape, of which retention takes nothing: on a real socket and a real journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from control_worlds import CONTROL, Plane, plane

from onetape.control import server
from onetape.control.call import Call
from onetape.control.operations import ControlTape, Operations
from onetape.net.call_limits import CallLimits
from onetape.options.control import control_journal
from onetape.web.tokens import TokenStore

LONG = {**CONTROL, "dryRun": True, "accounts": [f"{'a' * 95}{number}" for number in range(90)]}


def size(home: Path) -> int:
    with_data = [path.read_bytes().rstrip(b"\0") for path in control_journal(home).glob("*.tape")]
    return sum(map(len, with_data))


async def long_answer(call: Call) -> dict[str, object]:
    return {"success": True, "text": "x" * 60_000}


def test_of_a_long_dry_run_the_tape_keeps_the_digest_and_a_key_still_repeats_it(tmp_path: Path):
    token, _ = TokenStore(tmp_path).create("bot", ["read"])
    own = {"Authorization": f"Bearer {token}"}
    operations: list[str] = []

    async def work(at: Plane) -> None:
        for _ in range(20):
            status, answer, _ = await at.call("POST", "delta/control", LONG, **own)
            assert (status, len(answer["text"])) == (200, 60_000)
        keyed = {**own, "Idempotency_Key": "once"}
        first = await at.call("POST", "delta/control", LONG, **keyed)
        second = await at.call("POST", "delta/control", LONG, **keyed)
        assert second[1] == first[1] and second[2]["Idempotent-Replayed"] == "true"
        other = {**LONG, "targetDelta": 1}
        assert (await at.call("POST", "delta/control", other, **keyed))[0] == 409

    plane(tmp_path, work, handlers={"delta_control": long_answer})
    assert size(tmp_path) < 150_000  # one answer of 60 kB, that of the key
    tape = ControlTape(tmp_path)
    try:
        records = [each.record for each in tape.records(("command", "reply"))]
        assert records[0]["fields"]["bytes"] > 8000 and len(records[0]["fields"]["sha256"]) == 64
        assert records[1]["answer"]["bytes"] > 60_000
        operations += [each["operation"] for each in records if each.get("key") == "once"]
        assert Operations(tape).total == 21, "another life reads it"
    finally:
        tape.close()

    async def repeated(at: Plane) -> None:
        keyed = {**own, "Idempotency_Key": "once"}
        status, answer, headers = await at.call("POST", "delta/control", LONG, **keyed)
        assert (status, len(answer["text"]), headers["Idempotent-Replayed"]) == (200, 60_000, "true")

    plane(tmp_path, repeated, handlers={"delta_control": long_answer})
    assert len(set(operations)) == 1


def test_a_caller_that_has_written_its_bytes_waits_and_others_and_what_acts_do_not(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(server, "TAPE_BYTES_PER_HOUR", 20_000)
    store = TokenStore(tmp_path)
    one, other = (store.create(name, ["read", "trade", "kill"])[0] for name in ("one", "other"))

    async def work(at: Plane) -> None:
        async def call(path: str, body: object, token: str, **more: str) -> int:
            status, answer, headers = await at.call("POST", path, body, Authorization=f"Bearer {token}", **more)
            if status == 429:
                assert answer["code"] == 3002 and int(headers["Retry-After"]) >= 1
            return int(status)

        statuses = []
        while 429 not in statuses:
            statuses.append(await call("delta/control", LONG, one, X_Actor=f"a{len(statuses)}"))
        assert 3 < len(statuses) < 60
        assert await call("account/sync", {"accounts": ["a"]}, one) == 429, "which reads, and is kept, too"
        before = size(tmp_path)
        for _ in range(100):
            await at.call("GET", "symbols", Authorization=f"Bearer {one}")
        assert size(tmp_path) == before, "calls that do nothing are left out"
        assert await call("delta/control", LONG, other) == 200
        assert await call("delta/control", CONTROL, one) == 200, "what acts is never refused for it"
        assert await call("system/stop", {}, one) == 200

    plane(tmp_path, work)


@pytest.mark.parametrize("accounts", [["a" * 101], ["a"] * 101])
def test_names_are_bounded(tmp_path: Path, accounts: list[str]):
    async def work(at: Plane) -> None:
        for path, body in (
            ("delta/control", {**CONTROL, "accounts": accounts}),
            ("account/sync", {"accounts": accounts}),
            ("delta/auto", {"symbol": "BTC-USD", "accounts": accounts}),
            ("hedge/execute", {"symbol": "BTC-USD", "hedgeAmount": 0.1, "targetAccounts": accounts}),
        ):
            status, answer, _ = await at.call("POST", path, body)
            assert status == 400 and "ccounts" in answer["location"], json.dumps(answer)[:200]

    plane(tmp_path, work)


def test_a_debt_is_waited_for():
    now = [0.0]
    limits = CallLimits(10, clock=lambda: now[0], at_once=100)
    assert limits.wait("a", 0) == 0
    limits.spend("a", 150)
    assert limits.wait("a", 0) == 5 and limits.wait("b", 100) == 0
    now[0] = 5
    assert limits.wait("a", 0) == 0 and limits.wait("a", 1) == 0.1
