"""The start options of the bot's process, and the path of its journal. Light to import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.model.errors import BadConfig
from onetape.model.sections import TELEGRAM, Config, TelegramConfig
from onetape.security.secrets import Secret, read_secret
from onetape.venues.hosts import is_loopback

__all__ = [
    "TELEGRAM",
    "TelegramOptions",
    "bot_token",
    "check_telegram",
    "telegram_actor",
    "telegram_journal",
    "telegram_options",
]

_TOKEN: Final = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}", re.ASCII)


class TelegramOptions(msgspec.Struct, frozen=True, kw_only=True):
    """token: the bot's; records: URL of the recorder's database, "": there is none. Its text shows neither."""

    home: str
    config: Config
    token: str
    records: str = ""

    def __repr__(self) -> str:
        return f"TelegramOptions(home={self.home!r})"


def telegram_actor(chat: int) -> str:
    """Returns the name on tapes for commands of a chat."""
    return f"{TELEGRAM}:{chat}"


def telegram_journal(home: Path) -> Path:
    return home / "journal" / TELEGRAM


def bot_token(telegram: TelegramConfig, environ: Mapping[str, str], folder: Path) -> Secret:
    """Reads the token, and checks the address that it is sent to. Raises BadConfig, PermissionDenied."""
    api = urlsplit(telegram.api)
    if not api.hostname or not (api.scheme == "https" or (api.scheme == "http" and is_loopback(api.hostname))):
        raise BadConfig(
            "not an https:// address", location="[notify.telegram] api", todo="http:// is for loopback only"
        )
    token = read_secret(telegram.token, environ, folder=folder)
    if not _TOKEN.fullmatch(token.reveal()):
        todo = "as @BotFather gives it, digits:letters and nothing else"
        raise BadConfig("it is not a bot's token", location="[notify.telegram] token", todo=todo)
    return token


def check_telegram(config: Config, environ: Mapping[str, str], folder: Path) -> None:
    """Raises as `bot_token`; a token from a descriptor, which can be read only once, is left to the process that
    starts the bot."""
    if (telegram := config.notify.telegram) is not None and not telegram.token.startswith("fd:"):
        bot_token(telegram, environ, folder)


def telegram_options(config: Config, *, home: Path, folder: Path, environ: Mapping[str, str]) -> TelegramOptions:
    """Raises as `bot_token`."""
    assert config.notify.telegram is not None
    token = bot_token(config.notify.telegram, environ, folder)
    return TelegramOptions(home=str(home), config=config, token=token.reveal())
