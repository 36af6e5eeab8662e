"""With which key the guardian reaches an account."""

from __future__ import annotations

import pytest

from onetape.gateway.options import GatewayOptions
from onetape.guardian.options import guarded_account
from onetape.preflight.configured import clean_environ
from onetape.store.config import parse_config

CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
"""
OWN = """
[guardian.accounts.main]
key = "env:GUARDIAN_KEY"
secret = "env:GUARDIAN_SECRET"
"""
SECRETS = {"GUARDIAN_KEY": "own key", "GUARDIAN_SECRET": "own secret"}


@pytest.mark.parametrize(("more", "key"), [("", "gateway's"), (OWN, "own key")])
def test_it_is_its_own_where_there_is_one_else_the_gateways(tmp_path, monkeypatch, more, key):
    config = parse_config(CONFIG + more)
    made = GatewayOptions(
        kind="binance-usdm", account="main", rest="http://x", ws="", key="gateway's", secret="its", home="", symbols=[]
    )
    assert guarded_account(made, config, SECRETS, tmp_path).key == key
    monkeypatch.setenv("GUARDIAN_SECRET", "own secret")
    assert ("GUARDIAN_SECRET" in clean_environ(config)) == (not more)  # other processes do not see it
