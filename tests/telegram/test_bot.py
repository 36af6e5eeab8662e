"""The bot against a local Bot API: whom it answers, what it asks before it acts, and what a bad network may do to it.
With processes that trade it runs in test_bot_under_up.py."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onetape.ipc.door import Command, Door, Handler
from onetape.ipc.server import listen
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, PermissionDenied, ProcessDown
from onetape.model.time import DAY
from onetape.notify.alert import Severity
from onetape.notify.rules import alert_of
from onetape.security.secrets import Secret
from onetape.security.tokens import make_token
from onetape.store.records import Records, metadata
from onetape.telegram import api as bot_api
from onetape.telegram import bot as bot_module
from onetape.telegram.answers import ANSWERS
from onetape.telegram.bot import Act, Bot, Tape
from onetape.telegram.doctor import examine
from onetape.telegram.options import TelegramOptions, bot_token, telegram_actor
from waiting import PATIENCE_S, wait_for
from worlds.bot_api import HANG, TOKEN, BotApi

CHAT = -1001234567890
CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[robots."<b>mm"]
strategy = "maker.py"
account = "main"
[notify.telegram]
token = "env:BOT"
chats = [-1001234567890, 42]
api = "{url}"
"""


class Gateway:
    """The real door of a process on a real socket; its journal is a list."""

    def __init__(self, home: Path) -> None:
        self.journal: list[dict[str, Any]] = []
        self.did: list[Command] = []
        handlers = {"kill": Handler(self._prepare, fields=("reason",)), "unkill": Handler(self._prepare)}
        self.door = Door(("gateway:main",), home, handlers, self, level="process", now=time.time_ns)

    def _prepare(self, command: Command) -> Any:
        return lambda: self.did.append(command)

    def command(self, record: dict[str, Any], now: int) -> None:
        self.journal.append(record)

    def command_reply(self, record: dict[str, Any], now: int) -> None: ...

    def ensure(self, level: str) -> None: ...


class World:
    def __init__(self, home: Path, api: BotApi) -> None:
        self.home, self.api = home, api
        self.config = parse_config(CONFIG.format(url=api.url))
        self.options = TelegramOptions(home=str(home), config=self.config, token=TOKEN)
        self.gateway = Gateway(home)
        self.clock = 1000.0
        self.said: list[dict[str, Any]] = []

    @contextmanager
    def bot(self, token: str = TOKEN, *, is_there: bool = True) -> Iterator[Bot]:
        """One life of it. is_there: the gateway is."""
        make_token(self.home, telegram_actor(CHAT))
        made: list[Bot] = []
        loops: list[asyncio.AbstractEventLoop] = []

        async def work() -> None:
            loops.append(asyncio.get_running_loop())
            server = None
            if is_there:
                path = self.home / "run" / "gateway-main.sock"
                serve = await listen(path, self.gateway.door.handle, self.gateway.door.settle)
                server = asyncio.ensure_future(serve)
            tape = Tape(self.home, token.partition(":")[0])
            write = tape.write

            def heard(event: str, record: Any, **more: Any) -> None:
                self.said.append(record if isinstance(record, dict) else {"act": record})
                write(event, record, **more)

            tape.write = heard  # type: ignore[method-assign]
            try:
                async with bot_api.BotApi(self.api.url, Secret(token)) as client:
                    made.append(Bot(self.options, client, tape, lambda: self.clock))
                    await made[0].run()
            finally:
                tape.close()
                if server is not None:
                    server.cancel()

        thread = threading.Thread(target=asyncio.run, args=(work(),))
        thread.start()
        try:
            wait_for(lambda: made)
            yield made[0]
        finally:
            loops[0].call_soon_threadsafe(made[0].stopping.set)
            thread.join()

    def faults(self) -> list[dict[str, Any]]:
        return [each for each in self.said if each.get("kind") == "telegram"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(bot_module, "PAUSE_S", (0.01, 0.05))
    with BotApi(CHAT, 42) as api:
        yield World(tmp_path, api)


def test_help_names_each_command_and_the_phone_is_shown_them(world: World) -> None:
    with world.bot():
        world.api.say(CHAT, "/help@tape_bot")
        text = world.api.wait("onetape")
    listed = next(fields["commands"] for method, fields in world.api.calls if method == "setMyCommands")
    names = ["status", "profit", "positions", "halts", "alerts", "pause", "resume", "flatten", "kill", "unkill", "help"]
    assert [each["command"] for each in listed] == names
    assert all(f"/{name} " in text for name in names)


def test_others_get_no_answer_and_are_said_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with world.bot() as bot:
        for _ in range(3):
            world.api.say(666, "/kill")
        world.api.press_data("ack:1", 666)
        world.api.say(CHAT, "good morning")  # a group talks
        world.api.say(CHAT, "/help")
        world.api.wait("onetape")
        assert bot.strangers == 4
    assert {each["chat_id"] for each in world.api.messages} == {CHAT}
    assert capsys.readouterr().err.count("chat 666 ") == 1


def test_a_kill_is_asked_about_and_done_once_by_the_chats_name(world: World) -> None:
    with world.bot():
        world.api.say(CHAT, "/kill")
        assert "account: main" in world.api.wait("kill?")
        assert not world.gateway.did
        world.api.press("Yes, kill")
        world.api.wait("gateway:main: applied")
        assert world.api.answered == [""]
        wait_for(lambda: not any(each["buttons"] for each in world.api.messages))
    (command,) = world.gateway.journal
    assert (command["actor"], command["command"]) == (f"telegram:{CHAT}", "kill")


@pytest.mark.parametrize("how", ["no", "late", "twice", "other chat", "made up"])
def test_what_is_not_confirmed_is_not_done(world: World, how: str) -> None:
    with world.bot():
        world.api.say(CHAT, "/kill main")
        world.api.wait("kill main?")
        data = world.api.messages[-1]["buttons"][0][0]["callback_data"]
        match how:
            case "no":
                world.api.press("No")
            case "late":
                world.clock += 61
                world.api.press("Yes, kill")
            case "twice":
                world.api.press("Yes, kill")
                world.api.press_data(data, CHAT)
                world.api.wait("applied")
            case "other chat":  # which is allowed, too
                world.api.press("Yes, kill", chat=42)
            case _:
                world.api.press_data("yes:0123456789abcdef", CHAT)
        wait_for(lambda: len(world.api.answered) == (2 if how == "twice" else 1))
    assert len(world.gateway.did) == (how == "twice")
    others = ["only the sender of the command may answer"]
    words = {"no": ["nothing is done"], "other chat": others, "twice": ["", "too late: send the command again"]}
    # Two presses are answered beside each other: in which order, is the network's.
    assert sorted(world.api.answered) == words.get(how, ["too late: send the command again"])


def test_another_member_of_the_chat_neither_confirms_nor_refuses_a_command(world: World) -> None:
    with world.bot():
        world.api.say(CHAT, "/kill")
        world.api.wait("kill?")
        for label in ("Yes, kill", "No"):
            world.api.press(label, user=78)
        wait_for(lambda: world.api.answered == ["only the sender of the command may answer"] * 2)
        assert not world.gateway.did
        world.api.press("Yes, kill")
        world.api.wait("gateway:main: applied")
    assert len(world.gateway.did) == 1


def test_an_unknown_account_is_said_before_anything_is_asked(world: World) -> None:
    with world.bot():
        world.api.say(CHAT, "/flatten <i>other")
        assert "there is: main" in world.api.wait("no account <i>other")
    assert not world.api.messages[-1]["buttons"]


def test_updates_that_come_again_after_a_restart_do_nothing(world: World) -> None:
    with world.bot():
        world.api.say(CHAT, "/kill")
        world.api.wait("kill?")
        world.api.press("Yes, kill")
        world.api.wait("applied")
    before = len(world.api.messages)
    with world.bot():
        world.api.say(CHAT, "/help")
        world.api.wait("onetape")
    assert len(world.api.messages) == before + 1
    assert len(world.gateway.did) == 1


def test_another_bot_begins_with_its_own_numbers(world: World) -> None:
    with world.bot():
        world.api.say(CHAT, "/help")
        world.api.wait("onetape")
    world.api.update = 5  # after a week without updates they are numbered anew, too
    tape = Tape(world.home, "987")
    assert tape.offset == 0
    tape.close()
    tape = Tape(world.home, TOKEN.partition(":")[0])
    assert tape.offset == 700_000_002
    tape.taken = tape.taken[0], tape.taken[1] - 25 * 3600 * 10**9
    assert tape.offset == 0
    tape.close()


def test_what_a_kill_of_the_bot_cut_off_is_sent_on_under_its_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape(world.home, "1")
    tape.write("command", Act("telegram.p1", telegram_actor(CHAT), "kill", "", CHAT, 77), is_kept=True)
    tape.close()
    with world.bot():
        world.api.wait("gateway:main: applied")
    tape = Tape(world.home, "1")
    assert not tape.left
    tape.close()
    with world.bot():  # it has been answered
        world.api.say(CHAT, "/help")
        world.api.wait("onetape")
    assert [each.id for each in world.gateway.did] == ["telegram.p1"]
    tape = Tape(world.home, "1")
    tape.write("command", Act("telegram.p2", telegram_actor(CHAT), "kill", "", CHAT, 77))
    tape.close()
    monkeypatch.setattr(bot_module, "CONFIRM_S", 0.0)
    with world.bot():
        world.api.wait("not known")
    assert len(world.gateway.did) == 1


def test_a_gateway_that_is_away_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_module, "SEND_WITHIN_S", 0.2)
    with world.bot(is_there=False):
        world.api.say(CHAT, "/kill")
        world.api.wait("kill?")
        world.api.press("Yes, kill")
        world.api.wait("gateway:main: timeout")


@pytest.mark.parametrize("fault", [(429, 0.05), (502, 0.0), (HANG, 0.0)])
@pytest.mark.parametrize("method", ["getUpdates", "sendMessage"])
def test_a_bad_network_loses_no_message(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, fault: tuple[int, float]
) -> None:
    if fault == (HANG, 0.0):  # an answer that a busy machine keeps back for so long would be sent twice
        monkeypatch.setattr(bot_api, "CALL_WITHIN_S", 2.0)
        monkeypatch.setattr(bot_api.BotApi.call, "__kwdefaults__", {"within_s": 2.0})
    monkeypatch.setattr(bot_module, "POLL_S", 0)
    world.api.faults[method] = deque([fault, fault])
    with world.bot():
        world.api.say(CHAT, "/help")
        world.api.wait("onetape")
    assert [each["shown"].startswith("onetape") for each in world.api.messages] == [True]


def test_a_token_that_is_refused_is_an_alert_without_it_until_it_is_taken(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.bot(f"{TOKEN[:-1]}x"):
        wait_for(world.faults)
    fault = world.faults()[-1]
    assert "Unauthorized" in fault["state"] and TOKEN[:-1] not in str(world.said) + capsys.readouterr().err
    alert = alert_of("telegram", "health", fault, 0)
    assert alert is not None and alert.severity is Severity.WARN and not alert.is_note


def test_a_second_poller_is_an_alert_that_ends(world: World) -> None:
    world.api.faults["getUpdates"] = deque([(409, 0.0)])
    with world.bot():
        wait_for(lambda: len(world.faults()) == 2)
    assert [each["state"] for each in world.faults()][1:] == ["answers"]
    assert "severity" in world.faults()[0] and "severity" not in world.faults()[1]


def test_a_long_or_hostile_text_is_text(world: World) -> None:
    async def said() -> None:
        tape = Tape(world.home, "1")
        async with bot_api.BotApi(world.api.url, Secret(TOKEN)) as client:
            bot = Bot(world.options, client, tape)
            hostile = "</pre><script>&amp;\x1b[2J\u202e" + "\n".join(["\U0001f4a5&<>"] * 2000)
            await bot._say(CHAT, "<a href='x'>", hostile)
        tape.close()

    asyncio.run(said())
    text = world.api.messages[-1]["shown"]
    assert text.startswith("<a href='x'>\n</pre><script>&amp;\\x1b[2J\\u202e") and text.endswith("\n...")


def test_the_doctor_says_what_is_wrong_and_no_token(world: World) -> None:
    def found(config: str = "", token: str = TOKEN) -> list[str]:
        text = config or CONFIG.format(url=world.api.url)
        return [f"{each.state} {each.text}" for each in examine(parse_config(text), {"BOT": token}, world.home)]

    assert found() == ["ok answers as @tape_bot"]
    other = f"{TOKEN[:-1]}x"
    assert found(token=other) == ["error Telegram does not know this token"]
    world.api.chats = {42}
    assert found()[1:] == [f"error chat {CHAT}: getChat: Bad Request: chat not found"]
    world.api.webhook = "https://example.org"
    assert found()[1] == "error a webhook receives the bot's messages"
    world.api.webhook = None  # answers of another form
    assert found() == ["warning what answers there is not the Bot API"]
    gone = CONFIG.format(url="http://127.0.0.1:9").replace("[-1001234567890, 42]", "[]")
    assert found(gone) == ["warning getMe: ClientConnectorError"]


@pytest.mark.parametrize(
    ("token", "api", "error"),
    [
        (f"bot{TOKEN}", "https://api.telegram.org", "not a bot's token"),
        (TOKEN, "http://192.0.2.1", "not an https"),
        (TOKEN, "ftp://127.0.0.1", "not an https"),
    ],
)
def test_a_token_goes_nowhere_in_the_open(token: str, api: str, error: str) -> None:
    telegram = parse_config(CONFIG.format(url=api)).notify.telegram
    assert telegram is not None
    with pytest.raises(BadConfig, match=error) as raised:
        bot_token(telegram, {"BOT": token}, Path())
    assert token not in str(raised.value)


def test_no_robot_and_no_sub_account_has_the_name_of_a_chat() -> None:
    for name in ("telegram:42", "telegram", "operator:a"):
        with pytest.raises(BadConfig, match="cannot be called"):
            parse_config(f'[venues.x]\nkind="kraken"\n[accounts.m]\nvenue="x"\nsubaccounts={{"{name}"=2}}')
    with pytest.raises(BadConfig, match="in the open"):
        parse_config(f'[notify.telegram]\ntoken = "{TOKEN}"')


def test_a_token_of_another_name_commands_nothing(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    token = make_token(tmp_path, "a")
    request = {"do": "command", "id": "1", "target": "gateway:main", "command": "kill", "token": token}
    for actor in ("telegram:42", "telegram"):
        assert gateway.door.handle({**request, "actor": actor})["status"] == "refused"
    assert gateway.door.handle({**request, "actor": "a"})["error"]["code"] == PermissionDenied.code
    assert not gateway.did


def test_answers_that_hang_are_named_and_hold_up_no_flatten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    over, hung = threading.Event(), threading.Semaphore(0)

    def hang(options: TelegramOptions) -> str:
        hung.release()
        over.wait()
        return ""

    monkeypatch.setattr(bot_module, "ANSWERS", {**bot_module.ANSWERS, "profit": ("hangs", hang)})
    monkeypatch.setattr(bot_module, "ANSWER_WITHIN_S", 0.5)
    try:
        with world.bot():
            for _ in range(40):
                world.api.say(CHAT, "/profit")
            for _ in range(bot_module.ROOM):
                assert hung.acquire(timeout=PATIENCE_S)
            world.api.wait("no answer within")
            world.api.say(CHAT, "/flatten main")
            world.api.wait("flatten main?")
            world.api.press("Yes, flatten")
            wait_for(lambda: any(each["shown"].startswith("flatten main\n") for each in world.api.messages))
            assert not over.is_set()
    finally:
        over.set()


def test_what_nobody_has_thought_of_is_a_reply_and_is_logged_once(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> Any:
        raise KeyError("of a reply")

    monkeypatch.setattr(bot_module.ByHand, "flatten", broken)
    monkeypatch.setattr(bot_module, "ANSWERS", {**bot_module.ANSWERS, "halts": ("breaks", broken)})
    with world.bot():
        world.api.say(CHAT, "/flatten main")
        world.api.wait("flatten main?")
        world.api.press("Yes, flatten")
        assert "not certain" in world.api.wait("a fault of ours, KeyError")
        world.api.say(CHAT, "/halts")
        wait_for(lambda: any(each["shown"].startswith("/halts\n") for each in world.api.messages))
    assert capsys.readouterr().err.count("KeyError: 'of a reply'") == 2
    tape = Tape(world.home, "1")
    assert not tape.left  # nor is it sent anew after a restart
    tape.close()


def test_the_profit_of_today_is_no_deposit_and_names_fees_beside_it(world: World) -> None:
    def profit() -> list[str]:
        return ANSWERS["profit"][1](options).splitlines()

    options = msgspec.structs.replace(world.options, records="sqlite:///records.db")
    with pytest.raises(ProcessDown, match="start the recorder: it upgrades them"):
        profit()  # who reads makes none
    records = Records("sqlite:///records.db", home=world.home)
    day = time.time_ns() // DAY
    for kind, asset, amount in (
        ("transfer", "USDT", "10000"),
        ("correction", "USDT", "-7"),
        ("realized", "USDT", "12.5"),
        ("fee", "USDT", "-2"),
        ("fee", "BNB", "-0.001"),
    ):
        part = {"account": "main", "strategy": "mm", "symbol": "x:BTC/USDT", "day": day, "currency": "USDT"}
        with records.transaction() as connection:
            table = metadata.tables["record_days"]
            connection.execute(table.insert(), {**part, "kind": kind, "asset": asset, "amount_exact": amount})
    records.close()
    assert profit() == ["mm: 10.5 USDT today, after fees in USDT; fees beside it: 0.001 BNB"]
