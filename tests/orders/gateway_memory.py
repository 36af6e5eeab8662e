"""A gateway's journal in virtual time: what it writes, and a manager made of that again.

What is kept of each record is what the tape keeps of it (`services/gateway_journal.py`)."""

from __future__ import annotations

from msgspec import structs

from onetape.model.enums import RequestKind
from onetape.model.order import OrderSpec
from onetape.orders.books import OPENING
from onetape.orders.managed import AccountOut, FillOut, HealthOut, IntentOut, NewsOut, Out
from onetape.orders.manager import OrderManager
from onetape.orders.reconcile import AGREED
from onetape.orders.recover import Recovery


class Memory:
    def __init__(self) -> None:
        self.records: list[tuple[str, tuple]] = []

    def write(self, out: Out, now: int) -> None:
        match out:
            case IntentOut():
                o = out.order
                spec: OrderSpec = structs.replace(o.spec, price_int=out.price, size_int=out.size)
                if out.kind is RequestKind.PLACE:
                    spec = o.spec
                words = (o.client_id, o.robot, o.order_id, out.kind, spec, o.created)
                self.records.append(("intent", words))
            case NewsOut() if not out.order.is_foreign:
                o = out.order
                words = (o.client_id, out.news, o.life.size, o.price, o.venue_id)
                self.records.append(("news", words))
            case FillOut():
                name = out.order.client_id if out.order and not out.order.is_foreign else "foreign"
                self.records.append(("fill", (out.fill._replace(client_id=name),)))
            case AccountOut() if out.source == OPENING:
                if out.side is None:
                    self.records.append(
                        ("opening", (out.name, out.amount, out.time, out.reference))
                    )
                else:
                    self.records.append(("held", (out.name, out.side, out.amount)))
            case HealthOut() if out.kind == "reconciled":
                self.records.append(("reconciled", (now, out.state == AGREED)))

    def recover(self, manager: OrderManager, now: int) -> Recovery:
        """As a gateway begins a life."""
        recovery = Recovery(manager)
        if self.records:
            recovery.began(
                min(r[1][5] for r in self.records if r[0] == "intent")
                if any(r[0] == "intent" for r in self.records)
                else now
            )
        for what, words in self.records:
            if what == "reconciled":
                recovery.reconciled(words[0], agreed=words[1])
            else:
                getattr(recovery, what)(*words)
        recovery.finish(now)
        manager.outs.clear()
        return recovery
