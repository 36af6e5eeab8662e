"""Adds orders, fills and volume by the hour."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain

import sqlalchemy as sa
from alembic import op

from onetape.model.instrument import Instrument

revision = "0003"
down_revision = "0002"

_KEYS = ("account", "strategy", "symbol", "hour", "kind", "asset")
_HOUR = 3600 * 10**9
_ONE = 10**18
_AT_ONCE = 5000  # rows


def upgrade() -> None:
    columns = [
        sa.Column(
            name, sa.BigInteger() if name == "hour" else sa.String(length=64), autoincrement=False, nullable=False
        )
        for name in _KEYS
    ]
    table = op.create_table(
        "record_activity",
        *columns,
        sa.Column("amount_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint(*_KEYS),
        if_not_exists=True,
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    sums: dict[tuple[str | int, ...], int] = defaultdict(int)
    for key, amount in chain(_of_orders(), _of_fills()):
        sums[key] += amount
    op.execute(table.delete())  # left by a killed migration
    rows = [{**dict(zip(_KEYS, key, strict=True)), "amount_exact": _text(amount)} for key, amount in sums.items()]
    if rows:
        op.bulk_insert(table, rows)


def downgrade() -> None:
    op.drop_table("record_activity")


def _of_orders() -> Iterator[tuple[tuple[str | int, ...], int]]:
    orders = sa.table("record_orders", *map(sa.column, ("account", "strategy", "symbol", "ts_created", "state")))
    hour = sa.column("ts_created", sa.BigInteger) - sa.column("ts_created", sa.BigInteger) % _HOUR
    is_filled = sa.case((sa.column("filled") > 0, 1), else_=0)
    parts = [*map(sa.column, ("account", "strategy", "symbol")), hour, sa.column("state"), is_filled]
    wanted = sa.select(*parts, sa.func.count()).select_from(orders).group_by(*parts)
    for *whose, since, state, filled, count in op.get_bind().execute(wanted.execution_options(yield_per=_AT_ONCE)):
        kinds = ["made"] + ["denied"] * (state == "DENIED") + ["filled"] * filled + ["canceled"] * (state == "CANCELED")
        for kind in kinds:
            yield (*whose, since // _HOUR, kind, ""), count * _ONE


def _of_fills() -> Iterator[tuple[tuple[str | int, ...], int]]:
    names = ("journal", "account", "strategy", "symbol", "ts", "trade_id", "price_exact", "qty_exact")
    fills = sa.table("record_fills", *map(sa.column, names))
    cursors = sa.table("record_cursors", sa.column("journal"), sa.column("state", sa.LargeBinary))
    instruments = {}
    for journal, state in op.get_bind().execute(sa.select(cursors)):
        for symbol, packed in json.loads(state)["instruments"].items():
            instruments[journal, symbol] = Instrument.from_msgpack(base64.b64decode(packed))
    wanted = sa.select(fills).execution_options(yield_per=_AT_ONCE)
    for journal, account, strategy, symbol, ts, trade_id, price, qty in op.get_bind().execute(wanted):
        instrument = instruments[journal, symbol]
        yield (account, strategy, symbol, ts // _HOUR, "fills", ""), _ONE
        if trade_id >= 0:  # negative ids, as SQL holds 64 bits, are trades unknown to the venue
            size = int(Decimal(qty).scaleb(instrument.size_decimals))
            value = instrument.notional_units(int(Decimal(price).scaleb(instrument.price_decimals)), size)
            yield (account, strategy, symbol, ts // _HOUR, "volume", instrument.settle), value


def _text(amount: int) -> str:
    whole, rest = divmod(amount, _ONE)
    return f"{whole}.{rest:018d}".rstrip("0") if rest else str(whole)
