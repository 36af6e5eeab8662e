"""What was lost in a sliding time: exact, to the cent and to the nanosecond, against a slow model."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from onetape.model.errors import UsageError
from onetape.model.loss_limit import parse_loss_limit
from onetape.model.money import money_units
from onetape.model.time import DAY, HOUR
from onetape.orders.halts import Scope
from onetape.risk.income_windows import Income, IncomeWindows, Kind

NOW = 1_795_000_000 * 10**9 // DAY * DAY + 10 * HOUR
BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"


def income(amount, *, time=NOW, symbol=BTC, account="main", strategy="main", asset="USDT", kind=Kind.REALIZED):
    return Income(time, account, symbol, strategy, kind, asset, money_units(amount))


def windows(*limits: tuple[Scope, str], now=NOW, **options) -> IncomeWindows:
    made = IncomeWindows([(scope, parse_loss_limit(text)) for scope, text in limits], "USDT", **options)
    made.advance(now)
    return made


def reached(made: IncomeWindows) -> set[tuple[str, str]]:
    return {(each.subject.scope, each.subject.name) for each in made.breaches()}


@pytest.mark.parametrize(
    ("scope", "limit", "amounts", "is_reached"),
    [
        (Scope.SYMBOL, "4h 150 USDT", ("-150.00",), True),
        (Scope.SYMBOL, "4h 150 USDT", ("-149.99",), False),
        (Scope.SYMBOL, "4h 150 USDT", ("-149.999999999999999999",), False),
        (Scope.SYMBOL, "4h 150 USDT", ("-200", "50.01"), False),
        (Scope.SYMBOL, "4h 150 USDT", ("-200", "50"), True),
        (Scope.SYMBOL, "24h 1800 USDT", ("-1800",), True),
        (Scope.SYMBOL, "24h 1800 USDT", ("-1799.99",), False),
        (Scope.SYSTEM, "24h 3000 USDT", ("-3000",), True),
        (Scope.SYSTEM, "24h 3000 USDT", ("-2999.99",), False),
        (Scope.ACCOUNT, "1h 100 USDT", ("-100.00",), True),
        (Scope.ACCOUNT, "1h 100 USDT", ("-99.99",), False),
        (Scope.STRATEGY, "1h 100 USDT", ("-100.00",), True),
        (Scope.SYSTEM, "day 500 USDT", ("-500",), True),
        (Scope.SYSTEM, "day 500 USDT", ("-499.99",), False),
        (Scope.SYSTEM, "1h 0.3 USDT", ("-0.1", "-0.1", "-0.1"), True),  # exact, unlike floats
    ],
)
def test_a_limit_is_reached_at_its_cent_and_not_before(scope, limit, amounts, is_reached):
    made = windows((scope, limit))
    for amount in amounts:
        made.income(income(amount))
    assert bool(made.breaches()) is is_reached


def test_realised_fees_and_funding_count_together():
    made = windows((Scope.SYMBOL, "4h 150 USDT"))
    for amount, kind in (("-100", Kind.REALIZED), ("-30", Kind.FEE), ("-20", Kind.FUNDING)):
        assert not made.breaches()
        made.income(income(amount, kind=kind))
    assert [money_units(-150)] == [each.total for each in made.breaches()]


def test_each_subject_has_its_own_window():
    made = windows((Scope.SYMBOL, "1h 10 USDT"), (Scope.ACCOUNT, "1h 15 USDT"), (Scope.SYSTEM, "1h 100 USDT"))
    made.income(income(-10))
    made.income(income(-5, symbol=ETH))
    made.income(income(-14, symbol=ETH, account="other"))
    # A symbol is one over all accounts.
    assert reached(made) == {("symbol", BTC), ("symbol", ETH), ("account", "main")}


def test_sub_accounts_of_two_accounts_are_two():
    made = windows((Scope.STRATEGY, "1h 10 USDT"))
    made.income(income(-6, strategy="a"))
    made.income(income(-6, strategy="a", account="other"))
    assert not made.breaches()
    made.income(income(-4, strategy="a", account="other"))
    assert [each.subject.account for each in made.breaches()] == ["other"]


def test_a_window_slides_to_the_nanosecond():
    made = windows((Scope.SYMBOL, "4h 150 USDT"))
    made.income(income(-100, time=NOW - HOUR))
    made.income(income(-50, time=NOW))
    (breach,) = made.breaches()
    assert breach.until == made.next_change() == NOW + 3 * HOUR
    made.advance(NOW + 3 * HOUR - 1)
    assert made.breaches()
    made.advance(NOW + 3 * HOUR)
    assert not made.breaches()


def test_a_profit_that_leaves_brings_a_loss_back():
    made = windows((Scope.SYMBOL, "4h 150 USDT"))
    made.income(income(60, time=NOW - HOUR))
    made.income(income(-160, time=NOW))
    assert not made.breaches()
    assert made.next_change() == NOW + 3 * HOUR
    made.advance(made.next_change())
    (breach,) = made.breaches()
    assert breach.until == NOW + 4 * HOUR


def test_a_day_ends_at_midnight_utc_and_begins_with_it():
    midnight = NOW // DAY * DAY
    made = windows((Scope.SYSTEM, "day 500 USDT"))
    made.income(income(-300, time=midnight - 1))
    made.income(income(-499, time=midnight))
    assert not made.breaches()
    made.income(income(-1, time=NOW))
    (breach,) = made.breaches()
    assert breach.until == 0  # until it is lifted
    assert made.next_change() == midnight + DAY
    made.advance(midnight + DAY + HOUR)
    assert not made.breaches()


def test_what_is_heard_of_a_day_in_the_first_hour_of_the_next_one_counts_to_it():
    """A guardian that begins anew at midnight would miss it, and its halt stays until it is lifted."""
    midnight = NOW // DAY * DAY
    for seconds, is_reached in ((0, True), (3599, True), (3600, False)):
        now = midnight + seconds * 10**9
        made = windows((Scope.SYSTEM, "day 500 USDT"), now=now)
        made.income(income(-400, time=midnight - DAY))
        made.income(income(-600, time=midnight - DAY - 1))  # of the day before that
        made.income(income(900, time=midnight))  # of this one
        assert not made.breaches()
        made.income(income(-100, time=midnight - 1))
        assert [each.total for each in made.breaches()] == [money_units(-500)] * is_reached
        assert made.next_change() == (midnight + HOUR if is_reached else midnight + DAY)
        made.advance(midnight + HOUR)
        assert not made.breaches()


def test_a_day_that_was_lifted_after_its_end_counts_no_more():
    midnight = NOW // DAY * DAY
    made = windows((Scope.SYSTEM, "day 500 USDT"), now=midnight - HOUR)
    made.income(income(-500, time=midnight - HOUR))
    made.advance(midnight + 1)
    (breach,) = made.breaches()
    made.lift(breach.id, midnight + 1)
    made.income(income(-600, time=midnight - 1))
    assert not made.breaches()


def test_what_was_lifted_by_hand_counts_no_more():
    made = windows((Scope.SYSTEM, "day 500 USDT"))
    made.income(income(-600))
    (breach,) = made.breaches()
    made.lift(breach.id, NOW)
    assert not made.breaches()
    made.income(income(-1, time=NOW))  # heard late: of before
    made.advance(NOW + HOUR)
    made.income(income("-499.99", time=NOW + HOUR))
    assert not made.breaches()
    made.income(income("-0.01", time=NOW + HOUR))
    assert made.breaches()


def test_a_lift_that_is_read_before_its_incomes_counts():
    first = windows((Scope.SYSTEM, "day 500 USDT"))
    first.income(income(-600))
    made = windows((Scope.SYSTEM, "day 500 USDT"))
    made.lift(first.breaches()[0].id, NOW)
    made.income(income(-600))
    assert not made.breaches()


def test_another_asset_is_worth_what_it_was_when_it_came():
    made = windows((Scope.SYSTEM, "1h 30 USDT"))
    made.price("BNB", Fraction(600))
    made.income(income("-0.02", asset="BNB", kind=Kind.FEE))
    made.price("BNB", Fraction(900))
    assert not made.breaches()
    made.income(income("-0.02", asset="BNB", kind=Kind.FEE))
    assert [each.total for each in made.breaches()] == [money_units(-30)]
    assert made.uncounted == {}


def test_what_has_no_price_waits_and_is_said():
    made = windows((Scope.SYSTEM, "1h 12 USDT"))
    made.income(income("-0.02", asset="BNB", kind=Kind.FEE))
    assert not made.breaches()
    assert made.uncounted == {"BNB": money_units("-0.02")}
    made.price("BNB", Fraction(600))
    assert made.breaches()
    assert made.uncounted == {}


@pytest.mark.parametrize(("counts", "is_reached"), [(True, True), (False, False)])
def test_open_losses_count_where_wanted_and_open_profits_never(counts, is_reached):
    made = windows((Scope.SYMBOL, "4h 150 USDT"), counts_unrealized=counts)
    made.unrealized("main", "", BTC, money_units(-150))
    assert bool(made.breaches()) is is_reached
    made.unrealized("main", "", BTC, money_units(1000))
    made.income(income(-150))
    assert made.breaches()


@pytest.mark.parametrize(
    ("scope", "limit", "strategy", "realized", "open_", "is_reached"),
    [
        (Scope.SYMBOL, "4h 150 USDT", "", "-100", "-50.00", True),
        (Scope.SYMBOL, "4h 150 USDT", "", "-100", "-49.99", False),
        (Scope.SYMBOL, "24h 1800 USDT", "", "0", "-1800", True),
        (Scope.SYMBOL, "24h 1800 USDT", "", "0", "-1799.99", False),
        (Scope.SYSTEM, "24h 3000 USDT", "", "-1", "-2999.00", True),
        (Scope.SYSTEM, "24h 3000 USDT", "", "-1", "-2998.99", False),
        (Scope.STRATEGY, "1h 100 USDT", "a", "-40", "-60.00", True),
        (Scope.STRATEGY, "1h 100 USDT", "a", "-40", "-59.99", False),
        (Scope.STRATEGY, "1h 100 USDT", "b", "-40", "-60.00", False),  # another's
        (Scope.STRATEGY, "1h 100 USDT", "", "-40", "-1000", False),  # the account's is nobody's
        (Scope.ACCOUNT, "1h 100 USDT", "a", "-40", "-1000", False),  # and counts no second time there
    ],
)
def test_open_losses_count_for_whom_they_are(scope, limit, strategy, realized, open_, is_reached):
    made = windows((scope, limit), counts_unrealized=True)
    made.income(income(realized, strategy="a"))
    made.unrealized("main", strategy, BTC, money_units(open_))
    assert bool(made.breaches()) is is_reached


@pytest.mark.parametrize("text", ["", "4h", "150 USDT", "4h 0 USDT", "4h -5 USDT", "0s 5 USDT", "60d 5 USDT", "4h x"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(UsageError, match="4h 150 USDT"):
        parse_loss_limit(text)


@pytest.mark.parametrize("seed", range(20))
def test_sums_are_those_of_a_slow_model(seed):
    """Incomes in any order of their times, late and ahead; asked at any moment."""
    rng = random.Random(seed)
    limits = [(Scope.SYMBOL, "4h 150 USDT"), (Scope.SYSTEM, "24h 300 USDT"), (Scope.SYSTEM, "day 200 USDT")]
    made, now, rows = windows(*limits), NOW, []
    for _ in range(300):
        now += rng.choice((0, 1, HOUR // 4, 2 * HOUR))
        made.advance(now)
        for _ in range(rng.randrange(3)):
            time = now + rng.choice((0, 0, -1, -HOUR, -5 * HOUR, 10, HOUR))
            each = income(f"{rng.randrange(-9000, 6000) / 100}", time=time, symbol=rng.choice((BTC, ETH)))
            rows.append(each)
            made.income(each)
        found = {(each.subject.scope, each.subject.name, each.limit.text): each for each in made.breaches()}
        for scope, text in limits:
            limit = parse_loss_limit(text)
            for name in (BTC, ETH) if scope is Scope.SYMBOL else ("",):
                breach = found.pop((scope, name, limit.text), None)
                total = plain_lost(rows, limit, name, now)
                assert (breach is not None) == (total <= -limit.most)
                assert breach is None or breach.total == total
                if breach is not None and breach.until:
                    # Unless what lies ahead comes first.
                    past = [each for each in rows if each.time <= now]
                    assert plain_sum(past, limit, name, breach.until) > -limit.most
                    assert plain_sum(past, limit, name, breach.until - 1) <= -limit.most
        assert not found


def plain_sum(rows, limit, symbol: str, now: int) -> int:
    start = now - limit.window if limit.window else now // DAY * DAY - 1
    return sum(r.amount for r in rows if start < r.time <= now and symbol in ("", r.symbol))


def plain_lost(rows, limit, symbol: str, now: int) -> int:
    """Of a day also that of the day before, in its first hour, where it lost more."""
    total = plain_sum(rows, limit, symbol, now)
    if limit.window or now % DAY >= HOUR:
        return total
    return min(total, plain_sum(rows, limit, symbol, now // DAY * DAY - 1))
