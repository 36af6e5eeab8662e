"""The OpenAPI document against a whole system: whatever is sent, real handlers over simulated exchanges answer as it
says, and what cannot be is refused by one of its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from control.desk_home import ACCOUNTS, CONFIG
from long_form import LONG
from onetape.control.openapi import document
from worlds.supervised import Home

not_a_server_error = pytest.importorskip("schemathesis.checks").not_a_server_error

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
SCHEMA = schemathesis.openapi.from_dict(document()).exclude(path_regex="/system/(stop|restart)$")  # nothing would run
EXAMPLES = 200 if LONG else 2


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = CONFIG.replace("port = 0", "port = 0\ncalls_per_second = 0\n[recorder]")
    with Home(tmp_path_factory.mktemp("contract"), config) as home:
        yield home.run("up")["control"]


def meant(body: Any) -> Any:
    """Returns the same of names that there are: most of what is drawn would end at these, and no schema has them."""
    if not isinstance(body, dict):
        return body
    names = {"symbol": "BTC-USD", "targetFeed": f"{ACCOUNTS[1]}:ws"}
    names |= {key: [*ACCOUNTS[: max(1, len(body.get(key) or ()) % 3)]] for key in ("accounts", "targetAccounts")}
    return {key: names.get(key, value) if value else value for key, value in body.items()}


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_real_handlers_answer_as_described(case: Any, address: str) -> None:
    if case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE:
        case.body, case.query = meant(case.body), meant(case.query)
        if "accountId" in case.path_parameters:
            case.path_parameters["accountId"] = ACCOUNTS[0]
    response = case.call(base_url=address, timeout=120)
    assert response.status_code != 500, response.text
    case.validate_response(response, excluded_checks=[not_a_server_error])  # 501 to 504 have their numbers
