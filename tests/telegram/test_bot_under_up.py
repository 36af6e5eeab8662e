"""The bot of a home that trades: what it shows, and what it does to processes, by real sockets and tapes."""

from __future__ import annotations

import os
import signal
from collections import deque
from pathlib import Path

import msgspec

from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.bot_api import HANG, TOKEN, BotApi
from worlds.supervised import ALLOCATE, CONFIG, Home

CHAT = 42


def commands(home: Home) -> list[tuple[str, str]]:
    with JournalReader(gateway_journal(home.home, "main")) as reader:
        found = (msgspec.msgpack.decode(each.payload) for each in reader.frames(("command",)))
        return [(each["actor"], each["command"]) for each in found]


def query(api: BotApi, words: str) -> str:
    """What it answers."""
    count = len(api.messages)
    api.say(CHAT, words)
    wait_for(lambda: len(api.messages) > count)
    return str(api.messages[-1]["shown"])


def test_a_telephone_sees_and_commands_a_home(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with BotApi(CHAT) as api:
        api.faults["setMyCommands"] = deque([(HANG, 0.0)])  # nobody waits for Telegram
        more = f'[recorder]\n[notify.telegram]\ntoken = "file:token"\nchats = [{CHAT}]\napi = "{api.url}"\n'
        with Home(tmp_path, CONFIG + more) as home:
            home.run("up")
            assert home.process("telegram")["state"] == "running"
            home.kill("telegram")  # the next life is answered
            home.run(*ALLOCATE)
            home.wait_for(home.fills)

            assert "mm: started" in query(api, "/status")
            wait_for(lambda: " USDT today, after fees\nmain: " in query(api, "/profit"))
            wait_for(lambda: "binance:BTC/USDT:USDT: 0.0" in query(api, "/positions"))

            api.say(CHAT, "/pause mm")
            api.wait("pause mm?")
            api.press("Yes, pause")
            api.wait("robot:mm: applied")
            assert "mm: stopped" in query(api, "/status")

            api.say(CHAT, "/flatten")
            api.wait("flatten?")
            api.press("Yes, flatten")
            assert "flat\n" in api.wait("flat\n")
            assert not [each for each in home.run("positions") if float(each["qty"])]
            assert "! main: kill switch flatten" in query(api, "/status")

            api.say(CHAT, "/unkill main")
            api.wait("unkill main?")
            os.kill(home.process("telegram")["pid"], signal.SIGKILL)  # it forgets what it has asked
            home.wait_for(lambda: home.process("telegram")["state"] == "running")
            api.press("Yes, unkill")
            wait_for(lambda: api.answered[-1].startswith("too late"))
            api.say(CHAT, "/unkill main")
            api.wait("unkill main?", count=2)
            api.press("Yes, unkill")
            api.wait("gateway:main: applied")
            names = {each for each in commands(home) if each[0] != "operator"}
            assert names == {(f"telegram:{CHAT}", "flatten"), (f"telegram:{CHAT}", "unkill")}

            home.run("send", "gateway:main", "halt", "symbol=binance:BTC/USDT:USDT", "until=4h")
            assert "symbol binance:BTC/USDT:USDT ban" in query(api, "/halts")
            alert = home.wait_for(lambda: next((a for a in home.run("alerts") if "halt" in a["subject"]), None))
            assert alert["message"] in query(api, "/alerts")
            api.press(f"Acknowledge {alert['id']}")
            api.wait("supervisor: applied")
            acked = next(each for each in home.run("alerts", "ls", "--all") if each["id"] == alert["id"])
            assert acked["data"]["actor"] == f"telegram:{CHAT}"

            for path in (home.home / "logs").iterdir():
                assert TOKEN not in path.read_text()
            for path in (home.home / "journal").rglob("*.tape"):
                assert TOKEN.encode() not in path.read_bytes()
            home.run("down")
