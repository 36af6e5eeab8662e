"""A venue's requests as rows: purpose, path, and costs."""

from __future__ import annotations

from typing import NamedTuple

from onetape.orders.calls import Purpose

__all__ = ["Endpoint"]


class Endpoint(NamedTuple):
    """A signed request. weight: of the address's budget; orders: of the account's."""

    purpose: Purpose
    method: str
    path: str
    weight: int
    orders: int = 0
