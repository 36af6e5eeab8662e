"""The first version of the records."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB

revision = "0001"
down_revision = None

_KINDS: dict[str, sa.types.TypeEngine[Any]] = {
    "key": sa.String(length=64),
    "int": sa.BigInteger(),
    "text": sa.Text(),
    "double": sa.Double(),
    "blob": sa.LargeBinary().with_variant(LONGBLOB(), "mysql"),
}
# For each table the columns of its key, then the others, `name:kind`.
_TABLES = {
    "record_cursors": ("journal:key", "account:key seq:int ts:int state:blob"),
    "record_days": ("account:key strategy:key symbol:key day:int currency:key kind:key asset:key", "amount_exact:text"),
    "record_equity": (
        "account:key currency:key ts:int",
        "equity:text balance:text unrealized:text delta:text utilization:double leverage:double drawdown:double",
    ),
    "record_fills": (
        "journal:key seq:int",
        "account:key strategy:key robot:int ts:int ts_event:int order_id:int trade_id:int symbol:text side:text "
        "position_side:text price:double qty:double fee:double fee_currency:text liquidity:text price_exact:text "
        "qty_exact:text fee_exact:text",
    ),
    "record_income": (
        "journal:key seq:int part:int",
        "account:key strategy:key slot:int symbol:key ts:int ts_booked:int kind:key currency:key asset:key "
        "amount:double amount_exact:text fill:int reference:text",
    ),
    "record_lease": ("name:key", "holder:text until:int"),
    "record_orders": (
        "journal:key robot:int order_id:int",
        "account:key strategy:key venue_order_id:text bid:double ask:double ts_created:int ts_last:int symbol:text "
        "side:text type:text price:double qty:double filled:double average_price:double state:text code:int "
        "reason:text tag:text",
    ),
    "record_positions": (
        "account:key slot:int symbol:key position_side:key",
        "ts:int qty:double qty_exact:text entry_price:double realized_exact:text",
    ),
    "record_risk": (
        "account:key currency:key",
        "ts:int equity:text balance:text unrealized:text delta:text utilization:double leverage:double drawdown:double",
    ),
    "record_trips": (
        "journal:key seq:int slot:int",
        "account:key strategy:key symbol:key position_side:text side:text ts_open:int ts_close:int duration_ns:int "
        "fills:int qty:text entry_price:text exit_price:text cost:text peak:text trough:text realized:text "
        "funding:text fees:text net:text currency:key context:text",
    ),
}
_INDEXES = {"record_equity": "ts", "record_fills": "ts", "record_income": "ts", "record_trips": "ts_close"}


def upgrade() -> None:
    for table, (key, others) in _TABLES.items():
        names = [each.partition(":") for each in (*key.split(), *others.split())]
        keys = [name for name, _, _ in names[: len(key.split())]]
        op.create_table(
            table,
            *(sa.Column(name, _KINDS[kind], autoincrement=False, nullable=name not in keys) for name, _, kind in names),
            sa.PrimaryKeyConstraint(*keys),
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
        if (column := _INDEXES.get(table)) is not None:
            op.create_index(f"{table}_{column}", table, [column], unique=False)


def downgrade() -> None:
    for table in reversed(_TABLES):
        if (column := _INDEXES.get(table)) is not None:
            op.drop_index(f"{table}_{column}", table_name=table)
        op.drop_table(table)
