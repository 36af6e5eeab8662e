"""Telegram's Bot API on this machine, as its documentation has it (core.telegram.org/bots/api): updates by offset and
long poll, one poller at a time, what messages may hold, and its errors. Faults are scripted by method."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import deque
from html.parser import HTMLParser
from typing import Any

from aiohttp import web

from waiting import wait_for

TOKEN = "123456789:AAHfiqksKZ8WmR2zSjiQ7-v4TMAKdiHm9T0"
HANG = -1


class Text(HTMLParser):
    """What a message shows. Raises ValueError for a tag that Telegram does not take."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown, self.tags = "", []
        self.feed(text)
        self.close()
        if self.tags:
            raise ValueError("can't parse entities: an open tag")

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("b", "i", "code", "pre"):
            raise ValueError(f"can't parse entities: unsupported start tag {tag!r}")
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.tags or self.tags.pop() != tag:
            raise ValueError("can't parse entities: unexpected end tag")

    def handle_data(self, data: str) -> None:
        self.shown += data


class BotApi:
    """chats: that have written to the bot. messages: what was sent, with `shown` and its buttons as they are now.
    faults: by method, what its next calls answer: (status, retry_after) or HANG."""

    def __init__(self, *chats: int) -> None:
        self.chats = set(chats)
        self.messages: list[dict[str, Any]] = []
        self.answered: list[str] = []  # what buttons have said
        self.faults: dict[str, deque[tuple[int, float]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.webhook = ""
        self.update = 700_000_000
        self._updates: deque[dict[str, Any]] = deque()
        self._pressed: set[str] = set()
        self._polling: asyncio.Event | None = None
        self._loop = asyncio.new_event_loop()
        self._came = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> BotApi:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- a person ---------------------------------------------------------------------------------

    def say(self, chat: int, text: str) -> None:
        self._put({"message": {**self._message(chat), "text": text}})

    def press(self, label: str, chat: int | None = None, user: int = 77) -> None:
        """The newest button of that label; chat: pressed from another one; user: by whom."""
        found = next(
            (message, button)
            for message in reversed(self.messages)
            for row in message["buttons"]
            for button in row
            if button["text"] == label
        )
        self.press_data(found[1]["callback_data"], chat or found[0]["chat_id"], found[0]["message_id"], user)

    def press_data(self, data: str, chat: int, message: int = 1, user: int = 77) -> None:
        id_ = f"4382bfdwdsb323b2d9{self.update}"
        self._pressed.add(id_)
        of = {"message_id": message, "chat": {"id": chat, "type": "private"}, "date": 0}
        self._put({"callback_query": {"id": id_, "from": {"id": user}, "message": of, "data": data}})

    def wait(self, words: str, count: int = 1) -> str:
        """Until so many messages have these words; the newest one's text."""

        def found() -> str | None:
            texts = [each["shown"] for each in self.messages if words in each["shown"]]
            return texts[-1] if len(texts) >= count else None

        return wait_for(found, lambda: [each["shown"] for each in self.messages])

    def _message(self, chat: int) -> dict[str, Any]:
        return {"message_id": 1, "from": {"id": 77}, "chat": {"id": chat, "type": "private"}, "date": 0}

    def _put(self, update: dict[str, Any]) -> None:
        self.update += 1
        self._updates.append({"update_id": self.update, **update})
        self._loop.call_soon_threadsafe(self._came.set)

    # --- the server -------------------------------------------------------------------------------

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _handle(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return _error(401, "Unauthorized")
        method, fields = request.match_info["method"], await request.json()
        self.calls.append((method, fields))
        if (faults := self.faults.get(method)) and (fault := faults.popleft()):
            status, after = fault
            if status == HANG:
                await asyncio.sleep(3600)
            if status >= 500:
                return web.Response(status=status, text="<html>Bad Gateway</html>", content_type="text/html")
            more = {"parameters": {"retry_after": after}} if after else {}
            return _error(status, f"Too Many Requests: retry after {after:.0f}", **more)
        handler = getattr(self, f"_{method}", None)
        if handler is None:
            return _error(404, "Not Found")
        try:
            return web.json_response({"ok": True, "result": await handler(fields)})
        except ValueError as error:
            return _error(400, f"Bad Request: {error}")
        except InterruptedError:
            return _error(409, "Conflict: terminated by other getUpdates request")

    async def _getUpdates(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        while self._updates and self._updates[0]["update_id"] < fields["offset"]:
            self._updates.popleft()
        if self._polling is not None:
            self._polling.set()
        ended = self._polling = asyncio.Event()
        if not self._updates:
            self._came.clear()
            waits = [asyncio.ensure_future(each.wait()) for each in (self._came, ended)]
            try:
                await asyncio.wait(waits, timeout=fields["timeout"], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()
        if ended.is_set():
            raise InterruptedError
        self._polling = None
        return list(self._updates)[:100]

    async def _sendMessage(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["chat_id"] not in self.chats:
            raise ValueError("chat not found")
        shown = Text(fields["text"]).shown
        if not 0 < len(shown.encode("utf-16-le")) // 2 <= 4096:
            raise ValueError("message is too long")
        buttons = fields.get("reply_markup", {}).get("inline_keyboard", [])
        for each in (each for row in buttons for each in row):
            if not 1 <= len(each["callback_data"].encode()) <= 64:
                raise ValueError("BUTTON_DATA_INVALID")
        message = {**fields, "message_id": 1000 + len(self.messages), "shown": shown, "buttons": buttons}
        self.messages.append(message)
        return self._message(fields["chat_id"]) | {"message_id": message["message_id"]}

    async def _editMessageReplyMarkup(self, fields: dict[str, Any]) -> bool:
        message = next((each for each in self.messages if each["message_id"] == fields["message_id"]), None)
        if message is None or not message["buttons"]:
            raise ValueError("message is not modified")
        message["buttons"] = []
        return True

    async def _answerCallbackQuery(self, fields: dict[str, Any]) -> bool:
        if fields["callback_query_id"] not in self._pressed:
            raise ValueError("query is too old and response timeout expired or query ID is invalid")
        self.answered.append(fields.get("text", ""))
        return True

    async def _setMyCommands(self, fields: dict[str, Any]) -> bool:
        for each in fields["commands"]:
            if not re.fullmatch("[a-z0-9_]{1,32}", each["command"]) or not 1 <= len(each["description"]) <= 256:
                raise ValueError("BOT_COMMAND_INVALID")
        return True

    async def _getMe(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"id": 123456789, "is_bot": True, "first_name": "tape", "username": "tape_bot"}

    async def _getWebhookInfo(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"url": self.webhook, "pending_update_count": len(self._updates)}

    async def _getChat(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["chat_id"] not in self.chats:
            raise ValueError("chat not found")
        return {"id": fields["chat_id"], "type": "private"}


def _error(code: int, description: str, **more: Any) -> web.Response:
    return web.json_response({"ok": False, "error_code": code, "description": description, **more}, status=code)
