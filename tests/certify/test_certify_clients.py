"""Clients that others wrote, where their environments are there, against `onetape sim`."""

from __future__ import annotations

import pytest

from certify.run import CLIENTS, environment, play


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_that_others_wrote_plays_its_session(name):
    python = environment(name)
    if python is None:
        pytest.skip(f"no environment for {name}: `make certify` makes it")
    calls = play(name, python)
    assert len(calls) >= 10, calls
    assert [call for call in calls if not call["passed"]] == []


def test_every_session_is_in_the_table_and_every_version_is_pinned():
    from certify.run import FOLDER

    scripts = {p.name for p in (FOLDER / "sessions").glob("*.py")} - {"session.py", "ccxt_session.py"}
    assert scripts == {row["session"] for row in CLIENTS.values()}
    assert all("==" in package for row in CLIENTS.values() for package in row["packages"])
    assert all(f"=={row['version']}" in row["packages"][0] for row in CLIENTS.values())
