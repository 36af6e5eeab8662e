"""The bot: its users, confirmations, and commands, each carried out once.

A chat's command is on the bot's journal before it is sent, under the id of the button press, so that processes carry
it out once however often it is sent. Commands cut off by the end of this process are sent by the next one if they
are recent.
"""

from __future__ import annotations

import asyncio
import html
import secrets
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from onetape.clients.by_hand import ByHand
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import DiskFull, OnetapeError, ServiceTimeout
from onetape.model.shown import shown
from onetape.model.time import DAY, SECOND
from onetape.model.typed import from_builtins
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.segments import is_tape
from onetape.telegram.answers import ANSWERS, alerts_now, supervisor_status
from onetape.telegram.api import ApiError, BotApi, Message, Update
from onetape.telegram.options import TELEGRAM, TelegramOptions, telegram_actor, telegram_journal

__all__ = ["ACTS", "Bot", "Tape"]

POLL_S: Final = 50  # how long Telegram holds a request for updates
CONFIRM_S: Final = 60.0  # how long a button acts
SEND_WITHIN_S: Final = 15.0  # longest wait for a process that restarts
PAUSE_S: Final = (1.0, 30.0)  # between tries: the first, the longest
TRIES: Final = 4  # per message
FAILURES: Final = 3  # in a row before a report; Telegram's refusals are reported at once
ROOM: Final = 8  # threads per command: a hanging database blocks the commands that read it, no flatten
ANSWER_WITHIN_S: Final = 20.0  # then the chat is told that there is no answer; commands that act have their own times
TASKS_MAX: Final = 100  # beyond it requests get no answer
OFFSET_NS: Final = DAY  # after a week without updates Telegram restarts its numbering, and it keeps none that long
WAITING_MAX: Final = 64  # buttons; the oldest are disabled
STRANGERS_MAX: Final = 100  # reported by their id
TEXT_MAX: Final = 3900  # UTF-16 units; Telegram's limit is 4096
BUTTONS_MAX: Final = 8
T = TypeVar("T")

# Command -> its effect, as shown in the confirmation.
ACTS: Final[Mapping[str, str]] = {
    "pause": "stop robots: cancel their orders, trade no more, keep positions",
    "resume": "let robots trade that were stopped",
    "flatten": "turn the kill switch on, cancel all orders and close all positions",
    "kill": "cancel all orders and refuse new risk",
    "unkill": "take the kill switch off",
}


class Act(msgspec.Struct, frozen=True):
    """A command, as on the journal. of: the target's name, "": all."""

    id: str
    actor: str
    command: str
    of: str
    chat: int
    user: int


class _Question(NamedTuple):
    """The confirmation before a command is carried out. user: who sent the command, and alone may answer; until: s."""

    chat: int
    user: int
    command: str
    of: str
    until: float


class Tape:
    """The bot's journal, of which this is the one writer. Raises JournalLocked."""

    def __init__(self, home: Path, bot: str) -> None:
        """bot: its id at Telegram; numbers of updates are its own."""
        self._bot = bot
        self.taken = 0, 0  # the newest update: its number, and when, ns
        self.left: dict[str, tuple[int, Act]] = {}  # unanswered, and since when, ns
        path = telegram_journal(home)
        if is_tape(path):
            with JournalReader(path) as reader:
                for frame in reader.frames(("memory", "command", "reply")):
                    self._restore(frame.time, msgspec.msgpack.decode(frame.payload))
        self._writer = JournalWriter(path, process=TELEGRAM, created=time.time_ns(), heartbeat=True)

    def _restore(self, at: int, record: dict[str, Any]) -> None:
        if record.get("bot") == self._bot:
            self.taken = record["update"], at
        elif "status" in record:
            self.left.pop(record["id"], None)
        elif "command" in record:
            self.left[record["id"]] = at, from_builtins(record, Act)

    def take(self, update: int, *, is_kept: bool) -> None:
        """Confirms updates up to this one; is_kept: also after a restart."""
        self.taken = update, time.time_ns()
        if is_kept:
            self.write("memory", {"bot": self._bot, "update": update})

    @property
    def offset(self) -> int:
        """Returns the number of the first unconfirmed update, 0: any."""
        number, at = self.taken
        return number + 1 if time.time_ns() - at < OFFSET_NS else 0

    def write(self, event: str, record: Any, *, is_kept: bool = False) -> None:
        """is_kept: it is on the disk before this returns."""
        payload, now = msgspec.msgpack.encode(record), time.time_ns()
        try:
            self._writer.append(event, payload, time=now)
        except DiskFull:  # commands that stop trading may use the reserve
            self._writer.append_urgent(type_id(event), payload, 0, 0, now)
        if is_kept:
            self._writer.ensure("disk")

    def close(self) -> None:
        self._writer.close()


class Bot:
    """Runs the bot. stopping: set to end it. now: seconds, monotonic."""

    def __init__(self, options: TelegramOptions, api: BotApi, tape: Tape, now: Callable[[], float] = time.monotonic):
        telegram = options.config.notify.telegram
        assert telegram is not None
        self.stopping = asyncio.Event()
        self.strangers = 0  # updates of unknown users
        self._options, self._api, self._tape, self._now = options, api, tape, now
        self._home = Path(options.home)
        self._chats = frozenset(telegram.chats)
        self._heard: set[int] = set()  # reported strangers
        self._threads: dict[str, ThreadPoolExecutor] = defaultdict(partial(ThreadPoolExecutor, ROOM))  # by command
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, _Question] = {}  # by nonce
        self._systems: dict[str, IPCCommandSystem] = {}
        self._fault = ""

    async def run(self) -> None:
        """Answers until stopped."""
        polling = asyncio.ensure_future(self._poll())
        try:
            for at, act in list(self._tape.left.values()):
                if time.time_ns() - at < CONFIRM_S * SECOND:
                    self._start(act.chat, self._carry_out(act))
                else:
                    words = "cut off by a restart; whether it was done is not known: look at /status"
                    self._tape.write("reply", {"id": act.id, "status": "timeout", "result": words})
                    self._start(act.chat, self._say(act.chat, _title(act.command, act.of), words))
            stop = asyncio.ensure_future(self.stopping.wait())
            await asyncio.wait((stop, polling), return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                polling.result()  # an internal error ends the process
        finally:
            for task in (polling, *self._tasks):
                task.cancel()
            await asyncio.gather(polling, *self._tasks, return_exceptions=True)
            for pool in self._threads.values():
                pool.shutdown(wait=False, cancel_futures=True)
            for system in self._systems.values():
                system.stop()

    # --- updates ------------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        failures, pause, is_named = 0, PAUSE_S[0], False
        while True:
            try:
                if not is_named:
                    await self._api.call("setMyCommands", commands=_listed())
                    is_named = True
                updates = await self._api.updates(self._tape.offset, wait_s=0 if failures else POLL_S)
            except ApiError as error:
                failures += 1
                if 400 <= error.code < 500 or failures >= FAILURES:
                    self._tell(error.words)
                await asyncio.sleep(max(error.retry_after, pause))
                pause = min(2 * pause, PAUSE_S[1])
                continue
            self._tell("")
            failures, pause = 0, PAUSE_S[0]
            for update in updates:
                self._take(update)

    def _tell(self, fault: str) -> None:
        """Reports a fault on the journal when it changes: begins or ends an alert."""
        if fault == self._fault:
            return
        self._fault = fault
        record = {"kind": "telegram", "subject": "bot", "state": "answers"}
        if fault:
            record = {"kind": "telegram", "subject": "bot", "state": fault, "severity": "warning"}
            sys.stderr.write(f"{fault}\n")
        self._tape.write("health", record)

    def _take(self, update: Update) -> None:
        pressed = update.callback_query
        message = pressed.message if pressed is not None else update.message
        self._tape.take(update.update_id, is_kept=message is not None and message.chat.id in self._chats)
        if message is None:
            return
        if message.chat.id not in self._chats:
            self._stranger(message.chat.id)
            return
        sender = pressed.sender if pressed is not None else message.sender
        user = sender.id if sender is not None else 0
        if pressed is None:
            if len(self._tasks) < TASKS_MAX:
                self._start(message.chat.id, self._answer(message.chat.id, user, message.text), message.text[:64])
            return
        word, _, rest = pressed.data.partition(":")
        question = self._waiting.get(rest) if word in ("yes", "no") else None
        if question is not None and (question.chat, question.user) != (message.chat.id, user):
            words = "only the sender of the command may answer"
            self._start(message.chat.id, self._pressed(pressed.id, message, words, is_question=False))
            return
        self._waiting.pop(rest, None)
        act = None
        if word == "ack":
            act = self._act(pressed.id, message.chat.id, user, "ack", rest)
        elif question is not None and word == "yes" and self._now() < question.until:
            act = self._act(pressed.id, message.chat.id, user, question.command, question.of)
        words = "" if act is not None else "nothing is done" if word == "no" else "too late: send the command again"
        self._start(message.chat.id, self._pressed(pressed.id, message, words, is_question=word != "ack"))
        if act is not None:
            self._start(act.chat, self._carry_out(act))

    def _stranger(self, chat: int) -> None:
        """Logs an unknown chat's id, which the operator needs to allow it; sends no answer."""
        self.strangers += 1
        if chat not in self._heard and len(self._heard) < STRANGERS_MAX:
            self._heard.add(chat)
            sys.stderr.write(
                f"chat {chat} has sent a message, but is not in [notify.telegram] chats: it gets no answer\n"
            )

    def _start(self, chat: int, work: Coroutine[Any, Any, None], title: str = "error") -> None:
        """Runs work in parallel to later updates. chat: gets its error, under this title."""

        async def guarded() -> None:
            try:
                try:
                    await work
                except ApiError:
                    raise
                except Exception as error:
                    await self._say(chat, title, _words(error))
            except ApiError as error:
                sys.stderr.write(f"an answer could not be sent: {error.words}\n")

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- messages -----------------------------------------------------------------------------------------------------

    async def _answer(self, chat: int, user: int, text: str) -> None:
        words = text.split()
        if not words or not words[0].startswith("/"):
            return  # a group has other conversations
        command, of = words[0][1:].partition("@")[0].lower(), " ".join(words[1:])[:64]
        if command in ANSWERS:
            await self._say(chat, command, await self._made(command, ANSWERS[command][1], self._options) or "none")
        elif command == "alerts":
            await self._alerts(chat)
        elif command in ACTS:
            await self._ask(chat, user, command, of)
        else:
            lines = [f"/{name}  {what}" for name, what in _commands().items()]
            await self._say(chat, "onetape", "\n".join(lines))

    async def _made(self, command: str, make: Callable[..., T], *facts: Any) -> T:
        """Raises ServiceTimeout, and the errors of `make`."""
        made = asyncio.get_running_loop().run_in_executor(self._threads[command], make, *facts)
        try:
            return await asyncio.wait_for(made, ANSWER_WITHIN_S)
        except TimeoutError:
            raise ServiceTimeout(f"no answer within {ANSWER_WITHIN_S:g} s", location=f"/{command}") from None

    async def _alerts(self, chat: int) -> None:
        rows = await self._made("alerts", alerts_now, self._home, self._options.config)
        lines = [f"{row['severity']} {row['id']} {row['subject']}: {row['message']}" for row in rows]
        buttons = [(f"Acknowledge {row['id']}", f"ack:{row['id']}") for row in rows[:BUTTONS_MAX]]
        await self._say(chat, "alerts", "\n".join(lines) or "none", [[each] for each in buttons])

    async def _ask(self, chat: int, user: int, command: str, of: str) -> None:
        kind, named = await self._named(command)
        if of and of not in named:
            await self._say(chat, command, f"no {kind} {of}; there is: {', '.join(named) or 'none'}")
            return
        nonce = secrets.token_hex(8)
        self._waiting[nonce] = _Question(chat, user, command, of, self._now() + CONFIRM_S)
        if len(self._waiting) > WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
        words = f"{ACTS[command]}\n{kind}: {of or ', '.join(named)}\n(within {CONFIRM_S:.0f} s)"
        buttons = [(f"Yes, {command}", f"yes:{nonce}"), ("No", f"no:{nonce}")]
        await self._say(chat, f"{_title(command, of)}?", words, [buttons])

    async def _pressed(self, id_: str, message: Message, words: str, *, is_question: bool) -> None:
        """Answers on the message with the button, and removes the buttons of an answered question."""
        await self._call("answerCallbackQuery", callback_query_id=id_, text=words)
        if is_question:
            await self._call("editMessageReplyMarkup", chat_id=message.chat.id, message_id=message.message_id)

    async def _say(self, chat: int, title: str, body: str, buttons: list[list[tuple[str, str]]] | None = None) -> None:
        fields: dict[str, Any] = {"chat_id": chat, "parse_mode": "HTML", "text": _page(title, body)}
        if buttons:
            rows = [[{"text": text, "callback_data": data} for text, data in row] for row in buttons]
            fields["reply_markup"] = {"inline_keyboard": rows}
        await self._call("sendMessage", **fields)

    async def _call(self, method: str, **fields: Any) -> None:
        """Calls a method, with retries while Telegram is busy or does not answer. Raises ApiError."""
        pause = PAUSE_S[0]
        for left in reversed(range(TRIES)):
            try:
                await self._api.call(method, **fields)
                return
            except ApiError as error:
                if not left or (400 <= error.code < 500 and error.code != 429):
                    raise
                await asyncio.sleep(max(error.retry_after, pause))
                pause *= 2

    # --- commands -----------------------------------------------------------------------------------------------------

    async def _named(self, command: str) -> tuple[str, list[str]]:
        """Returns the kind of a command's target, and all targets of that kind."""
        if command not in ("pause", "resume"):
            return "account", [*self._options.config.accounts]
        try:
            processes = (await supervisor_status(self._home))["processes"]
        except OnetapeError:  # added ones are unknown
            return "robot", [*self._options.config.robots]
        return "robot", [each["name"][6:] for each in processes if each["kind"] == "robot"]

    def _act(self, press: str, chat: int, user: int, command: str, of: str) -> Act:
        act = Act(f"{TELEGRAM}.{press}", telegram_actor(chat), command, of, chat, user)
        self._tape.write("command", act, is_kept=True)
        return act

    async def _carry_out(self, act: Act) -> None:
        try:
            lines = await (self._flatten(act) if act.command == "flatten" else self._send(act))
        except Exception as error:  # otherwise it would be sent after a restart, too
            lines = [_words(error)]
        words = "\n".join(lines) or "no process runs that could do this"
        self._tape.write("reply", {"id": act.id, "status": "done", "result": words[:TEXT_MAX]})
        await self._say(act.chat, _title(act.command, act.of), words)

    async def _flatten(self, act: Act) -> list[str]:
        done = ByHand(self._home, self._options.config, act.id, act.actor)
        await asyncio.get_running_loop().run_in_executor(self._threads["flatten"], done.flatten, "", act.of)
        lines = [f"{each['side']} {each['qty']} {each['symbol']} {each['state']}" for each in done.value["orders"]]
        return [str(done.error or "flat"), *lines]

    async def _send(self, act: Act) -> list[str]:
        """Sends a command to each target process; one that is away has time to come back."""
        system = self._systems.get(act.actor)
        if system is None:
            system = self._systems[act.actor] = IPCCommandSystem(act.actor, home=self._home)
            system.start()
        command = {"pause": "stop", "resume": "start"}.get(act.command, act.command)
        fields = {"reason": act.actor} if command == "kill" else {"id": act.of} if command == "ack" else {}
        targets = ["supervisor"]
        if command != "ack":
            kind, named = await self._named(act.command)
            targets = [f"{'gateway' if kind == 'account' else kind}:{name}" for name in ([act.of] if act.of else named)]
        answers = await asyncio.gather(
            *(system.send_command(each, command, fields, timeout=SEND_WITHIN_S, command_id=act.id) for each in targets)
        )
        return [
            f"{target}: {answer.status}" + (f", {answer.error['message']}" if answer.error else "")
            for target, answer in zip(targets, answers, strict=True)
        ]


def _commands() -> dict[str, str]:
    answers = {name: what for name, (what, _) in ANSWERS.items()}
    return {**answers, "alerts": "open alerts, to be acknowledged", **ACTS, "help": "these lines"}


def _listed() -> list[dict[str, str]]:
    return [{"command": name, "description": what} for name, what in _commands().items()]


def _words(error: Exception) -> str:
    """Returns the chat's text for an error; unexpected ones are only in the log."""
    if isinstance(error, OnetapeError):
        return str(error)
    sys.stderr.write("".join(traceback.format_exception(error)))
    return f"a fault of ours, {type(error).__name__}; what was done is not certain: look at /status and the bot's log"


def _title(command: str, of: str) -> str:
    return f"{command} {of}".rstrip()


def _page(title: str, body: str) -> str:
    """Returns Telegram's HTML, with all foreign text escaped."""
    body = shown(body)
    if len(units := body.encode("utf-16-le", "replace")) > 2 * TEXT_MAX:
        kept = units[: 2 * TEXT_MAX].decode("utf-16-le", "ignore")
        body = f"{kept.rpartition(chr(10))[0] or kept}\n..."
    return f"<b>{html.escape(shown(title), quote=False)}</b>\n<pre>{html.escape(body, quote=False)}</pre>"
