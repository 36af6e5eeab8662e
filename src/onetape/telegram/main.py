"""The bot's process under the supervisor: `python -m onetape.telegram.main`, its options as JSON on standard input.
It prints `ready` before Telegram has answered, so that trading does not wait for it."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from onetape.ipc.process import run_process, say, stop_on_signals
from onetape.security.confine import confine
from onetape.security.secrets import Secret
from onetape.telegram.api import BotApi
from onetape.telegram.bot import Bot, Tape
from onetape.telegram.options import TelegramOptions

__all__ = ["main"]


def main() -> int:
    return run_process(TelegramOptions, _run)


def _run(options: TelegramOptions) -> None:
    confine()

    async def work() -> None:
        telegram = options.config.notify.telegram
        assert telegram is not None
        tape = Tape(Path(options.home), options.token.partition(":")[0])
        try:
            async with BotApi(telegram.api, Secret(options.token)) as api:
                bot = Bot(options, api, tape)
                stop_on_signals(bot)
                say("ready")
                await bot.run()
        finally:
            tape.close()

    uvloop.run(work())


if __name__ == "__main__":
    sys.exit(main())
