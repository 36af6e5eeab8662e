"""The bot's answers about a home, in short lines for a telephone. Each function blocks; call them in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from onetape.clients.gateway import GatewayClient
from onetape.clients.halts import halts
from onetape.ipc.connection import Connection, Gone
from onetape.ipc.names import process_socket
from onetape.ipc.operator import robots_now
from onetape.model.errors import OnetapeError, ProcessDown
from onetape.model.placement import WELL
from onetape.model.sections import Config
from onetape.model.time import DAY, SECOND
from onetape.notify.past_alerts import ALERTS_MAX, alert_rows, past_alerts
from onetape.projections.account_views import positions, summary
from onetape.store.record_queries import ledger, result_of
from onetape.store.records import Records
from onetape.telegram.options import TelegramOptions

__all__ = ["ANSWERS", "alerts_now", "supervisor_status"]

GLANCE_NS: Final = 2 * SECOND


def alerts_now(home: Path, config: Config) -> list[dict[str, Any]]:
    """Returns open alerts that are not acknowledged, the newest first."""
    return alert_rows(past_alerts(home, ALERTS_MAX), config, is_all=False)[::-1]


def _status(options: TelegramOptions) -> str:
    home, config = Path(options.home), options.config
    seen = asyncio.run(supervisor_status(home))
    rows = [each for each in seen["processes"] if each["kind"] != "supervisor"]
    bad = [each for each in rows if each["state"] not in WELL]
    lines = [f"{len(rows) - len(bad)} of {len(rows)} processes run"]
    lines += [f"! {each['name']} {each['state']} {each['reason']}" for each in bad]
    for account in config.accounts:
        try:
            killed = GatewayClient(home, account).ask("status")["killed"]
        except OnetapeError as error:
            killed = f"not known: {error.message}"
        lines += [f"! {account}: kill switch {killed}"] if killed else []
    lines += [f"{name[6:]}: {each['status']}, {each['orders']} working" for name, each in robots_now(home).items()]
    lines.append(f"{len(halts(home, config).rows)} halts, {len(alerts_now(home, config))} alerts")
    return "\n".join(lines)


def _profit(options: TelegramOptions) -> str:
    """Returns the profit of the UTC day, after fees, if there are records, else of each robot since its start; and
    the accounts' money."""
    home = Path(options.home)
    if options.records:
        records = Records(options.records, home=home, only_reads=True)
        try:
            rows = ledger(records, by="strategy", since=time.time_ns() // DAY * DAY)
        finally:
            records.close()
        lines = [f"{row['key']}: {result_of(row)} {row['currency']} today, after fees{_beside(row)}" for row in rows]
    else:
        lines = [f"{name[6:]}: {each['profit']} since it began" for name, each in robots_now(home).items()]
    for account, balances in summary(home, options.config)["equity"].items():
        lines += [f"{account}: {total} {currency}" for currency, total in balances.items() if float(total)]
    return "\n".join(lines)


def _beside(row: Mapping[str, Any]) -> str:
    """Returns the fees paid in other assets, which no result in its currency includes."""
    paid = ", ".join(f"{fee} {asset}" for asset, fee in row["fees"].items() if asset != row["currency"])
    return f" in {row['currency']}; fees beside it: {paid}" if paid else ""


def _positions(options: TelegramOptions) -> str:
    return "\n".join(
        f"{row['account']} {row['symbol']}: {row['qty']} at {row['entry_price']}, open {row['unrealized']}"
        for row in positions(Path(options.home), options.config)
        if float(row["qty"])
    )


def _halts(options: TelegramOptions) -> str:
    rows, away = halts(Path(options.home), options.config)
    lines = [f"{row['id']}: {row['scope']} {row['subject']} {row['rule']} {row['loss']}".rstrip() for row in rows]
    return "\n".join([*lines, *([f"! incomplete: {away.message}"] if away is not None else [])])


async def supervisor_status(home: Path) -> dict[str, Any]:
    """Returns the states of the processes. Raises ProcessDown."""
    connection = Connection(process_socket(home, "supervisor"))
    try:
        return await connection.ask({"do": "status"}, time.time_ns() + GLANCE_NS)
    except (Gone, TimeoutError) as error:
        raise ProcessDown("the supervisor does not answer") from error
    finally:
        connection.close()


# Command -> its description, and the function that makes the answer.
ANSWERS: Final[Mapping[str, tuple[str, Callable[[TelegramOptions], str]]]] = {
    "status": ("processes, robots, kill switches", _status),
    "profit": ("today, each robot, what accounts have", _profit),
    "positions": ("what is held", _positions),
    "halts": ("what may only be reduced", _halts),
}
