"""Every key of the configuration has a reader, or is refused: none is accepted and ignored."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import onetape
from onetape.model.config import NAMED, SINGLE, parse_config
from onetape.model.sections import RouteConfig, VariantConfig, WithdrawConfig

CONFIGURED = re.compile(r"model\.(config|sections) import|PortfolioConfig")
SOURCE = Path(onetape.__file__).parent
NESTED = {"withdraw": WithdrawConfig, "variants": VariantConfig, "routes": RouteConfig}  # sections within sections


@cache
def reads() -> tuple[set[str], set[tuple[str, str]]]:
    """Names that are read of something where the configuration is known, and pairs of them:
    `config.notify.urls` is ("notify", "urls"), and so is `.urls` where NotifyConfig is known."""
    names, pairs = set(), set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        if (path.name in ("config.py", "sections.py") and path.parent.name == "model") or not CONFIGURED.search(text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
                for section, kind in SINGLE.items():
                    if kind.__name__ in text or kind.__base__.__name__ in text:  # [notify] is a route itself
                        pairs.add((section, node.attr))
                if isinstance(node.value, ast.Attribute):
                    pairs.add((node.value.attr, node.attr))
    return names, pairs


KEYS = [
    *((section, key) for section, kind in NAMED.items() for key in kind.__struct_fields__),
    *((section, key) for section, kind in NESTED.items() for key in kind.__struct_fields__),
]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_each_key_of_a_named_section_is_read(section: str, key: str):
    names, _ = reads()
    assert key in names


@pytest.mark.parametrize("section", SINGLE)
def test_a_section_is_read_whole(section: str):
    _, pairs = reads()
    read = {key for key in SINGLE[section].__struct_fields__ if (section, key) in pairs}
    assert read == set(SINGLE[section].__struct_fields__)


def test_a_key_that_nobody_reads_would_be_found():
    names, pairs = reads()
    assert "frobnicate" not in names
    assert ("cluster", "frobnicate") not in pairs and ("notify", "urls") in pairs


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[venues.v]\nkind="kraken"\nws="ws://127.0.0.1:1"\n', "venues.v.ws"),
        ('[venues.v]\nkind="kraken"\nrest_wallet="http://127.0.0.1:1"\n', "venues.v.rest_wallet"),
        ('[venues.v]\nkind="kraken"\n[accounts.a]\nvenue="v"\npassword="env:P"\n', "accounts.a.password"),
        ('[venues.v]\nkind="kraken"\n[accounts.a]\nvenue="v"\napi_config_key="env:K"\n', "accounts.a.api_config_key"),
        ('[venues.v]\nkind="kraken"\n[collectors.c]\nkind="nats"\nvenue="v"\n', "collectors.c.venue"),
    ],
)
def test_a_key_that_would_be_ignored_beside_others_is_refused(text: str, path: str):
    with pytest.raises(onetape.model.errors.BadConfig, match=path):
        parse_config(text)
