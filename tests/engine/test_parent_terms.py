"""What any parent order may say: the bounds of each option, on both sides."""

from __future__ import annotations

import pytest

from onetape.engine.parent_terms import MINUTES_MAX, terms_of

NOW, MINUTE = 10**18, 60 * 10**9


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"deadline": NOW - 1}, "not in the future"),
        ({"deadline": NOW}, "not in the future"),
        ({"deadline": NOW + 1}, ""),
        ({"deadline": NOW + MINUTES_MAX * MINUTE}, "minutes ahead"),
        ({"deadline": NOW + MINUTES_MAX * MINUTE - 1}, ""),
        ({"deadline": "1m"}, ""),
        ({"minutes": 0}, "above 0"),
        ({"minutes": 0.001}, ""),
        ({"minutes": MINUTES_MAX}, "below"),
        ({"minutes": 1, "deadline": NOW + 1}, "not both"),
        ({"limit": 0}, "above 0"),
        ({"limit": "0.1"}, ""),
        ({"clip": 0}, "above 0"),
        ({"clip": "0.1"}, ""),
        ({"participation": 0}, "above 0"),
        ({"participation": "0.001"}, ""),
        ({"participation": 1}, ""),
        ({"participation": "1.001"}, "at most 1"),
    ],
)
def test_an_option_is_taken_up_to_its_bounds(options, refused):
    if refused:
        with pytest.raises(ValueError, match=refused):
            terms_of(dict(options), NOW)
        return
    left = dict(options)
    terms = terms_of(left, NOW)
    assert left == {}, "every option is taken"
    if "deadline" in options:
        assert terms.deadline == (NOW + MINUTE if options["deadline"] == "1m" else options["deadline"])
    if "minutes" in options:
        assert terms.deadline == NOW + round(options["minutes"] * MINUTE)
    if "participation" in options:
        assert terms.participation == float(options["participation"])
