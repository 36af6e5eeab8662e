"""A process's socket against senders that flood, dawdle, talk nonsense or are somebody else's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uvloop
from ipc_process import Adder

import onetape.ipc.server
from onetape.ipc.local_socket import connect
from onetape.ipc.server import FOLLOW, LINE_BYTES_MAX, RESERVED, SENDERS_MAX, WAITING_MAX, Stream, listen
from onetape.security.tokens import read_token


@contextlib.asynccontextmanager
async def served(path: Path, answer, settle=lambda: None):
    serving = asyncio.ensure_future(await listen(path, answer, settle))
    try:
        yield
        assert not serving.done()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def run(work) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    uvloop.run(bounded())


async def message_from(reader: asyncio.StreamReader) -> dict:
    return json.loads(await reader.readline())


def test_a_flood_waits_for_itself_and_others_are_answered(tmp_path: Path):
    """Ten senders send without end; in one turn each gets one answer, and so does who asks now and
    then: it waits for a few turns, never for all that others have sent."""
    path, turns, order = tmp_path / "run" / "s.sock", 0, []

    def answer(line: dict) -> dict:
        order.append(line["who"])
        return {"turn": turns}

    def settle() -> None:
        nonlocal turns
        turns += 1

    async def flood(who: int, stopped: asyncio.Event) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        line = json.dumps({"who": who}).encode() + b"\n"
        while not stopped.is_set():
            writer.write(line * 50)
            for _ in range(50):
                await reader.readline()
        writer.close()

    async def work() -> None:
        stopped = asyncio.Event()
        async with served(path, answer, settle):
            floods = [asyncio.ensure_future(flood(n, stopped)) for n in range(10)]
            while len(set(order)) < 10:
                await asyncio.sleep(0)
            reader, writer = await asyncio.open_unix_connection(str(path))
            for _ in range(20):
                before = len(order)
                writer.write(b'{"who": "me"}\n')
                await message_from(reader)
                # Each of the others had at most a few turns meanwhile, of 50 that it has sent.
                assert order[before:].count("me") == 1
                ours = order.index("me", before)
                assert max(order[before:ours].count(n) for n in range(10)) <= 50
            stopped.set()
            await asyncio.gather(*floods)
            writer.close()
        for at in range(0, len(order) - 20, 20):
            assert len(set(order[at : at + 20])) > 1  # nobody has the loop alone

    run(work())


def test_more_than_may_wait_is_refused_at_once_and_much_more_is_hung_up_on(tmp_path: Path):
    path, answered = tmp_path / "run" / "s.sock", []

    def answer(line: dict) -> dict:
        answered.append(line["id"])
        return {"id": line["id"], "status": "applied"}

    def lines(count: int) -> bytes:
        return b"".join(b'{"id":"%d"}\n' % n for n in range(count))

    async def work() -> None:
        async with served(path, answer):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(lines(WAITING_MAX + 10))
            answers = [await message_from(reader) for _ in range(WAITING_MAX + 10)]
            refused = [each for each in answers if each["status"] == "refused"]
            assert [each["id"] for each in refused] == [str(WAITING_MAX + n) for n in range(10)]
            assert {each["error"]["code"] for each in refused} == {3002}
            assert answered == [str(n) for n in range(WAITING_MAX)]
            writer.write(lines(2 * WAITING_MAX + 1))
            assert (await message_from(reader))["error"]["name"] == "RATE_LIMITED"
            assert await reader.read() == b""
            writer.close()
            assert len(answered) == WAITING_MAX

    run(work())


def test_a_sender_that_does_not_read_its_answers_is_not_heard_further(tmp_path: Path):
    path, answered = tmp_path / "run" / "s.sock", 0

    def answer(line: dict) -> dict:
        nonlocal answered
        answered += 1
        return {"text": "x" * 10_000}

    async def work() -> None:
        async with served(path, answer):
            _, deaf = await asyncio.open_unix_connection(str(path), limit=1000)
            last = -1
            while answered != last:  # it is given all the time it wants
                last = answered
                for _ in range(WAITING_MAX):
                    deaf.write(b"{}\n")
                await asyncio.sleep(0.05)
            assert answered < 2000  # what sockets and one buffer hold, not what was sent
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"{}\n")
            assert await message_from(reader)
            writer.close()
            deaf.close()

    run(work())


def test_a_line_is_whole_in_time_and_not_too_long(tmp_path: Path, monkeypatch):
    path = tmp_path / "run" / "s.sock"
    monkeypatch.setattr(onetape.ipc.server, "WHOLE_WITHIN_S", 0.3)

    async def work() -> None:
        async with served(path, lambda line: line):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b'{"a":1}\n')  # who has said something whole may be silent
            assert await message_from(reader) == {"a": 1}
            slow_reader, slow = await asyncio.open_unix_connection(str(path))
            dripping = True
            while dripping:  # a byte now and then does not make it whole
                slow.write(b" ")
                await asyncio.sleep(0.05)
                dripping = not slow_reader._buffer
            assert "not complete" in (await message_from(slow_reader))["error"]["message"]
            assert await slow_reader.read() == b""
            writer.write(b'{"a":2}\n')
            assert await message_from(reader) == {"a": 2}
            for line in (b"x" * (LINE_BYTES_MAX + 1), b"x" * (LINE_BYTES_MAX + 1) + b"\n"):
                long_reader, long = await asyncio.open_unix_connection(str(path))
                long.write(line)
                assert "at most" in (await message_from(long_reader))["error"]["message"]
                long.close()
            fits = json.dumps({"a": "x" * (LINE_BYTES_MAX - 9)}).encode()
            assert len(fits) == LINE_BYTES_MAX
            writer.write(fits + b"\n")
            assert (await message_from(reader))["a"]
            writer.close()
            slow.close()

    run(work())


async def taken(path: Path, stack: contextlib.AsyncExitStack, line: bytes = b""):
    """All places, in the order in which they were taken."""
    made = []
    for _ in range(SENDERS_MAX):
        reader, writer = await asyncio.open_unix_connection(str(path))
        stack.callback(writer.close)
        if line:
            writer.write(line)
            await reader.readline()
        made.append((reader, writer))
    return made


def test_the_sender_that_was_silent_longest_yields_its_place(tmp_path: Path):
    path = tmp_path / "run" / "s.sock"

    async def work() -> None:
        async with served(path, lambda line: line), contextlib.AsyncExitStack() as stack:
            made = await taken(path, stack)
            reader, writer = made[0]
            writer.write(b"{}\n")
            assert await message_from(reader) == {}
            beyond, one_more = await asyncio.open_unix_connection(str(path))
            stack.callback(one_more.close)
            one_more.write(b'{"a":1}\n')
            assert await message_from(beyond) == {"a": 1}
            assert await made[1][0].read() == b""
            writer.write(b'{"a":2}\n')
            assert await message_from(reader) == {"a": 2}

    run(work())


def test_where_nobody_is_silent_there_is_a_place_for_the_operator_alone(tmp_path: Path):
    path, stream = tmp_path / "run" / "s.sock", Stream()
    stream.show({})

    def is_operator(line: dict) -> bool:
        return line.get("actor") == "operator"

    async def work() -> None:
        serving = await listen(path, lambda line: line, stream=stream, is_operator=is_operator)
        task = asyncio.ensure_future(serving)
        try:
            async with contextlib.AsyncExitStack() as stack:
                await taken(path, stack, json.dumps({"do": FOLLOW}).encode() + b"\n")
                silent = []
                for _ in range(2 * RESERVED):  # they take the operator's places from nobody
                    reader, writer = await asyncio.open_unix_connection(str(path))
                    stack.callback(writer.close)
                    silent.append(reader)
                beyond, one_more = await asyncio.open_unix_connection(str(path))
                stack.callback(one_more.close)
                one_more.write(b'{"do":"x","actor":"a"}\n')
                assert (await message_from(beyond))["error"]["name"] == "RATE_LIMITED"
                assert await beyond.read() == b""
                reader, writer = await asyncio.open_unix_connection(str(path))
                stack.callback(writer.close)
                for number in range(2):
                    line = {"do": "x", "actor": "operator", "n": number}
                    writer.write(json.dumps(line).encode() + b"\n")
                    assert await message_from(reader) == line
                for each in silent:  # who says nothing there is hung up on
                    assert b"RATE_LIMITED" in (await each.read()) or each.at_eof()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(work())


def test_who_is_silent_for_long_is_hung_up_on_but_not_who_follows(tmp_path: Path, monkeypatch):
    path, stream = tmp_path / "run" / "s.sock", Stream()
    monkeypatch.setattr(onetape.ipc.server, "IDLE_S", 0.2)
    stream.show({"n": 0})

    async def work() -> None:
        serving = await listen(path, lambda line: line, stream=stream)
        task = asyncio.ensure_future(serving)
        try:
            follower, following = await asyncio.open_unix_connection(str(path))
            following.write(json.dumps({"do": FOLLOW}).encode() + b"\n")
            assert await message_from(follower) == {"snapshot": {"n": 0}}
            for line in (b"", b'{"do":"x"}\n'):
                reader, writer = await asyncio.open_unix_connection(str(path))
                writer.write(line)
                assert await reader.read() == line
                writer.close()
            stream.show({"n": 1})
            assert await message_from(follower) == {"snapshot": {"n": 1}}
            following.close()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(work())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_another_users_process_is_not_heard(monkeypatch):
    folder = Path(tempfile.mkdtemp())  # unlike pytest's, one that others can be let into
    heard = []

    async def work() -> None:
        path = folder / "s.sock"
        async with served(path, lambda line: heard.append(line) or {}):
            folder.chmod(0o755)
            path.chmod(0o666)
            code = (
                "import socket, sys\n"
                "s = socket.socket(socket.AF_UNIX)\n"
                "s.connect(sys.argv[1]); s.sendall(b'{}\\n'); print(s.makefile().readline())"
            )
            done = await asyncio.to_thread(
                subprocess.run,
                ["/usr/bin/env", "python3", "-c", code, str(path)],
                user=65534,
                capture_output=True,
                text=True,
                cwd="/",
                env={"PATH": os.defpath},
            )
            assert json.loads(done.stdout)["error"]["name"] == "PERMISSION_DENIED", done.stderr
            assert heard == []

    try:
        run(work())
    finally:
        shutil.rmtree(folder)


def nonsense(rng: random.Random, good: bytes) -> Iterator[bytes]:
    """Lines that are not quite a command."""
    yield from (b"", b"{", b"[]", b"1", b'{"do":1}', b"[" * 50_000, b'{"a":' * 10_000, b"\xff\xfe")
    yield from (b'{"do":"command"}', b'{"do":"command","id":"\\ud800","command":"sum"}')
    request = json.loads(good)
    odd = (None, 1, "", [], {}, "\x00", "x" * 300, 2**70, -1.5, True, "\ud800", {"a": {"b": []}})
    for key in (*request, "deadline_ns"):
        for value in odd:
            yield json.dumps({**request, key: value}).encode()
    for _ in range(300):
        line = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            line[rng.randrange(len(line))] = rng.choice(b'{}[]",:0\\ux\x00\x7f\xff')
        yield bytes(line).replace(b"\n", b" ")


def test_nonsense_is_answered_and_does_nothing(tmp_path: Path):
    adder = Adder(tmp_path, "adder:one", "process")
    path = tmp_path / "run" / "adder-one.sock"
    good = {
        "do": "command",
        "id": "x",
        "actor": "operator",
        "target": "adder:one",
        "command": "halt",
        "fields": {},
        "token": read_token(tmp_path, "operator"),
    }

    async def work() -> None:
        async with served(path, adder.answer, adder.door.settle):
            reader, writer = await asyncio.open_unix_connection(str(path))
            for number, line in enumerate(nonsense(random.Random(5), msgspec.json.encode({**good, "command": "sum"}))):
                writer.write(line + b"\n")
                answer = await message_from(reader)
                assert "status" in answer or "error" in answer or "names" in answer, line
                assert number >= 0
            assert adder.sum == 0 and adder.door.counts["applied"] < 300
            writer.write(msgspec.json.encode(good) + b"\n")
            assert (await message_from(reader))["result"] == {"halted": True}
            writer.close()

    run(work())
    adder.writer.close()


def test_a_process_that_contradicts_itself_ends_and_does_not_go_on_deaf(tmp_path: Path):
    path = tmp_path / "run" / "s.sock"

    def settle() -> None:
        raise OSError("no room on the disk")

    async def work() -> None:
        serving = asyncio.ensure_future(await listen(path, lambda line: line, settle))
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"{}\n")
        with pytest.raises(OSError, match="no room"):
            await serving
        assert await reader.read() == b""  # nobody is told what is not safe
        writer.close()

    run(work())
    assert sys.exc_info()[0] is None


@pytest.mark.parametrize("turns", range(4))
def test_who_comes_while_the_server_ends_is_hung_up_on(tmp_path: Path, turns: int):
    """Nobody answers it any more: to wait for that would be for ever."""
    path = tmp_path / "run" / "s.sock"

    async def work() -> None:
        serving = asyncio.ensure_future(await listen(path, lambda line: {}))
        await asyncio.sleep(0)
        client = connect(path, timeout_s=20)
        client.setblocking(False)
        for _ in range(turns):
            await asyncio.sleep(0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        with client, contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                assert await asyncio.get_running_loop().sock_recv(client, 100) == b""

    run(work())
