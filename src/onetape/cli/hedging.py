"""Provide what the verbs of the control plane share: its client, options, and the display of plans and results."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from onetape.cli.frame import Answer, Shell, load, moment, rows
from onetape.cli.listing import age_text, aligned
from onetape.model.errors import BY_CODE, HedgeFailed, OnetapeError, ProcessDown, UnknownSymbol
from onetape.model.near import did_you_mean
from onetape.model.time import parse_duration
from onetape.web.control_models import HedgeAlgorithm

if TYPE_CHECKING:
    from onetape.control.client import ControlClient
    from onetape.web.control_models import Reply

TOKEN = "ONETAPE_TOKEN"  # noqa: S105 - the name of a variable
ALGORITHMS = list(get_args(HedgeAlgorithm))
LEG = ("account", "symbol", "side", "amount", "limit", "fee", "spread", "impact", "funding", "checks")
HEAD = (
    "operationId",
    "status",
    "adjustmentNeeded",
    "rebalanceNeeded",
    "initialDelta",
    "finalDelta",
    "deltaDeviation",
    "netDeltaChange",
    "deltaAfter",
    "averageUtilization",
    "totalCost",
    "slippage",
    "reason",
)
HEADS = {"totalCost": "traded value"}  # clearer headings of some fields
MOVE = ("source", "target", "currency", "amount", "state", "transfers", "reason")
ORDER = ("order", "account", "symbol", "side", "amount", "price", "fees", "frames")


def _milliseconds(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    return parse_duration(text) // 10**6 if text is not None else None


def _names(_context: click.Context, _option: click.Parameter, text: str) -> list[str]:
    return [each for each in text.split(",") if each]


def _volumes(_context: click.Context, _option: click.Parameter, text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",") if each]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers") from None


def duration(name: str, field: str, help_: str, default: str | None = None) -> Callable[[Any], Any]:
    """Returns a duration option for a field in ms."""
    return click.option(name, field, default=default, callback=_milliseconds, metavar="D", help=help_)


def worked(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of execution algorithms for legs."""
    for option in (
        click.option(
            "--profile",
            default="",
            callback=_volumes,
            metavar="V,V",
            help="vwap: relative volumes of equal time slices.",
        ),
        click.option("--participation", type=float, metavar="X", help="pov: share of the market's volume."),
        click.option("--clip", type=float, help="Size of one child order, base units."),
        duration("--work-for", "work_for", "Time for the algorithm; then the rest is taken.", "0s"),
        click.option(
            "--algo",
            type=click.Choice(ALGORITHMS),
            default=ALGORITHMS[0],
            help="Execution algorithm of the legs [default: touch].",
        ),
    ):
        command = option(command)
    return command


# Named as the fields of the requests.
SYMBOL = click.option("--symbol", required=True, metavar="S", help="A symbol of [symbols], such as BTC-USD.")
NAMES: dict[str, Any] = {"default": "", "callback": _names, "metavar": "A,B", "help": "[default: all with the symbol]"}
ACCOUNTS = click.option("--accounts", **NAMES)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show the plan, its cost and its checks; send nothing.")
NO_WAIT = click.option(
    "--no-wait", "on_busy", flag_value="refuse", default="wait", help="Refuse the call while another operation runs."
)
ID = click.option("--id", "id_", default="", help="Id of the call; a repeated id has no effect.")
TOKEN_FILE = click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"File with the token, mode 0600 [default: ${TOKEN}; not needed before a first token exists].",
)


def reached(shell: Shell, token_file: Path | None) -> dict[str, Any]:
    """Returns the arguments for a client of the home's control plane. Raises ProcessDown where none runs."""
    status = load("onetape.supervisor.client", "status_of", what="the supervisor")(shell.home)
    address = status.get("control")
    if not address:
        todo = "write [control] in the configuration, and onetape up" if status["running"] else "onetape up"
        raise ProcessDown("no control plane runs", location=str(shell.home), todo=todo)
    tls, section = None, shell.running_config.control
    if address.startswith("https"):
        # One of [control] hosts, else its host.
        tls = load("onetape.web.listening", "trusts", what="TLS")(shell.config_folder / section.tls_cert)
        for unspecified, loopback in (("//0.0.0.0:", "//127.0.0.1:"), ("//[::]:", "//[::1]:")):
            address = address.replace(unspecified, loopback)
    name = section.hosts[0] if tls is not None and section.hosts else ""
    return {"base_url": address, "token": _token(token_file), "tls": tls, "tls_name": name}


def control_plane(shell: Shell, token_file: Path | None, id_: str = "") -> ControlClient:
    from onetape.control.client import ControlClient

    client = ControlClient(**as_operator(shell, reached(shell, token_file)))
    return client.keyed(id_) if id_ else client


def as_operator(shell: Shell, facts: dict[str, Any]) -> dict[str, Any]:
    """Returns the client's arguments with this home's own token, unless the user named one."""
    from onetape.model.sections import OPERATOR
    from onetape.security.tokens import make_token

    return facts if facts["token"] is not None else {**facts, "token": make_token(shell.home, OPERATOR)}


def _token(file: Path | None) -> str | None:
    from onetape.security.secrets import read_secret

    if file is None and TOKEN not in os.environ:
        return None
    return read_secret(f"file:{file.absolute()}" if file else f"env:{TOKEN}", os.environ).reveal()


def accounts_of(client: ControlClient, symbol: str) -> list[str]:
    """Returns all accounts that have an instrument of the symbol. Raises UnknownSymbol."""
    found = client.symbols().symbols
    neutral = next((each for each in found if each.symbol == symbol), None)
    if neutral is None or not neutral.instruments:
        names = [each.symbol for each in found]
        todo = did_you_mean(symbol, names) or f"there are {', '.join(names) or 'none'}"
        raise UnknownSymbol(f"no account has {symbol!r}", location="--symbol", todo=todo)
    return [each.account_id for each in neutral.instruments]


def answered(call: Callable[[], Reply], text: Callable[[dict[str, Any]], str]) -> Answer:
    """Returns the control plane's answer. A refusal includes everything that was done before it."""
    import msgspec

    from onetape.control.client import Refusal

    try:
        value = msgspec.to_builtins(call())
    except OnetapeError as error:
        if not isinstance(error.__cause__, Refusal):
            raise
        value = error.__cause__.answer
        done = operation_text(value) if {"executedOrders", "hedgeResults"} & value.keys() else ""
        return Answer({**value, **error.as_json()}, done, error.exit_code, error)
    failed = None
    if not value.get("success", True):
        blocked = (value.get("plan") or {}).get("blocked") or [{}]  # set in a dry run
        code = value.get("code") or blocked[0].get("code")
        failed = BY_CODE.get(code, HedgeFailed)(value.get("error") or value.get("reason") or "it failed")
    return Answer.of_check(value, failed, text(value))


def operation_text(value: dict[str, Any]) -> str:
    """Returns an operation's head, its plan, and the actions of each leg."""
    plan, done = value.get("plan"), value.get("hedgeResults") or value
    head = {HEADS.get(name) or _words(name): each for name, each in value.items() if name in HEAD and each is not None}
    lines = [rows(head)]
    if plan:
        lines += ["", *_plan_lines(plan)]
    orders = done.get("executedOrders") or ()
    if orders:
        lines += ["", "executed:", *aligned([ORDER, *map(_order_cells, orders)])]
    return "\n".join(lines)


def table(heads: tuple[str, ...], found: list[dict[str, Any]]) -> list[str]:
    """Returns a line for each of the answer's objects; heads: names of its fields."""
    cells = [[_cell(each.get(name), name) for name in heads] for each in found]
    return aligned([[_words(name) for name in heads], *cells])


def moves_lines(found: list[dict[str, Any]]) -> list[str]:
    """Returns a table of margin moves between accounts; "" for none."""
    return ["", "margin:", *table(MOVE, found)] if found else []


def _plan_lines(plan: dict[str, Any]) -> list[str]:
    legs = plan["legs"]
    order = "together" if plan["parallel"] else "one after the other"
    lines = [f"plan, {order}, expected cost {_cell(plan['expectedCost'])}, delta {_cell(plan['expectedDelta'])}:"]
    lines += aligned([LEG, *map(_leg_cells, legs)]) if legs else ["nothing to trade"]
    lines += [f"would be refused: {rows_inline(each)}" for each in plan["blocked"]]
    return lines + [f"not chosen: {rows_inline(each)}" for each in plan["considered"]]


def _leg_cells(leg: dict[str, Any]) -> list[str]:
    cost = leg["cost"]
    failed = [each for each in leg["checks"] if not each.get("passed", True)]
    checks = ", ".join(str(each.get("rule")) for each in failed)
    count = len(leg["checks"])
    return [
        leg["accountId"],
        leg["symbol"],
        leg["side"] + (" (reduces)" if leg["reduces"] else ""),
        *(_cell(each) for each in (leg["amount"], leg["limit"])),
        *(_cell(cost[name]) for name in ("fee", "spread", "impact", "funding")),
        f"refused by {checks}" if checks else f"{count} passed" if count else "-",
    ]


def _order_cells(order: dict[str, Any]) -> list[str]:
    names = ("orderId", "accountId", "symbol", "side", "amount", "executedPrice", "fees", "frames")
    return [rows_inline(order[name]) if name == "frames" else _cell(order[name]) for name in names]


def rows_inline(value: dict[str, Any]) -> str:
    return ", ".join(f"{_words(name)} {_cell(each, name)}" for name, each in value.items()) or "-"


SHARES = ("fundingRate", "utilization", "averageUtilization")
SPANS = ("interval", "cooldown", "patience", "workFor")  # ms


def _cell(value: object, name: str = "") -> str:
    match value:
        case int() if name == "timestamp":  # ms UTC
            return moment(value * 10**6)
        case int() if name in SPANS and not isinstance(value, bool):
            return age_text(value)
        case dict() if name == "ages":
            return ", ".join(f"{each} {age_text(ms)}" if ms is not None else f"{each} -" for each, ms in value.items())
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case float() if name in SHARES:
            return f"{100 * value + 0.0:.6g} %"
        case float():
            return f"{value + 0.0:.10g}"  # no sign before a zero
        case list():
            return ",".join(map(_cell, value)) or "-"
        case dict():
            return rows_inline(value)
    return str(value)


def _words(name: str) -> str:
    """Returns `deltaDeviation` as words."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name)
