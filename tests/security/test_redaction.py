"""Secrets are taken out of what others say, in each form in which they travel."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.security.redaction import Redactor

HMAC = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
KRAKEN = base64.b64encode(bytes(range(64))).decode()
PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)


@pytest.mark.parametrize("secret", [HMAC, KRAKEN, PEM.strip(), PEM.splitlines()[1]])
@pytest.mark.parametrize(
    "form",
    [
        lambda s: s,
        lambda s: s.encode().hex(),
        lambda s: s.encode().hex().upper(),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
        lambda s: quote(s),
        lambda s: quote(s, safe=""),
        lambda s: json.dumps(s)[1:-1],
    ],
)
def test_each_form_is_hidden(secret, form):
    hide = Redactor("short", secret)
    reported = hide.text(f'{{"msg":"no such key {form(secret)}, sorry"}}')
    assert reported.startswith('{"msg":"no such key ***') and reported.endswith(', sorry"}')
    assert form(secret) not in reported


def test_what_a_base64_secret_stands_for_is_hidden():
    hide = Redactor(KRAKEN)
    assert hide.hidden(b"<" + bytes(range(64)) + b">") == b"<***>"
    assert hide.hidden(bytes(range(64)).hex().encode()) == b"***"


def test_the_body_of_a_pem_is_hidden_without_its_frame():
    body = PEM.splitlines()[1]
    assert Redactor(PEM).text(f"key {body} is odd") == "key *** is odd"


def test_a_signature_is_hidden_where_it_is_said_to_be_one():
    hide = Redactor()
    assert hide.hidden(b"?a=1&signature=abcdef0123", "abcdef0123") == b"?a=1&signature=***"


def test_what_is_too_short_hides_nothing():
    assert Redactor("", "a", "1234567").text("1234567 a") == "1234567 a"


def test_it_shows_nothing_of_itself():
    assert HMAC not in repr(Redactor(HMAC)) + str(Redactor(HMAC))


@given(st.binary(max_size=300))
def test_other_text_is_left_as_it_is(data):
    assert Redactor(HMAC, KRAKEN, PEM).hidden(data) == data
