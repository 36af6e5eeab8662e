"""What records say of an account's money, summed up anew."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal

import sqlalchemy as sa

from onetape.store.record_queries import ledger
from onetape.store.records import Records, metadata

__all__ = ["moved", "opened"]

PARTS = ("realized", "traded", "funding", "transfers", "interest", "corrections")


def moved(records: Records, by: str, accounts: Container[str] | None = None) -> dict[str, Decimal]:
    """Returns by what each asset's balance has moved, as the ledger's rows say. accounts: only of these."""
    sums: dict[str, Decimal] = {}
    for row in ledger(records, by=by, accounts=accounts):
        sums[row["currency"]] = sum((Decimal(row[part]) for part in PARTS), sums.get(row["currency"], Decimal(0)))
        for asset, fee in row["fees"].items():
            sums[asset] = sums.get(asset, Decimal(0)) - Decimal(fee)
    return sums


def opened(records: Records, account: str = "") -> dict[str, Decimal]:
    """Returns what the books began with. account: of this one, "": of all."""
    income = metadata.tables["record_income"].c
    wanted = sa.select(income.asset, income.amount_exact).where(income.kind == "opening")
    sums: dict[str, Decimal] = {}
    for row in records.rows(wanted.where(income.account == account) if account else wanted):
        sums[row["asset"]] = sums.get(row["asset"], Decimal(0)) + Decimal(row["amount_exact"])
    return sums
