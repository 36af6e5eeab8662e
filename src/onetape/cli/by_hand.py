"""Provide the verbs of trading by hand: `buy`, `sell`, `cancel`, `close`, `flatten`, `leverage`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import listing
from onetape.model.time import parse_time

ORDERS = ("client_id", "robot", "symbol", "side", "type", "price", "qty", "filled", "state", "reason")
CHANGES = ("ts", "leverage", "state", "actor", "reason")  # columns of leverage changes
CHECKS = ("rule", "passed", "figure", "limit", "reason")

ACCOUNT = click.option("--account", default="", metavar="A", help="The account, if several trade the symbol.")
ID = click.option("--id", "id_", default="", help="Id of the command; a repeated id has no effect.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show the effect and each check; send nothing.")


def by_hand(shell: Shell, id_: str) -> Any:
    return load("onetape.clients.by_hand", "ByHand", what="trading by hand")(shell.home, shell.accounts_config, id_)


def answer(done: Any, *, dry_run: bool = False) -> Answer:
    """Returns the answer for a ByHand after its verb."""
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
        lines.append("nothing to cancel or close")
    lines += [
        f"offset by other owners on the account: {each['qty']} {each['symbol']} of {each['owner']}"
        for each in value.get("offsetting", ())
    ]
    lines += [
        f"kill switch of {account} is on: no order that adds risk is sent until onetape send gateway:{account} unkill"
        for account in done.killed
    ]
    return Answer.of_check(value, done.error, "\n".join(lines))


SIDE_OPTIONS: Final[tuple[Callable[[Any], Any], ...]] = (
    click.argument("symbol"),
    click.argument("qty"),
    click.option("--price", metavar="P", help="Limit price, or bid, ask, mid, low:90m*0.995 [default: market order]."),
    click.option("--trigger", metavar="P", help="Trigger price."),
    click.option("--kind", type=click.Choice(["stop", "take_profit"]), help="Kind of the trigger."),
    click.option(
        "--trigger-by",
        type=click.Choice(["last", "mark", "index"]),
        help="Price that the trigger watches [default: last].",
    ),
    click.option("--steps", type=int, metavar="N", help="Split QTY into a ladder of N orders."),
    click.option("--every", metavar="D", help="Distance between ladder orders, away from the market: 0.5% or 5ticks."),
    click.option("--stop-loss", metavar="P", help="Keep a stop at P, or 2% from the entry's price."),
    click.option(
        "--take-profit",
        metavar="P[:SHARE]",
        multiple=True,
        help="Keep a take-profit; of several, each with its share of the entry: 2%:0.5.",
    ),
    click.option("--expire", metavar="TIME", help="Cancel the order at this time (GTD)."),
    click.option("--post-only", is_flag=True, help="Refuse the order if it would take liquidity."),
    click.option(
        "--tif", type=click.Choice(["gtc", "ioc", "fok"]), default="gtc", help="Time in force [default: gtc]."
    ),
    click.option("--reduce-only", is_flag=True, help="The order may only reduce a position."),
    click.option(
        "--position-side",
        type=click.Choice(["both", "long", "short"]),
        default="both",
        help="long or short, on an account in hedge mode.",
    ),
    ACCOUNT,
    DRY_RUN,
    ID,
)


def _side_verb(side: str) -> click.Command:
    """Makes `buy` or `sell`."""

    def command(shell: Shell, symbol: str, account: str, dry_run: bool, id_: str, **fields: Any) -> Answer:
        fields = _fields(**fields)
        done = by_hand(shell, id_)
        done.place(symbol, account, {"side": side, "dry_run": dry_run, **fields})
        return answer(done, dry_run=dry_run)

    what = f"{side.capitalize()} QTY of SYMBOL by hand"
    command.__doc__ = f"""{what}, as the operator, through the checks of a robot's order.

    Waits a few seconds for the venue's answer. Exit code 5: a check refused the order, and the answer
    names it. --dry-run shows each check with its figure and limit, and sends nothing.
    """
    example = f"onetape {side} binance:BTC/USDT:USDT 0.01 --price 60000 --dry-run"
    for option in reversed(SIDE_OPTIONS):
        command = option(command)
    return verb(side, example=example)(command)


def _fields(take_profit: tuple[str, ...], expire: str | None, **fields: Any) -> dict[str, Any]:
    """Returns the fields of a command."""
    if take_profit:
        parts = [text.partition(":") for text in take_profit]
        is_one = len(parts) == 1 and not parts[0][1]
        fields["take_profit"] = take_profit[0] if is_one else [[level, share or "1"] for level, _, share in parts]
    if expire is not None:
        fields |= {"expire_ns": parse_time(expire), "tif": "gtd"}
    return {name: value for name, value in fields.items() if value is not None}


buy, sell = _side_verb("buy"), _side_verb("sell")


@verb("cancel", example="onetape cancel --symbol binance:BTC/USDT:USDT\nonetape cancel --all")
@click.argument("order", metavar="[ORDER]", default="")
@click.option("--symbol", default="", metavar="S", help="Cancel all working orders of this symbol.")
@click.option("--all", "everything", is_flag=True, help="Cancel all working orders.")
@ACCOUNT
@DRY_RUN
@ID
def cancel(shell: Shell, order: str, symbol: str, everything: bool, account: str, dry_run: bool, id_: str) -> Answer:
    """Cancel an order by its client id or the venue's, robots' orders too.

    Orders placed outside onetape are not touched. Robots go on: to keep them from placing new orders
    use `flatten`, or `send gateway kill`.
    """
    done = by_hand(shell, id_)
    done.cancel(order, symbol, account, everything=everything, dry_run=dry_run)
    return answer(done, dry_run=dry_run)


@verb("close", example="onetape close binance:BTC/USDT:USDT --subaccount a")
@click.argument("symbol")
@click.option(
    "--subaccount",
    default="",
    metavar="NAME",
    help="Close this sub-account's whole position, including that of stopped robots.",
)
@click.option(
    "--position-side",
    type=click.Choice(["long", "short"]),
    help="Close only this side, on an account in hedge mode [default: both].",
)
@ACCOUNT
@DRY_RUN
@ID
def close(
    shell: Shell, symbol: str, subaccount: str, position_side: str | None, account: str, dry_run: bool, id_: str
) -> Answer:
    """Close a position at the market, with orders that only reduce.

    Without --subaccount only the part traded by the operator or found on the account; robots' positions stay. A
    robot's part can be closed while the robot does not run; it learns of it at its restart. Working orders of the
    closed part are canceled first.
    """
    done = by_hand(shell, id_)
    done.close(symbol, account, subaccount, dry_run=dry_run, position_side=position_side)
    return answer(done, dry_run=dry_run)


@verb("flatten", example="onetape flatten --account main")
@click.option("--symbol", default="", metavar="S", help="Only this symbol, without the kill switch.")
@ACCOUNT
@DRY_RUN
@ID
def flatten(shell: Shell, symbol: str, account: str, dry_run: bool, id_: str) -> Answer:
    """Turn the kill switch on, cancel all orders and close all positions, robots' too.

    All accounts, unless --account names one. The kill switch stays on until `onetape send
    gateway:ACCOUNT unkill`; running robots see their position closed. With --symbol the switch is not
    changed, so running robots may open it again.
    """
    done = by_hand(shell, id_)
    done.flatten(symbol, account, dry_run=dry_run)
    return answer(done, dry_run=dry_run)


@verb("leverage", example="onetape leverage binance:BTC/USDT:USDT 5")
@click.argument("symbol")
@click.argument("times", type=click.IntRange(min=1), metavar="[N]", required=False)
@ACCOUNT
@ID
def leverage(shell: Shell, symbol: str, times: int | None, account: str, id_: str) -> Answer:
    """Set the leverage of a contract at the venue, for present and future positions; without N show the changes.

    It applies to the whole account and all its robots; `leverage` of the configuration, used for orders of
    sub-accounts, is not changed. Changes are shown from the gateway's tape: time, actor, and the
    venue's answer. Changes from before the tape was pruned are not shown.
    """
    done = by_hand(shell, id_)
    if times is None:
        found = done.leverages(symbol, account)
        since = " since its tape was pruned; earlier changes are not known" if found["pruned"] else ""
        nothing = f"the leverage of {symbol} was not set here{since}"
        shown = [{**row, "ts": moment(row["ts"])} for row in found["changes"]]
        return Answer(found, listing(shown, CHANGES, nothing=nothing))
    done.leverage(symbol, times, account)
    value = done.value
    return Answer.of_check(value, done.error, f"{value['status']}  {value['id']}  {symbol} {times}x")
