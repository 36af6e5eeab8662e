"""What the verbs of trading by hand share: their options, and how what came of them is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

ORDERS = ("client_id", "robot", "symbol", "side", "type", "price", "qty", "filled", "state", "reason")
CHECKS = ("rule", "passed", "figure", "limit", "reason")

ACCOUNT = click.option("--account", default="", metavar="A", help="Which account, where several could be meant.")
ID = click.option("--id", "id_", default="", help="Of the command: the same id acts once.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what it would do, and each check; send nothing.")


def by_hand(shell: Shell, id_: str) -> Any:
    return load("onetape.gateway.by_hand_client", "ByHand", what="trading by hand")(shell.home, shell.config, id_)


def answer(done: Any, *, dry_run: bool = False) -> Answer:
    """Answers for a ByHand after its verb."""
    value = done.value
    lines = [f"{value['status']}  {value['id']}"]
    orders = listing(
        [{name: each.get(name, "") for name in ORDERS} for each in value["orders"]], ORDERS, nothing="no order"
    )
    if not dry_run:
        lines.append(orders)
    elif value["orders"]:
        lines += ["it would cancel:", orders]
    if dry_run and value["checks"]:
        lines.append(listing([{"reason": "", **each} for each in value["checks"]], CHECKS, nothing=""))
    held = "it would close" if dry_run else "still held"
    lines += [f"{held}: {each['qty']} {each['symbol']} of {each['owner']}" for each in value.get("left", ())]
    if dry_run and len(lines) == 1 and done.error is None:
        lines.append("there is nothing to cancel or close")
    lines += [
        f"even with others on the account: {each['qty']} {each['symbol']} of {each['owner']}"
        for each in value.get("offsetting", ())
    ]
    return Answer.of_check(value, done.error, "\n".join(lines))


def side_verb(side: str, help_: str) -> click.Command:
    """`buy` or `sell`."""

    def command(shell: Shell, symbol: str, account: str, dry_run: bool, id_: str, **fields: Any) -> Answer:
        fields = {name: value for name, value in fields.items() if value is not None}
        done = by_hand(shell, id_)
        done.place(symbol, account, {"side": side, "dry_run": dry_run, **fields})
        return answer(done, dry_run=dry_run)

    command.__doc__ = help_
    options: list[Callable[[Any], Any]] = [
        click.argument("symbol"),
        click.argument("qty"),
        click.option(
            "--price", metavar="P", help="The limit, or bid, ask, mid, low:90m*0.995 [default: at the market]."
        ),
        click.option("--trigger", metavar="P", help="From which price on it is placed."),
        click.option("--kind", type=click.Choice(["stop", "take_profit"]), help="Of an order with a trigger."),
        click.option("--trigger-by", type=click.Choice(["last", "mark", "index"]), help="Whose price [default: last]."),
        click.option("--steps", type=int, metavar="N", help="A ladder of so many orders that add up to QTY."),
        click.option("--every", metavar="D", help="Between its steps, away from the market: 0.5% or 5ticks."),
        click.option("--post-only", is_flag=True, help="It does not take."),
        click.option(
            "--tif", type=click.Choice(["gtc", "ioc", "fok"]), default="gtc", help="How long it stays [default: gtc]."
        ),
        click.option("--reduce-only", is_flag=True, help="It only takes off what is held."),
        click.option(
            "--position-side",
            type=click.Choice(["both", "long", "short"]),
            default="both",
            help="On an account in hedge mode: long or short.",
        ),
        ACCOUNT,
        DRY_RUN,
        ID,
    ]
    example = f"onetape {side} binance:BTC/USDT:USDT 0.01 --price 60000 --dry-run"
    for option in reversed(options):
        command = option(command)
    return verb(side, example=example)(command)
