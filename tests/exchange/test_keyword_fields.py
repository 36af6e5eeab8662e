"""A word that an enumeration of the core does not have is refused by the name of its field."""

from __future__ import annotations

import pytest

from onetape import _core

SPEC = _core.InstrumentSpec()


@pytest.mark.parametrize("field", ["kind", "side", "type", "tif", "trigger_by", "trigger_kind", "position_side"])
def test_an_unknown_word_of_a_request_names_its_field(field):
    with pytest.raises(ValueError, match=f"^{field}: nonsense is none of "):
        _core.check_order(SPEC, 0, **{field: "nonsense"})


def test_an_unknown_word_of_an_instrument_names_its_field():
    with pytest.raises(ValueError, match=r"^kind: nonsense is none of spot,linear,inverse$"):
        _core.InstrumentSpec(kind="nonsense")
    with pytest.raises(ValueError, match=r"^amend: nonsense is none of "):
        _core.InstrumentTerms(amend="nonsense")


def test_an_unknown_field_is_named_with_its_type():
    with pytest.raises(TypeError, match=r"^request has no field nonsense$"):
        _core.check_order(SPEC, 0, nonsense=1)
