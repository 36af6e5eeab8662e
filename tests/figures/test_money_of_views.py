"""What has come to an account and left it by no trade, beside the figures that have it or not."""

from __future__ import annotations

import time
from decimal import Decimal

from control.test_order_fees import SPOT
from control.test_risk import CONFIG, LINEAR, Gateway
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.figures.views import Views
from onetape.hedge.moves import Books
from onetape.model.config import parse_config
from onetape.model.money import money_units


def came(gateway: Gateway, amount: str, reference: str, cause: Cause = Cause.TRANSFER) -> None:
    now, units, currency = time.time_ns(), money_units(amount), gateway.instrument.settle
    entry = Entry(now, cause, (Leg(MAIN, currency, units), Leg(Outside.TRANSIT, currency, -units)), reference)
    gateway.tape.append("entry", pack(entry), time=now)


def test_an_entry_is_had_by_figures_of_its_frame_on_also_after_a_restart(tmp_path):
    gateway = Gateway(tmp_path, "main", LINEAR)
    gateway.quote("49999.9", "50000.1")
    gateway.stand("100")
    views = Views(parse_config(CONFIG), tmp_path)

    def had() -> tuple[Decimal, list[bool], int]:
        view = views.any_leg("main")
        books = Books(view.as_of, views.booked("main"))
        return view.equity, [books.have(Cause.TRANSFER, each) for each in ("a/in", "b/in")], len(books.booked)

    views.refresh()
    assert had() == (100, [False, False], 0)
    came(gateway, "5", "a/in")
    gateway.stand("105")
    came(gateway, "7", "b/in")
    came(gateway, "-1", "t", Cause.FEE)
    assert had() == (100, [False, False], 2)  # figures are of before both
    views.refresh()
    assert had() == (105, [True, False], 2)
    views.close()
    views = Views(parse_config(CONFIG), tmp_path)
    views.refresh()
    assert had() == (105, [True, False], 2)
    gateway.stand("111")
    views.refresh()
    assert had() == (111, [True, True], 2)
    gateway.close()
    views.close()


def test_spot_balances_have_a_frame_too(tmp_path):
    gateway = Gateway(tmp_path, "main", SPOT)
    views = Views(parse_config('[venues.x]\nkind = "kraken"\n[accounts.main]\nvenue = "x"\n'), tmp_path)
    gateway.quote("49999.9", "50000.1")
    for units, sequence in ((100, 3), (105, 9)):
        units *= 10**18
        gateway.table.put(SPOT.quote, [units, units], [0, 0], ts=1, sequence=sequence)
        gateway.table.alive(time.time_ns())
        views.refresh()
        view = views.any_leg("main")
        assert (view.equity * 10**18, view.as_of) == (units, sequence)
    gateway.close()
    views.close()
