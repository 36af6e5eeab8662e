"""The checks of `onetape doctor` for the bot: whether Telegram accepts the token, and knows the chats."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.errors import OnetapeError
from onetape.model.sections import Config, TelegramConfig
from onetape.model.typed import from_builtins
from onetape.preflight.findings import ERROR, OK, WARNING, Finding
from onetape.security.secrets import Secret
from onetape.telegram.api import ApiError, BotApi
from onetape.telegram.options import TELEGRAM, bot_token

__all__ = ["examine"]

WITHIN_S: Final = 5.0


class _Bot(msgspec.Struct, frozen=True):
    username: str


class _Webhook(msgspec.Struct, frozen=True):
    url: str


def examine(config: Config, environ: Mapping[str, str], folder: Path) -> list[Finding]:
    """Returns the findings; none without a bot, or with an unreadable token, which the start reports itself."""
    telegram = config.notify.telegram
    if telegram is None:
        return []
    if telegram.token.startswith("fd:"):
        return [Finding(OK, TELEGRAM, "not checked: the token's descriptor can be read only once")]
    try:
        token = bot_token(telegram, environ, folder)
    except OnetapeError:
        return []
    return asyncio.run(_found(telegram, token))


async def _found(telegram: TelegramConfig, token: Secret) -> list[Finding]:
    async with BotApi(telegram.api, token) as api:

        async def query(method: str, **fields: Any) -> Any:
            return await api.call(method, within_s=WITHIN_S, **fields)

        try:
            name = from_builtins(await query("getMe"), _Bot).username
            webhook = from_builtins(await query("getWebhookInfo"), _Webhook).url
        except msgspec.ValidationError:
            todo = "check the address in [notify.telegram] api"
            return [Finding(WARNING, TELEGRAM, "what answers there is not the Bot API", todo)]
        except ApiError as error:
            if error.code in (401, 404):
                todo = "take the one that @BotFather has now: [notify.telegram] token"
                return [Finding(ERROR, TELEGRAM, "Telegram does not know this token", todo)]
            return [Finding(WARNING, TELEGRAM, error.words, "trading does not depend on it")]
        found = [Finding(OK, TELEGRAM, f"answers as @{name}")]
        if webhook:
            found.append(
                Finding(
                    ERROR, TELEGRAM, "a webhook receives the bot's messages", "call deleteWebhook, or use another bot"
                )
            )
        if not telegram.chats:
            todo = "send it a message while it runs: `onetape logs telegram` shows the id for [notify.telegram] chats"
            found.append(Finding(WARNING, TELEGRAM, "no chat may use it", todo))
        for chat in telegram.chats:
            try:
                await query("getChat", chat_id=chat)
            except ApiError as error:
                todo = "write /start to the bot in it, or correct [notify.telegram] chats"
                found.append(Finding(ERROR, TELEGRAM, f"chat {chat}: {error.words}", todo))
        return found
