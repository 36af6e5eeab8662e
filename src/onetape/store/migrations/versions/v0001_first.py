"""The first records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "record_cursors",
        sa.Column("journal", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("state", sa.LargeBinary().with_variant(LONGBLOB(), "mysql"), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("journal"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "record_days",
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("strategy", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("symbol", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("asset", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("amount_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("account", "strategy", "symbol", "day", "currency", "kind", "asset"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "record_equity",
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("equity", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("balance", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("unrealized", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("delta", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("utilization", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("leverage", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("drawdown", sa.Double(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("account", "currency", "ts"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index("record_equity_ts", "record_equity", ["ts"], unique=False)
    op.create_table(
        "record_fills",
        sa.Column("journal", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("strategy", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("robot", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("ts_event", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("side", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("position_side", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("price", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("fee", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("fee_currency", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("liquidity", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("price_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("qty_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("fee_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("journal", "seq"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index("record_fills_ts", "record_fills", ["ts"], unique=False)
    op.create_table(
        "record_income",
        sa.Column("journal", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("strategy", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("symbol", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("ts_booked", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("kind", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("currency", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("asset", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("amount", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("amount_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("fill", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("reference", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("journal", "seq", "part"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index("record_income_ts", "record_income", ["ts"], unique=False)
    op.create_table(
        "record_lease",
        sa.Column("name", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("until", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("name"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "record_orders",
        sa.Column("journal", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("robot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("strategy", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("venue_order_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("bid", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("ask", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("ts_created", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("ts_last", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("side", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("type", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("price", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("filled", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("average_price", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("state", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("code", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("reason", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("tag", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("journal", "robot", "order_id"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "record_positions",
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("symbol", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("position_side", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("qty_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("entry_price", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("realized_exact", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("account", "slot", "symbol", "position_side"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "record_risk",
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("equity", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("balance", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("unrealized", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("delta", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("utilization", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("leverage", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("drawdown", sa.Double(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("account", "currency"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "record_trips",
        sa.Column("journal", sa.String(length=64), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("strategy", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("symbol", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("position_side", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("side", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("ts_open", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("ts_close", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("duration_ns", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("fills", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("entry_price", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("exit_price", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("cost", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("peak", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("trough", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("realized", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("funding", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("fees", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("net", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("currency", sa.String(length=64), autoincrement=False, nullable=True),
        sa.Column("context", sa.Text(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("journal", "seq", "slot"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index("record_trips_ts_close", "record_trips", ["ts_close"], unique=False)


def downgrade() -> None:
    op.drop_index("record_trips_ts_close", table_name="record_trips")
    op.drop_table("record_trips")
    op.drop_table("record_risk")
    op.drop_table("record_positions")
    op.drop_table("record_orders")
    op.drop_table("record_lease")
    op.drop_index("record_income_ts", table_name="record_income")
    op.drop_table("record_income")
    op.drop_index("record_fills_ts", table_name="record_fills")
    op.drop_table("record_fills")
    op.drop_index("record_equity_ts", table_name="record_equity")
    op.drop_table("record_equity")
    op.drop_table("record_days")
    op.drop_table("record_cursors")
