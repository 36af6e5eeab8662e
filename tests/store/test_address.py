"""A password of a database's address is in no message, whatever characters it has."""

from __future__ import annotations

import pytest

from onetape.model.errors import BadConfig, OnetapeError, ProcessDown
from onetape.store.address import check_address, hidden
from onetape.store.database import Database
from onetape.store.records import Records

PASSWORDS = [
    "se@same-word",
    "se:same-word",
    "se/same-word",
    "se#same-word",
    "se?same-word",
    "se[same]word",
    "@",
    "12:34@x",
]
PIECES = ("same-word", "same]word", "se[", "34@x")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["postgresql", "mariadb", "mysql+pymysql", "postgresql+psycopg"])
def test_an_address_that_can_be_read_in_two_ways_is_refused_in_fixed_words(tmp_path, scheme: str, password: str):
    url = f"{scheme}://me:{password}@127.0.0.1:1/x"
    said = []
    for reach in (lambda: Database(url), lambda: Records(url, home=tmp_path)):
        try:
            reach()
        except OnetapeError as error:
            said.append(f"{error} {error.as_json()}")
            if isinstance(error, BadConfig):
                assert "more than one way" in error.what or "is called so" in error.what
    assert len(said) == 2 and not any(piece in each for each in said for piece in PIECES)


@pytest.mark.parametrize("password", ["secret-word", "short", "p%40ss-w%3Aord", ""])
def test_a_plain_address_is_reached_and_drivers_say_nothing_of_its_password(tmp_path, password: str):
    pytest.importorskip("psycopg", reason="NOT_AVAILABLE: psycopg is not installed")
    url = f"postgresql://me{':' * bool(password)}{password}@127.0.0.1:1/x"
    with pytest.raises(ProcessDown) as caught:
        Records(url.replace("postgresql", "postgresql+psycopg"), home=tmp_path)
    with pytest.raises(ProcessDown) as other:
        Database(url)
    for each in (caught.value, other.value):
        assert not password or password not in str(each)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://me:secret-word@h/x", 'could not translate "secret-word@h"'),
        ("postgresql://me:a%40bcdefgh@h/x", "failed for a@bcdefgh and a%40bcdefgh"),
        ("mariadb://me:abc@h:3306/x", "access denied abc"),
    ],
)
def test_the_words_of_a_driver_go_through_the_redactor(url: str, text: str):
    said = hidden(url, text)
    assert "***" in said and not any(each in said for each in ("secret-word", "a@bcdefgh", "a%40bcdefgh", "abc"))


@pytest.mark.parametrize(
    "url", ["postgresql://h/x", "postgresql://me@h/x", "mysql://me:w@[::1]:3306/x?a=b", "postgresql:///x"]
)
def test_usual_addresses_pass(url: str):
    check_address(url, "--db")
