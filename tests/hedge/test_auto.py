"""Automatic mode decides at each look, and each decision and non-decision has its reason."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leg_views import view

from onetape.hedge.auto import Auto, AutoSettings, Decision, Ended, Look, UtilizationBand
from onetape.hedge.carry import Carry, choose
from onetape.hedge.margin import Route
from onetape.hedge.model import LegView
from onetape.hedge.plan import Terms
from onetape.model.time import DAY, SECOND

LOT = Decimal("0.001")
SETTINGS = AutoSettings(symbol="BTC-USD", accounts=("aster-a", "binance-b"), band=Decimal("0.05"))


def at(seconds: float, *views: LegView, **fields: Any) -> Look:
    """A look at accounts whose figures are of that moment."""
    now = int(seconds * SECOND) or 1
    fresh = [replace(each, market_at=now, account_at=now) for each in views]
    return Look(now, fresh, **fields)


def pair(a: str, b: str, **fields: Any) -> tuple[LegView, LegView]:
    return view("aster-a", a, "0.2", **fields), view("binance-b", b, "0.2", **fields)


def auto(**changes: Any) -> Auto:
    return Auto(msgspec.structs.replace(SETTINGS, **changes), 0)


def words(decision: Decision) -> tuple[str, str]:
    return decision.action, decision.code


def test_beyond_the_band_it_acts_and_at_its_edge_it_does_not():
    made = auto()
    assert words(made.look(at(1, *pair("0.1", "-0.05")))) == ("hold", "within_band")
    found = made.look(at(2, *pair("0.1", "-0.049")))
    assert words(found) == ("control", "delta_off") and sum(found.trades.values()) == Decimal("-0.051")
    assert found.cost > 0 and "0.051" in found.reason


def test_an_account_that_is_reduced_and_opened_trades_the_sum():
    found = auto(target=Decimal("-0.1"), accounts=("aster-a",)).look(at(1, view("aster-a", "0.1")))
    assert found.trades == {"aster-a": Decimal("-0.2")}


def test_a_correction_goes_on_until_well_within_the_band():
    made = auto(cooldown=0)
    assert made.look(at(1, *pair("0.1", "0"))).code == "delta_off"
    made.ended(Ended(2 * SECOND))
    assert made.look(at(3, *pair("0.04", "0"))).code == "delta_off", "it was begun"
    made.ended(Ended(4 * SECOND))
    assert made.look(at(5, *pair("0.02", "0"))).code == "within_band"
    assert made.look(at(6, *pair("0.04", "0"))).code == "within_band", "it begins beyond the band only"


def test_one_operation_at_a_time_and_a_cool_down_after_it():
    made = auto()
    assert made.look(at(1, *pair("0.1", "0"))).acts
    assert made.look(at(2, *pair("0.1", "0"))).code == "busy"
    made.ended(Ended(3 * SECOND))
    waits = made.look(at(32, *pair("0.1", "0")))
    assert waits.code == "cooldown" and "1 s" in waits.reason and "0.1" in waits.reason
    assert made.look(at(33, *pair("0.1", "0"))).code == "delta_off"
    assert auto().look(at(1, *pair("0.1", "0"), busy="delta-ctrl-1")).code == "busy"


@pytest.mark.parametrize(("before", "after"), [(30, 1), (1, 30)])
def test_the_cool_down_is_that_of_the_settings_of_now(before, after):
    made = auto(cooldown=before * SECOND)
    assert made.look(at(1, *pair("0.1", "0"))).acts
    made.ended(Ended(2 * SECOND))
    made.change(msgspec.structs.replace(SETTINGS, cooldown=after * SECOND), 2 * SECOND)
    assert made.look(at(1.9 + after, *pair("0.1", "0"))).code == "cooldown"
    assert made.look(at(2 + after, *pair("0.1", "0"))).code == "delta_off"


def test_the_same_decision_is_counted_and_not_repeated():
    made = auto()
    for second in range(1, 5000):
        made.look(at(second, *pair("0.01", "0")))
    assert [(each.code, each.count) for each in made.records] == [("started", 1), ("within_band", 4999)]
    assert made.records[-1].at == SECOND and made.records[-1].until == 4999 * SECOND


def test_decisions_to_hold_that_take_turns_are_counted_each_with_itself():
    """A market that flickers for days leaves two records, not two a look; what is done ends the count."""
    made = auto(cooldown=0)
    for second in range(1, 1001):
        seen = at(second, *pair("0.01", "0"))
        silent = [replace(each, refusal="its price is 3 s old") for each in seen.views]
        found = made.look(seen if second % 2 else Look(seen.now, silent))
        assert found.until == seen.now and found is made.records[-1]
    assert [(each.code, each.count) for each in made.records] == [("started", 1), ("within_band", 500), ("waits", 500)]
    assert made.look(at(1061, *pair("0.01", "0"))).count == 1, "it was another one for more than a minute"
    assert made.look(at(1062, *pair("0.1", "0"))).acts
    made.ended(Ended(1063 * SECOND))
    assert made.look(at(1064, *pair("0.01", "0"))).count == 1


def test_a_venue_s_silence_is_waited_for_and_ends_it_after_the_patience():
    made = auto()
    silent = [replace(each, refusal="its price is 9 s old") for each in at(100, *pair("0.1", "0")).views]
    waits = made.look(Look(100 * SECOND, silent))
    assert words(waits) == ("hold", "waits") and "aster-a" in waits.reason and "price" in waits.reason
    assert made.look(at(120, *pair("0.01", "0"))).code == "within_band"
    assert made.look(Look(130 * SECOND, silent)).action == "hold"
    found = made.look(Look(190 * SECOND, silent))
    assert words(found) == ("stop", "unhealthy") and not made.enabled
    assert made.look(at(200, *pair("0.1", "0"))).code == "off", "it does not begin again by itself"


def test_an_account_that_is_refused_or_missing_counts_as_unhealthy():
    refused = replace(view("aster-a", "0"), refusal="no connection")
    assert "no connection" in auto().look(at(1, refused, view("binance-b", "0"))).reason
    assert "nothing is known" in auto().look(at(1, view("aster-a", "0"))).reason


def test_the_cost_of_a_day_is_bounded_and_the_next_day_begins_at_nothing():
    made = auto(max_cost=Decimal(10), cooldown=0)
    assert made.look(at(1, *pair("0.1", "0"))).acts
    made.ended(Ended(2 * SECOND, Decimal(9)))
    found = made.look(at(3, *pair("0.1", "0")))
    assert words(found) == ("stop", "cost_cap") and "9.00 spent today" in found.reason
    later = auto(max_cost=Decimal(10), cooldown=0)
    later.look(at(1, *pair("0.1", "0")))
    later.ended(Ended(2 * SECOND, Decimal(9)))
    assert later.look(at(DAY / SECOND + 1, *pair("0.1", "0"))).acts
    assert (later.spent, later.total) == (0, 9)


def used(a: str, b: str, long: str = "0.12", short: str = "-0.12") -> tuple[LegView, LegView]:
    return view("aster-a", long, a), view("binance-b", short, b)


def keeping(**changes: Any) -> Auto:
    return auto(utilization=UtilizationBand(Decimal("0.6")), cooldown=0, **changes)


def test_utilisations_are_kept_with_a_band_that_is_left_later_than_entered():
    made = keeping()
    assert made.look(at(1, *used("0.69", "0.7"))).code == "within_band", "== is within"
    found = made.look(at(2, *used("0.71", "0.7")))
    assert words(found) == ("trade", "utilization_off") and found.cost > 0 and "71.0%" in found.reason
    assert found.trades["aster-a"] == -found.trades["binance-b"] < 0, "both sides are reduced alike"
    made.ended(Ended(3 * SECOND))
    assert made.look(at(4, *used("0.66", "0.65"))).code == "utilization_off", "it was begun"
    made.ended(Ended(5 * SECOND))
    assert made.look(at(6, *used("0.64", "0.65"))).code == "within_band"
    assert made.look(at(7, *used("0.66", "0.65"))).code == "within_band", "it begins beyond the band only"


@pytest.mark.parametrize(
    ("settings", "out", "within", "back"),
    [
        ({"cooldown": 0}, pair("0.1", "0"), pair("0.04", "0"), pair("0.02", "0")),
        (
            {"cooldown": 0, "utilization": UtilizationBand(Decimal("0.6"))},
            used("0.71", "0.7"),
            used("0.66", "0.65"),
            used("0.64", "0.65"),
        ),
    ],
)
def test_what_was_begun_beyond_a_band_goes_on_until_well_within_in_the_next_life_too(settings, out, within, back):
    first, later = auto(**settings), auto(**settings)
    begun = first.look(at(1, *out))
    later.replay(msgspec.convert(msgspec.to_builtins(begun), Decision))
    later.ended(Ended(2 * SECOND))
    assert later.look(at(3, *within)).code == begun.code != "within_band"
    later.ended(Ended(4 * SECOND))
    is_over = later.look(at(5, *back))
    last = auto(**settings)
    last.replay(is_over)
    assert last.look(at(6, *within)).code == is_over.code == "within_band"


def test_the_net_delta_is_repaired_before_utilisations_and_they_before_carry():
    made = keeping(carry=Carry())
    assert made.look(at(1, *used("0.9", "0.9", long="0.22"))).code == "delta_off"
    made.ended(Ended(2 * SECOND))
    assert made.look(at(3, *used("0.9", "0.9"))).code == "utilization_off"


def test_one_account_trades_no_more_than_its_cap_at_a_time():
    made = keeping()
    made.change(msgspec.structs.replace(made.settings, utilization=UtilizationBand(Decimal("0.6"), amount_max=LOT)), 0)
    assert made.look(at(1, *used("0.9", "0.9"))).trades == {"aster-a": -LOT, "binance-b": LOT}


def test_what_only_reduces_passes_an_alert_and_what_grows_does_not():
    made = keeping()
    assert made.look(at(1, *used("0.3", "0.3"), alerts=["ladders"])).code == "alert"
    assert made.look(at(2, *used("0.9", "0.9"), alerts=["ladders"])).code == "utilization_off"


def test_nothing_is_opened_to_use_margin_and_no_legs_meet_at_a_venue():
    made = keeping()
    flat = made.look(at(1, *used("0", "0", "0", "0")))
    assert words(flat) == ("hold", "no_counterpart") and "0.0%" in flat.reason
    same = view("aster-a", "0.12", "0.9"), view("aster-b", "-0.12", "0.9")
    made = keeping(accounts=("aster-a", "aster-b"))
    found = made.look(at(2, *same))
    assert words(found) == ("hold", "no_counterpart") and "would trade with each other" in found.reason


@pytest.mark.parametrize(
    "facts", [{"target": "1.1"}, {"target": "0.5", "band": "0"}, {"target": "0.5", "amount_max": "-1"}]
)
def test_a_band_of_utilisation_that_cannot_be_is_refused(facts):
    with pytest.raises(ValueError, match="utilisation"):
        UtilizationBand(**{name: Decimal(each) for name, each in facts.items()})


def test_it_stops_when_an_account_is_short_of_margin():
    views = (view("aster-a", "0", "1"), view("binance-b", "0", "1"))
    found = auto(target=Decimal(1)).look(at(1, *views))
    assert words(found) == ("stop", "margin_short") and "margin" in found.reason


def test_operations_that_fail_in_a_row_end_it():
    made = auto(cooldown=0)
    for number, error in enumerate(["1003", "", "1003", "1003"], 1):
        made.look(at(number, *pair("0.1", "0")))
        assert made.ended(Ended(number * SECOND, error=error)) is None
    made.look(at(8, *pair("0.1", "0")))
    found = made.ended(Ended(9 * SECOND, error="1003 HEDGE_FAILED"))
    assert found is not None and words(found) == ("stop", "failing") and "1003 HEDGE_FAILED" in found.reason


def test_a_critical_alert_blocks_what_adds_risk_and_passes_what_takes_it_off():
    off = at(1, *pair("0.1", "0"), alerts=("drawdown",))
    assert auto().look(off).code == "delta_off"
    assert auto(target=Decimal("0.5")).look(off).code == "alert"


def test_an_alert_blocks_a_pair_that_is_turned_round():
    made = auto(carry=CARRY)
    turn = rates(pair("0.1", "-0.1"), "0.002", "0")
    assert made.look(at(1, *turn, alerts=("drawdown",))).code == "alert"
    assert made.look(at(2, *turn)).code == "carry"


def test_a_size_of_carry_and_a_utilisation_would_undo_each_other():
    with pytest.raises(ValueError, match="each trade for one undoes the other"):
        keeping(carry=CARRY)
    assert keeping(carry=Carry())


def test_a_leg_near_liquidation_comes_before_the_delta():
    views = [view("aster-a", "1", "0.2", equity="4000"), view("binance-b", "-0.8", "0.2", equity="40000")]
    found = auto().look(at(1, *views))
    assert words(found) == ("trade", "liquidation_near") and sum(found.trades.values()) == 0
    route = Route("binance-b", "aster-a", "USDT", 60 * SECOND)
    sent = auto().look(at(1, *views, routes=[route]))
    assert sent.action == "transfer" and sent.transfers[0]["from"] == "binance-b"


# --- carry ------------------------------------------------------------------------------------------------------------

CARRY = Carry(size=Decimal("0.1"))


def rates(views: Sequence[LegView], *each: str) -> list[LegView]:
    return [replace(leg, funding_rate=Decimal(rate)) for leg, rate in zip(views, each, strict=True)]


def chosen(views: Sequence[LegView], carry: Carry = CARRY) -> Any:
    fresh = at(1, *views).views
    return choose(fresh, carry, Decimal(0), Terms(now=SECOND, slippage=Decimal("0.005")))


def test_the_pair_is_long_where_longs_pay_least():
    found = chosen(rates(pair("0", "0"), "-0.0001", "0.0005"))
    assert dict(found.trades) == {"aster-a": Decimal("0.1"), "binance-b": Decimal("-0.1")}
    assert found.would_earn == Decimal("9")  # 0.06 % of 5,000, three times a day


def test_a_flip_has_to_earn_its_cost_several_times():
    held = pair("0.1", "-0.1")
    stays = chosen(rates(held, "0.0001", "0"))
    assert not stays.trades and "do not earn" in stays.reason
    flips = chosen(rates(held, "0.002", "0"))
    assert dict(flips.trades) == {"aster-a": Decimal("-0.2"), "binance-b": Decimal("0.2")}
    assert flips.earns == -30 and flips.would_earn == 30 and 10 < flips.cost < 11
    assert "earned in" in flips.reason


def test_equal_rates_earn_nothing_and_nothing_is_traded():
    found = chosen(rates(pair("0.1", "-0.1"), "0.0005", "0.0005"))
    assert not found.trades and "no pair earns more" in found.reason


def test_a_rate_that_is_not_known_is_not_guessed():
    views = rates(pair("0", "0"), "0.01", "0")
    found = chosen([views[0], replace(views[1], funding_rate=None)])
    assert not found.trades and "binance-b is not known" in found.reason


def test_automatic_mode_follows_the_carry_within_the_band():
    made = auto(carry=CARRY, cooldown=0)
    views = rates(pair("0.1", "-0.1"), "0.002", "0")
    found = made.look(at(1, *views))
    assert words(found) == ("trade", "carry") and sum(found.trades.values()) == 0
    assert made.look(at(2, *views)).code == "busy"
    made.ended(Ended(3 * SECOND, Decimal(11)))
    turned = rates(pair("-0.1", "0.1"), "0.002", "0")
    held = made.look(at(4, *turned))
    assert held.code == "within_band" and "30.00 a day" in held.reason
    off = rates(pair("-0.1", "0.2"), "0.002", "0")
    assert made.look(at(5, *off)).code == "delta_off", "the delta comes first"


steps = st.lists(
    st.tuples(
        st.sampled_from(["look", "look", "end", "fail"]),
        st.integers(-30, 30),
        st.integers(0, 60),
        st.booleans(),
        st.integers(0, 4),
    ),
    max_size=60,
)


@given(steps=steps)
@pytest.mark.filterwarnings("error")
def test_whatever_happens_costs_are_bounded_and_equal_histories_decide_equally(steps):
    cap = Decimal(8)

    def run() -> list[Decision]:
        made, now, spent = auto(max_cost=cap, cooldown=5 * SECOND), 0, Decimal(0)
        for kind, off, wait, has_alert, cost in steps:
            now += 1 + wait
            if kind == "look":
                was_working = made.working
                found = made.look(at(now, *pair(str(Decimal(off) / 100), "0"), alerts=["x"] if has_alert else []))
                assert not (found.acts and was_working), "one at a time"
                assert found.acts <= made.enabled
                if found.acts:
                    assert spent + found.cost <= cap and abs(off) > 2
            elif made.working is not None:
                spent += cost
                made.ended(Ended(now * SECOND, Decimal(cost), "no" if kind == "fail" else ""))
        assert made.spent == spent
        return list(made.records)

    first = run()
    assert first == run()
    for before, after in itertools.pairwise(first):
        assert (before.action, before.code) != (after.action, after.code) or after.acts
