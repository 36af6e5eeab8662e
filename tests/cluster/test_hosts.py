"""Hosts' processes over a real nats-server: killed, away, and under `up`."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from onetape.cluster.credentials import Credentials
from onetape.cluster.view import hosts_now
from onetape.model.errors import BadConfig
from onetape.model.home import hosts_of
from onetape.tape.journal import JournalReader, JournalWriter
from waiting import wait_for
from worlds.certificates import write_certificate
from worlds.nats_accounts import Accounts
from worlds.nats_hosts import ended, free_port, host, server
from worlds.supervised import CONFIG, MAKER, Home

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
SMALL: dict[str, Any] = {"segment_bytes_first": 64 << 10, "segment_bytes_max": 128 << 10, "durable": False}
JOURNAL = "journal/gateway-main"


def reached(path: Path, writer: JournalWriter) -> bool:
    return any(path.glob("*.tape")) and JournalReader(path).last_sequence == writer.published


def test_processes_copy_over_a_server_that_is_killed_and_lose_nothing(tmp_path):
    port = free_port()
    copied = hosts_of(tmp_path / "b") / "a" / JOURNAL
    with server(tmp_path, port), JournalWriter(tmp_path / "a" / JOURNAL, **SMALL) as writer, host("a", tmp_path, port):
        writer.append("log", b"\x80")
        with host("b", tmp_path, port, "a/*") as process:
            wait_for(lambda: reached(copied, writer))
            for _ in range(2000):
                writer.append("log", os.urandom(100))
            wait_for(lambda: reached(copied, writer))
            process.send_signal(signal.SIGKILL)
        for _ in range(2000):
            writer.append("log", os.urandom(100))
        with host("b", tmp_path, port, "a/*"):
            wait_for(lambda: reached(copied, writer))
        ours, theirs = JournalReader(copied), JournalReader(tmp_path / "a" / JOURNAL)
        assert all(ours.next_frame() == theirs.next_frame() for _ in range(writer.published))


def test_hosts_copy_over_tls_and_trust_no_server_that_nobody_vouches_for(tmp_path):
    port, accounts, ca = free_port(), Accounts(), tmp_path / "ca.pem"
    write_certificate(ca, tmp_path / "key.pem")
    tls = f'tls {{ cert_file: "{ca}", key_file: "{tmp_path}/key.pem" }}\n'
    copied = hosts_of(tmp_path / "b") / "a" / JOURNAL
    secure = {"servers": [f"tls://127.0.0.1:{port}"], "ca": str(ca)}
    with (
        server(tmp_path, port, tls + accounts.config),
        JournalWriter(tmp_path / "a" / JOURNAL, **SMALL) as writer,
        host("a", tmp_path, port, credentials=accounts.host("a"), **secure),
    ):
        writer.append("log", b"\x80")
        own = {"credentials": accounts.host("b")}
        with host("b", tmp_path, port, "a/*", **own, **secure | {"ca": ""}, stderr=PIPE) as process:
            assert process.stderr is not None
            while b"certificate" not in (line := process.stderr.readline()):
                assert line, "it has ended"
        assert not copied.exists()
        with host("b", tmp_path, port, "a/*", **own, **secure):
            wait_for(lambda: reached(copied, writer))


def test_processes_go_on_after_their_server_was_away(tmp_path):
    port = free_port()
    copied = hosts_of(tmp_path / "b") / "a" / JOURNAL
    with JournalWriter(tmp_path / "a" / JOURNAL, **SMALL) as writer:
        writer.append("log", b"\x80")
        with server(tmp_path, port) as nats, host("a", tmp_path, port), host("b", tmp_path, port, "a/*"):
            wait_for(lambda: reached(copied, writer))
            nats.kill()
            nats.wait()
            for _ in range(500):
                writer.append("log", os.urandom(100))
            with server(tmp_path, port):
                wait_for(lambda: reached(copied, writer))
                writer.append("log", b"\x81")
                wait_for(lambda: reached(copied, writer))


def test_up_joins_and_another_host_reads_orders_and_replays_of_it(tmp_path):
    port = free_port()
    cluster = f'[cluster]\nservers = ["nats://127.0.0.1:{port}"]\n'
    for name in ("tokyo", "osaka"):
        (tmp_path / name).mkdir()
    follows = 'host = "osaka"\nfollow = ["tokyo/*"]\n'
    with (
        server(tmp_path, port),
        Home(tmp_path / "tokyo", CONFIG.replace('subaccount = "a"', "") + cluster + 'host = "tokyo"\n', MAKER) as tokyo,
        Home(tmp_path / "osaka", cluster + follows, MAKER) as osaka,
    ):
        osaka.run("up")
        tokyo.run("up")
        copied = hosts_of(osaka.home) / "tokyo"

        def fills() -> list[Any]:
            return osaka.run("fills", "--home", str(copied)) if (copied / "run" / "config.json").exists() else []

        wait_for(lambda: len(fills()) > 2, lambda: (osaka.log(), tokyo.log()))
        rows = {each["host"]: each for each in osaka.run("status", "--all")["hosts"]}
        assert [rows[name]["state"] for name in ("osaka", "tokyo")] == ["self", "up"]
        assert abs(rows["tokyo"]["clock_ms"]) < 10_000 and rows["tokyo"]["lag_ms"] is not None

        def names() -> set[str]:
            found = {each["host"]: each["processes"] for each in osaka.run("status", "--all")["hosts"]}
            return {"maker" if each["name"].endswith("-maker") else each["name"] for each in found["tokyo"]}

        wait_for(lambda: {"gateway:main", "venue:x", "supervisor", "maker"} <= names(), osaka.log)
        tokyo.run("down")
        wait_for(lambda: osaka.run("status", "--all")["hosts"][1]["state"] == "down")
        assert fills() == tokyo.run("fills")  # what it did last, too
        (run,) = (copied / "runs").iterdir()
        frames = JournalReader(run / "journal").last_sequence
        assert frames == JournalReader(tokyo.home / "runs" / run.name / "journal").last_sequence > 10
        osaka.run("down")


def test_hosts_with_credentials_may_do_what_their_permissions_say_and_no_more(tmp_path):
    port, accounts = free_port(), Accounts()
    copied = hosts_of(tmp_path / "b") / "a" / JOURNAL
    a, b = accounts.host("a"), accounts.host("b")
    with (
        server(tmp_path, port, accounts.config),
        JournalWriter(tmp_path / "a" / JOURNAL, **SMALL) as writer,
        host("a", tmp_path, port, credentials=a),
        host("b", tmp_path, port, "a/*", credentials=b) as process,
    ):
        writer.append("log", b"\x80")
        wait_for(lambda: reached(copied, writer))
        # A collector's host that pretends to be another: its tape of the gateway reaches nobody.
        with (
            JournalWriter(tmp_path / "evil" / "journal" / "other", **SMALL) as other,
            host("a", tmp_path / "pretends", port, credentials=accounts.host("c")),
        ):
            other.append("log", b"\x81")
            before = os.path.getmtime(tmp_path / "b" / "run" / "cluster.json")
            wait_for(lambda: os.path.getmtime(tmp_path / "b" / "run" / "cluster.json") > before + 2)
        (row,) = [each for each in hosts_now(tmp_path / "b")["hosts"] if each["host"] == "a"]
        assert row["state"] == "up" and process.poll() is None
        writer.append("log", b"\x82")
        wait_for(lambda: reached(copied, writer))


def test_credentials_of_another_account_are_refused_in_words(tmp_path):
    port = free_port()
    with server(tmp_path, port, Accounts().config):
        done = ended("a", tmp_path, port, credentials=Accounts().host("a"))
    assert done.returncode == 2 and "BAD_CONFIG(4602): a server refuses them" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda text: "SUAFAKE", "not a NATS credentials file"),
        (lambda text: text.replace("SU", "SA"), "not the seed of a NATS user"),
        (lambda text: re.sub(r"\nSU(..)", r"\nSUA7", text), "the checksum differs"),
    ],
)
def test_a_file_that_is_no_credentials_is_refused_and_not_shown(changed, words):
    text = changed(Accounts().host("a"))
    with pytest.raises(BadConfig, match=words) as caught:
        Credentials(text)
    assert not any(part in str(caught.value) for part in text.split() if len(part) > 20)
