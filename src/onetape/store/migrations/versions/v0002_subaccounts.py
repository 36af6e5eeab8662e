"""Adds equity and risk of sub-accounts, with coins and capital, and the positions with which the books begin."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBERS = ("utilization", "leverage", "drawdown")
_OLD = ("equity", "balance", "unrealized", "delta", *_NUMBERS)
_NEW = ("subaccount", "strategy", "equity", "balance", "coins", "capital", "unrealized", "delta", *_NUMBERS)
_WITHOUT: dict[str, sa.ColumnElement[Any]] = {
    "slot": sa.literal(0),
    "subaccount": sa.literal(""),
    "strategy": sa.literal(""),
    "coins": sa.literal("0"),
    "capital": sa.null(),
}
_CAPITAL = ("opening", "transfer", "allocation")


def upgrade() -> None:
    op.create_table(
        "record_openings",
        sa.Column("journal", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("symbol", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("position_side", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("price_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("journal", "seq"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    _remake(("account", "slot", "currency"), _NEW, _WITHOUT)
    own = {(row[0], row[1]) for row in op.get_bind().execute(sa.text("SELECT account, currency FROM record_risk"))}
    _change_states(lambda journal, state: _with_worth(journal, state, own))


def downgrade() -> None:
    _remake(("account", "currency"), _OLD, {})
    op.drop_table("record_openings")
    _change_states(_without_worth)


def _remake(key: tuple[str, ...], columns: tuple[str, ...], new: dict[str, sa.ColumnElement[Any]]) -> None:
    """Recreates both tables of figures with other columns and their rows. new: values of new columns."""
    for table, keys in (("record_equity", (*key, "ts")), ("record_risk", key)):
        names = [*dict.fromkeys((*key, "ts", *columns))]
        there = sa.inspect(op.get_bind()).get_table_names()
        made = f"{table}_new"
        if table not in there:  # a killed migration came up to here
            op.rename_table(made, table)
            continue
        if made in there:
            op.drop_table(made)
        op.create_table(
            made,
            *(sa.Column(name, _kind(name), autoincrement=False, nullable=name not in keys) for name in names),
            sa.PrimaryKeyConstraint(*keys, name=f"{table}_{len(key)}"),
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
        taken = sa.select(*(new.get(name, sa.column(name)) for name in names)).select_from(sa.table(table))
        if not new:  # an older release has no sub-accounts
            taken = taken.where(sa.column("slot") == 0)
        op.execute(sa.table(made, *map(sa.column, names)).insert().from_select(names, taken))
        op.drop_table(table)
        op.rename_table(made, table)
    op.create_index("record_equity_ts", "record_equity", ["ts"], unique=False)


def _kind(name: str) -> sa.types.TypeEngine[Any]:
    if name in ("account", "currency", "subaccount"):
        return sa.String(length=64)
    if name in ("slot", "ts"):
        return sa.BigInteger()
    return sa.Double() if name in _NUMBERS else sa.Text()


def _change_states(change: Callable[[sa.Row[Any], dict[str, Any]], None]) -> None:
    connection = op.get_bind()
    cursors = sa.table("record_cursors", sa.column("journal"), sa.column("account"), sa.column("state", sa.LargeBinary))
    for row in connection.execute(sa.select(cursors)).all():
        state = json.loads(row.state)
        change(row, state)
        connection.execute(
            cursors.update().where(cursors.c.journal == row.journal).values(state=json.dumps(state).encode())
        )


def _with_worth(cursor: sa.Row[Any], state: dict[str, Any], own: set[tuple[str, str]]) -> None:
    """Computes holdings and capital from the rows of income. own: the currencies that have a row; movements of
    others have no price from then, and become capital at the next one."""
    income = sa.table("record_income", *map(sa.column, ("journal", "slot", "kind", "asset", "amount_exact")))
    parts: list[dict[tuple[int, str], int]] = [defaultdict(int) for _ in range(3)]
    held, capital, unpriced = parts
    for row in op.get_bind().execute(sa.select(income).where(income.c.journal == cursor.journal)):
        whole, _, rest = row.amount_exact.partition(".")
        amount = int(whole + rest.ljust(18, "0"))
        for slot in (0, row.slot) if row.slot > 0 else (0,):
            held[slot, row.asset] += amount
            if row.kind in _CAPITAL:
                (capital if (cursor.account, row.asset) in own else unpriced)[slot, row.asset] += amount
    best = {(0, name): peak - capital[0, name] for name, peak in state.pop("peaks").items()}
    del state["totals"]
    names = ("held", "capital", "unpriced", "best")
    state["worth"] = {
        name: [[*k, n] for k, n in part.items()] for name, part in zip(names, (*parts, best), strict=True)
    }
    state["worth"]["quotes"] = state.pop("quotes")
    state["slots"] = {}


def _without_worth(_: sa.Row[Any], state: dict[str, Any]) -> None:
    worth = state.pop("worth")
    capital = {name: amount for slot, name, amount in worth["capital"] if slot == 0}
    state["totals"] = {name: amount for slot, name, amount in worth["held"] if slot == 0}
    state["peaks"] = {name: best + capital.get(name, 0) for slot, name, best in worth["best"] if slot == 0}
    state["quotes"] = worth["quotes"]
    del state["slots"]
