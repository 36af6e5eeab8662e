"""The bytes of an entry's frame, as tapes have them, and what else is read as one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.accounts.entries import MAIN, SLOTS_MAX, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack, unpack
from onetape.accounts.ledger import Ledger
from onetape.model.errors import BadInput
from onetape.model.money import INT128_MAX

LEAST, MOST = -(2**63), 2**63 - 1
words = st.text(max_size=300)
int64s = st.integers(LEAST, MOST)
edges = st.sampled_from([2**n + d for n in (0, 5, 7, 8, 15, 16, 31, 32, 63, 64, 127) for d in (-1, 0)])
amounts = st.one_of(st.integers(), edges, edges.map(lambda n: -n), st.integers(-(10**40), 10**40))
legs = st.builds(Leg, st.sampled_from([*range(1, SLOTS_MAX), *Outside]), words, amounts, st.just("") | words)
entries = st.builds(Entry, int64s, st.sampled_from(Cause), st.lists(legs, max_size=20).map(tuple), words, int64s, words)


def by_the_format(entry: Entry) -> bytes:
    """As the first version of this wrote it."""
    record = entry._asdict()
    record["legs"] = [
        (leg.holder, leg.currency, leg.amount if LEAST <= leg.amount <= MOST else str(leg.amount), leg.wallet)
        for leg in entry.legs
    ]
    return msgspec.msgpack.encode(record)


@given(entries)
def test_a_frame_has_the_same_bytes_as_ever_and_is_the_same_entry_again(entry):
    assert pack(entry) == by_the_format(entry)
    second = unpack(pack(entry))
    assert second == entry
    assert type(second) is Entry and type(second.cause) is Cause
    assert all(type(leg) is Leg and type(leg.amount) is int for leg in second.legs)


def test_a_fills_bytes_are_those_of_older_tapes():
    legs = (Leg(2, "USD", -31 * 10**18), Leg(Outside.MARKET, "USD", 31 * 10**18))
    entry = Entry(5, Cause.FILL, legs, "t1", 300)
    assert pack(entry) == (
        b"\x86\xa4time\x05\xa5cause\xa4fill\xa4legs\x92"
        b"\x94\x02\xa3USD\xb5-31000000000000000000\xa0\x94\xff\xa3USD\xb431000000000000000000\xa0"
        b"\xa9reference\xa2t1\xa2of\xcd\x01\x2c\xa4note\xa0"
    )


RECORD = {"time": 1, "cause": "fill", "legs": [[2, "USD", 5, ""]], "reference": "r"}
ENTRY = Entry(1, Cause.FILL, (Leg(2, "USD", 5),), "r")


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        dict(reversed(RECORD.items())),
        {**RECORD, "of": 0, "note": "", "later": [1, {"x": None}]},
        {**RECORD, "legs": [["2", "USD", "5", ""]], "of": 0, "note": ""},
    ],
)
def test_a_tape_of_another_version_says_the_same_in_another_form(record):
    assert unpack(msgspec.msgpack.encode(record)) == ENTRY


def damaged() -> list[bytes]:
    whole = pack(ENTRY)
    cut = [whole[:end] for end in range(len(whole))]
    return [*cut, whole + b"\0", whole.replace(b"fill", b"fell"), whole.replace(b"USD", b"\xff\xff\xff")]


def test_a_damaged_frame_is_no_entry():
    for payload in damaged():
        with pytest.raises(BadInput, match="no entry of a ledger"):
            unpack(payload)


@pytest.mark.parametrize(
    "entry",
    [
        (1, 2),
        Entry(1, Cause.FILL, [Leg(2, "USD", 5)]),
        Entry(1, Cause.FILL, ((2, "USD", 5),)),
        Entry(1, Cause.FILL, (Leg(2, "USD", 5.0),)),
        Entry(1, Cause.FILL, (Leg("2", "USD", 5),)),
        Entry(1, Cause.FILL, (Leg(2, None, 5),)),
    ],
)
def test_what_has_another_shape_is_a_type_error(entry):
    with pytest.raises(TypeError):
        pack(entry)


def test_a_balance_beyond_128_bits_is_refused_and_nothing_has_changed():
    ledger = Ledger()

    def moved(amount: int) -> Entry:
        legs = (Leg(MAIN, "USD", amount), Leg(Outside.WORLD, "USD", -amount))
        return Entry(1, Cause.TRANSFER, legs, f"m {amount}")

    ledger.post(moved(INT128_MAX - 5))
    before = ledger.to_record()
    for amount in (6, INT128_MAX + 1, 10**60):
        with pytest.raises(BadInput, match="would not fit 128 bits"):
            ledger.checked(moved(amount))
        with pytest.raises(BadInput, match="would not fit 128 bits"):
            ledger.post(moved(amount))
        assert ledger.to_record() == before
    assert ledger.post(moved(5))
    assert ledger.total("USD") == INT128_MAX
