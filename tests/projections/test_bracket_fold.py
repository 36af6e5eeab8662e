"""The state of brackets by the frames of a gateway's journal: what a restarted gateway goes on with."""

from __future__ import annotations

from onetape.model.enums import OrderType, PositionSide, Side
from onetape.model.order import OrderSpec
from onetape.model.request_key import key_by_hand
from onetape.projections.brackets import Brackets, leg_tag, terms_of

ENTRY, LEG, OTHER = 7, 8, 9


def spec(tag: str = "", once: str = "") -> OrderSpec:
    key = key_by_hand(once) if once else None
    return OrderSpec(symbol="x:A/B", side=Side.BUY, size_int=4, type=OrderType.MARKET, tag=tag, once=key)


def begun() -> Brackets:
    made = Brackets()
    made.named[key_by_hand("c").key] = terms_of({"stop_loss": "2%", "take_profit": [["3%", 0.5]]})
    made.placed(1, ENTRY, spec(once="c"))
    made.filled(ENTRY, 100, 3)
    made.placed(1, LEG, spec(leg_tag("stop", ENTRY)))
    made.placed(2, OTHER, spec(leg_tag("stop", 5)))  # a robot's order may have such a tag
    return made


def test_an_entry_its_legs_and_their_fills_are_known_by_frames() -> None:
    made = begun()
    made.filled(LEG, 98, 1)
    made.filled(OTHER, 98, 1)
    bracket = made.by_entry[ENTRY]
    assert (bracket.legs, bracket.done, bracket.exits) == ({"stop": [LEG]}, {ENTRY: (3, 300), LEG: (1, 98)}, 1)
    assert (bracket.terms.stop, bracket.terms.takes) == ("2%", [("3%", "0.5")])
    assert bracket.position_side is PositionSide.BOTH and made.named == {}


def test_a_checkpoint_continues_the_same_state() -> None:
    made, whole = begun(), begun()
    after = Brackets()
    after.restore(*made.to_record())
    for each in (after, whole):
        each.filled(LEG, 98, 2)
        each.decided({"entry": ENTRY, "abandoned": ["take 1"], "closed": 1, "over": False})
    assert after.by_entry == whole.by_entry and after.by_order.keys() == whole.by_order.keys() == {ENTRY, LEG}


def test_a_bracket_that_is_over_is_forgotten_with_its_orders() -> None:
    made = begun()
    made.decided({"entry": ENTRY, "abandoned": [], "closed": 0, "over": True})
    assert not made.by_entry and not made.by_order
