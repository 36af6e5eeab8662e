"""For spot: separates the movements of purchases and sales from the profit realized by sales, by average cost."""

import base64
import json
from collections import defaultdict, deque
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from alembic import op

from onetape.accounts.holding import Holding, Terms
from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, money_text, money_units
from onetape.model.time import DAY

revision = "0004"
down_revision = "0003"

_DAY_KEY = ("account", "strategy", "symbol", "day", "currency", "kind", "asset")
_INCOME = (
    *("journal", "seq", "part", "account", "strategy", "slot", "symbol", "ts", "ts_booked", "kind", "currency"),
    *("asset", "amount", "amount_exact", "fill", "reference"),
)
_income = sa.table("record_income", *map(sa.column, _INCOME))
_days = sa.table("record_days", *map(sa.column, (*_DAY_KEY, "amount_exact")))
_fills = sa.table("record_fills", *map(sa.column, ("journal", "seq", "symbol", "side", "price_exact", "qty_exact")))
_openings = sa.table("record_openings", *map(sa.column, ("journal", "seq", "symbol")))
_cursors = sa.table("record_cursors", sa.column("journal"), sa.column("state", sa.LargeBinary))


def upgrade() -> None:
    connection = op.get_bind()
    made: list[dict[str, Any]] = []
    every: set[str] = set()  # one symbol may be at several accounts
    for journal, state in connection.execute(sa.select(_cursors)).all():
        packed = json.loads(state)["instruments"].items()
        found = {symbol: Terms(Instrument.from_msgpack(base64.b64decode(each))) for symbol, each in packed}
        coins = {symbol: terms for symbol, terms in found.items() if terms.instrument.kind is Kind.SPOT}
        rows = _made(journal, coins)
        is_flow = sa.and_(_income.c.kind == "realized", _income.c.symbol.in_(list(coins)), _income.c.journal == journal)
        connection.execute(_income.update().where(is_flow).values(kind="traded"))
        if rows:
            connection.execute(_income.insert(), rows)
        made += rows
        every |= coins.keys()
    is_flow = sa.and_(_days.c.kind == "realized", _days.c.symbol.in_(sorted(every)))
    connection.execute(_days.update().where(is_flow).values(kind="traded"))
    _add_days(made)


def downgrade() -> None:
    connection = op.get_bind()
    traded = connection.execute(sa.select(_days).where(_days.c.kind == "traded")).mappings().all()
    connection.execute(_days.delete().where(_days.c.kind == "traded"))
    _add_days([{**row, "kind": "realized"} for row in traded])
    coins = sorted({row["symbol"] for row in traded})
    first = sa.select(_income.c.journal, _income.c.seq, sa.func.max(_income.c.part).label("part"))
    is_made = sa.and_(_income.c.symbol.in_(coins), _income.c.kind == "realized")
    made = connection.execute(first.where(is_made).group_by(_income.c.journal, _income.c.seq)).all()
    for journal, seq, part in made:
        last = sa.and_(_income.c.journal == journal, _income.c.seq == seq, _income.c.part >= part - 1)
        connection.execute(_income.delete().where(last))
    connection.execute(_income.update().where(_income.c.kind == "traded").values(kind="realized"))


def _made(journal: str, coins: dict[str, Terms]) -> list[dict[str, Any]]:
    """Returns rows of realized profit of sales, and of the correspondingly smaller traded amounts, as the projection
    makes them."""
    connection = op.get_bind()
    is_begin = sa.and_(_openings.c.journal == journal, _openings.c.symbol == "")
    begins = deque(connection.execute(sa.select(_openings.c.seq).where(is_begin).order_by(_openings.c.seq)).scalars())
    is_its = sa.and_(_fills.c.journal == _income.c.journal, _fills.c.seq == _income.c.fill)
    is_wanted = sa.and_(_fills.c.journal == journal, _fills.c.symbol.in_(list(coins)))
    fill_of = (_fills.c.symbol.label("of_symbol"), _fills.c.side, _fills.c.price_exact, _fills.c.qty_exact)
    both = sa.select(_income, *fill_of).join_from(_fills, _income, is_its).where(is_wanted)
    ordered = connection.execute(both.order_by(_fills.c.seq, _income.c.part)).mappings()
    held: dict[tuple[int, str], Holding] = {}
    rows: list[dict[str, Any]] = []
    for seq, group in groupby(ordered, key=itemgetter("fill")):
        legs = list(group)
        while begins and begins[0] <= seq:  # another exchange: holdings at the former one are gone
            begins.popleft()
            held.clear()
        fill = next((leg for leg in legs if leg["kind"] == "realized" and leg["slot"] > 0), None)
        if fill is None:
            continue
        own = {name: fill[name] for name in _INCOME}
        terms, slot = coins[fill["of_symbol"]], own["slot"]
        price = int(Decimal(fill["price_exact"]).scaleb(terms.instrument.price_decimals))
        size = int(Decimal(fill["qty_exact"]).scaleb(terms.instrument.size_decimals)) * Side(fill["side"]).sign
        profit = held.setdefault((slot, fill["of_symbol"]), Holding(terms)).fill(size, terms.value(price, size))
        for part, (kind, amount) in enumerate((("traded", -profit), ("realized", profit)), legs[-1]["part"] + 1):
            if profit:
                asset = {"currency": terms.settle, "asset": terms.settle}
                figures = {"amount": amount / 10**MONEY_DECIMALS, "amount_exact": money_text(amount)}
                rows.append({**own, **asset, **figures, "part": part, "kind": kind})
    return rows


def _add_days(rows: list[dict[str, Any]]) -> None:
    """Adds amounts to the sums of their days."""
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in rows:
        of_day = {**row, "day": row["day"] if "day" in row else row["ts"] // DAY}
        sums[tuple(of_day[name] for name in _DAY_KEY)] += money_units(Decimal(row["amount_exact"]))
    connection = op.get_bind()
    for key, amount in sums.items():
        values = dict(zip(_DAY_KEY, key, strict=True))
        is_it = sa.and_(*(_days.c[name] == value for name, value in values.items()))
        before = connection.execute(sa.select(_days.c.amount_exact).where(is_it)).scalar()
        connection.execute(_days.delete().where(is_it))
        total = money_text(amount + money_units(Decimal(before or 0)))
        connection.execute(_days.insert(), {**values, "amount_exact": total})
