"""A socket beside a loop: what is asked is answered by the loop's own thread; whoever follows gets
whole snapshots, and slow ones hold up nobody."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest

from onetape.ipc.beside import Beside
from onetape.ipc.local_socket import connect
from onetape.ipc.names import process_socket
from onetape.ipc.server import FOLLOW, Stream
from onetape.ipc.snapshots import snapshots
from onetape.model.errors import ProcessDown
from waiting import PATIENCE_S


class Owner:
    """A loop that takes what was asked when it is told to."""

    def __init__(self, home: Path) -> None:
        self.path = process_socket(home, "robot:mm")
        self.rang = threading.Event()
        self.threads: set[int] = set()
        self.settled = 0
        self.beside = Beside(self.path, self.answer, settle=self.settle, rang=self.rang.set, stream=Stream())

    def answer(self, request: dict) -> dict:
        self.threads.add(threading.get_ident())
        return {"id": request["id"], "twice": request["number"] * 2}

    def settle(self) -> None:
        self.settled += 1


def ask(path: Path, *lines: object) -> list[dict]:
    made = connect(path, timeout_s=PATIENCE_S)
    with made, made.makefile("rwb") as file:
        for line in lines:
            file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        return [json.loads(file.readline()) for _ in lines]


def test_the_owner_answers_in_its_own_thread_and_bad_words_do_not_reach_it(tmp_path: Path):
    owner = Owner(tmp_path)
    received: list[dict] = []
    requests = [
        {"do": "x", "id": "1", "number": 4},
        {"do": "x"},
        {"do": "x", "id": "2", "number": []},
        {"do": "x", "id": "3", "number": None},
    ]
    asking = threading.Thread(target=lambda: received.extend(ask(owner.path, *requests)))
    asking.start()
    assert owner.rang.wait(PATIENCE_S)
    assert received == [] and owner.threads == set()  # nobody has taken it yet
    while asking.is_alive():
        owner.beside.take()
        time.sleep(0.001)
    assert received[0] == {"id": "1", "twice": 8}
    assert received[2] == {"id": "2", "twice": []}
    assert [each["error"] for each in (received[1], received[3])] == [
        "not a request: KeyError",
        "not a request: TypeError",
    ]
    assert owner.threads == {threading.get_ident()}
    assert owner.settled >= 1
    assert owner.beside.take() is False
    owner.beside.close()
    assert not owner.path.exists()


def test_what_waits_when_it_ends_is_told_so(tmp_path: Path):
    owner = Owner(tmp_path)
    received: list[dict] = []
    asking = threading.Thread(target=lambda: received.extend(ask(owner.path, {"do": "x", "id": "1", "number": 4})))
    asking.start()
    assert owner.rang.wait(PATIENCE_S)
    closing = threading.Thread(target=owner.beside.close)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    asking.join(PATIENCE_S)
    assert owner.threads == set()


def test_a_follower_that_does_not_read_holds_up_nobody(tmp_path: Path):
    owner = Owner(tmp_path)
    deaf = connect(owner.path, timeout_s=PATIENCE_S)
    deaf.sendall(json.dumps({"do": FOLLOW}).encode() + b"\n")
    big = "x" * 100_000
    for number in range(200):
        owner.beside.show({"number": number, "big": big})

    async def follow() -> None:
        seen = []
        with pytest.raises(ProcessDown):
            async for each in snapshots("robot:mm", home=tmp_path):
                assert len(each["big"]) == len(big)
                seen.append(each["number"])
                owner.beside.show({"number": seen[-1] + 1, "big": big})
                if len(seen) == 5:
                    threading.Thread(target=owner.beside.close).start()
        assert seen[:5] == sorted(seen[:5])

    asyncio.run(follow())
    deaf.close()
