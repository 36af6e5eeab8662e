"""The conformance cases against the simulated Binance and Aster: in virtual time, and behind a socket."""

from __future__ import annotations

import json

import pytest

from certify.conformance import CASES
from certify.desks import FAMILIES, binance_desk, http_desk
from exchange.venue_client import Virtual, served
from long_form import LONG, long_form

IDS = [case.id for case in CASES]


def virtual_desk(kind: str, seed: int):
    venue = Virtual(kind, seed)
    account = venue.dialect.exchange.accounts[0]

    def send(method, target, body, headers):
        status, value, reported = venue.request(method, target, body, dict(headers))
        return status, reported, json.dumps(value).encode()

    return binance_desk(
        lambda call: send(call.method, call.target, call.body, call.headers),
        lambda target: json.loads(send("GET", target, b"", {})[2]),
        account.key,
        account.secret,
        now=venue.now,
        wait=venue.wait,
        prefix="virtual",
        family=FAMILIES[kind],
    )


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("seed", [7, *long_form(8)])
def test_a_case_holds_in_virtual_time(case, kind, seed):
    note = case.run(virtual_desk(kind, seed))
    assert not note.startswith("not seen"), note


@pytest.mark.parametrize("kind", FAMILIES)
def test_all_cases_hold_one_after_the_other_on_one_account_behind_a_socket(kind):
    with served(kind, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        desk = http_desk(f"http://127.0.0.1:{port}", account.key, account.secret, kind)
        for case in CASES if LONG else CASES[::3]:
            if not case.simulated_only:
                case.run(desk)
                assert (desk.open_ids(), desk.position()) == (set(), 0), case.id


def test_who_asks_too_much_is_told_so_behind_a_socket():
    with served("binance-usdm") as (dialect, port):
        account = dialect.exchange.accounts[0]
        desk = http_desk(f"http://127.0.0.1:{port}", account.key, account.secret)
        (case,) = (case for case in CASES if case.simulated_only)
        case.run(desk)


def test_cases_are_numbered_and_at_most_one_asks_for_a_ban():
    assert [f"C-{n:02d}" for n in range(1, len(CASES) + 1)] == IDS
    assert [case.name for case in CASES if case.simulated_only] == ["too many requests wait"]
