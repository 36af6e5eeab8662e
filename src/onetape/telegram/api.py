"""Telegram's Bot API: one call and its answer. https://core.telegram.org/bots/api, read 2026-11.

The token is part of every address, so errors contain no address and no text of the HTTP client.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec

from onetape.model.typed import from_json
from onetape.security.redaction import Redactor
from onetape.security.secrets import Secret

__all__ = ["ApiError", "BotApi", "Chat", "Message", "Pressed", "Update", "User"]

ANSWER_BYTES_MAX: Final = 4 << 20  # a hundred updates have less than 1 MiB
CALL_WITHIN_S: Final = 15.0


class ApiError(Exception):
    """A failed call. code: Telegram's, 0: there was no answer; retry_after: s, 0: unknown."""

    def __init__(self, code: int, words: str, retry_after: float = 0.0) -> None:
        super().__init__(words)
        self.code, self.words, self.retry_after = code, words, retry_after


class Chat(msgspec.Struct, frozen=True):
    id: int


class User(msgspec.Struct, frozen=True):
    id: int


class Message(msgspec.Struct, frozen=True):
    message_id: int
    chat: Chat
    sender: User | None = msgspec.field(name="from", default=None)
    text: str = ""


class Pressed(msgspec.Struct, frozen=True):
    """A pressed button of a message."""

    id: str
    sender: User = msgspec.field(name="from")
    message: Message | None = None
    data: str = ""


class Update(msgspec.Struct, frozen=True):
    """A user's action; one of an unknown kind has neither field."""

    update_id: int
    message: Message | None = None
    callback_query: Pressed | None = None


class _Bare(msgspec.Struct, frozen=True):
    update_id: int


class _Parameters(msgspec.Struct, frozen=True):
    retry_after: float = 0.0


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = _Parameters()


class BotApi:
    """A bot at a Bot API server, within `async with`. base: its address, without a trailing path."""

    def __init__(self, base: str, token: Secret) -> None:
        self._address = f"{base.rstrip('/')}/bot{token.reveal()}"
        self._hidden = Redactor(token.reveal())
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(trust_env=True)  # a proxy, where Telegram is blocked
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, method: str, *, within_s: float = CALL_WITHIN_S, **fields: Any) -> Any:
        """Returns the answer's `result`. Raises ApiError."""
        answer = await self._answered(method, fields, within_s)
        return msgspec.json.decode(answer.result)

    async def updates(self, offset: int, *, wait_s: int) -> list[Update]:
        """Waits up to `wait_s` for updates from number `offset` on; earlier ones are confirmed and not sent again.
        Raises ApiError."""
        wanted = {"offset": offset, "timeout": wait_s, "allowed_updates": ["message", "callback_query"]}
        answer = await self._answered("getUpdates", wanted, wait_s + CALL_WITHIN_S)
        try:
            return [_update(each) for each in msgspec.json.decode(answer.result, type=list[msgspec.Raw])]
        except msgspec.DecodeError:
            raise ApiError(0, "getUpdates: the answer is not of the Bot API") from None

    async def _answered(self, method: str, fields: dict[str, Any], within_s: float) -> _Answer:
        assert self._session is not None
        try:
            limit = aiohttp.ClientTimeout(total=within_s)
            async with self._session.post(
                f"{self._address}/{method}", json=fields, timeout=limit, allow_redirects=False
            ) as reply:
                status, data = reply.status, bytearray()
                async for piece in reply.content.iter_chunked(1 << 16):
                    data += piece
                    if len(data) > ANSWER_BYTES_MAX:
                        raise ApiError(0, f"{method}: an answer of more than {ANSWER_BYTES_MAX} bytes")
        except TimeoutError:
            raise ApiError(0, f"{method}: no answer within {within_s:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ApiError(0, f"{method}: {type(error).__name__}") from None
        try:
            answer = from_json(data, _Answer)
        except msgspec.DecodeError:
            raise ApiError(status if status >= 400 else 0, f"{method}: HTTP {status}, not of the Bot API") from None
        if not answer.ok:
            words = self._hidden.text(answer.description)[:200]
            raise ApiError(answer.error_code or status, f"{method}: {words}", answer.parameters.retry_after)
        return answer


def _update(raw: msgspec.Raw) -> Update:
    """Parses an update; a malformed one is skipped by its number."""
    try:
        return from_json(raw, Update)
    except msgspec.ValidationError:
        return Update(from_json(raw, _Bare).update_id)
