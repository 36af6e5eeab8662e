"""Joint margin of the simulated exchange against its plainest statement."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.exchange.joint import Collateral, JointFunds, Rates
from reference.joint_margin import Asset, JointMargin


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**22), 10**22),  # equity
            st.integers(0, 10**21),  # initial
            st.integers(1, 10**23),  # index
            st.integers(0, 50),  # haircut, percent
        ),
        min_size=1,
        max_size=4,
    )
)
def test_joint_margin_is_that_of_the_exchange(rows: list[tuple[int, int, int, int]]) -> None:
    class Own:
        def equity(self, at: int) -> int:
            return rows[at][0]

        def initial_margin(self, at: int) -> int:
            return rows[at][1]

        def maintenance_margin(self, at: int) -> int:
            return rows[at][1] // 3

    cuts = [Decimal(row[3]) / 100 for row in rows]
    rates = [Rates.of(row[2], Collateral(cut, cut, Decimal(0))) for row, cut in zip(rows, cuts, strict=True)]
    theirs = JointFunds(Own(), [], len(rows), lambda at: rates[at])
    ours = JointMargin({str(at): Asset(row[0], row[1], row[1] // 3, row[2], cuts[at]) for at, row in enumerate(rows)})
    assert ours.equity == theirs.equity_usd()
    assert ours.maintenance == theirs.maintenance_usd()
    assert ours.free == theirs.free_usd()
    for at in range(len(rows)):
        assert ours.available(str(at)) == theirs.available(at)
    assert ours.is_short == theirs.below_maintenance(0)
