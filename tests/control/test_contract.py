"""The OpenAPI document against the server: whatever is sent, the answer is what the document says."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from long_form import LONG
from onetape.control.call import Call, Handler
from onetape.control.client import ControlClient
from onetape.control.openapi import document
from onetape.web import control_models as m
from onetape.web.control_routes import BASE, ROUTES, Route
from worlds.control_server import Plane, control_server

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
DOCUMENT = document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
EXAMPLES = 300 if LONG else 5


def least_of(schema: dict[str, Any]) -> Any:
    """Returns the least value that a schema allows."""
    if "$ref" in schema:
        return least_of(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return least_of(schema["anyOf"][0])
    match schema.get("type"):
        case "object":
            return {name: least_of(schema["properties"][name]) for name in schema.get("required", ())}
        case "array":
            return [least_of(schema["items"])]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            return "x"
    return {}


def reply_of(route: Route) -> Any:
    path = DOCUMENT["paths"][f"{BASE}{route.path}"][route.method.lower()]
    return msgspec.convert(least_of(path["responses"]["200"]["content"]["application/json"]["schema"]), route.reply)


def handler_of(route: Route) -> Handler:
    async def answer(call: Call) -> Any:
        return reply_of(route)

    return answer


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with control_server(tmp_path_factory.mktemp("home"), {route.name: handler_of(route) for route in ROUTES}) as made:
        yield made


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_the_answer_is_as_described(case: Any, plane: Plane) -> None:
    case.call_and_validate(base_url=plane.url)


def test_a_whole_number_is_an_integer_however_it_is_written(plane: Plane) -> None:
    for body, status in (
        (b'{"symbol": "B", "hedgeAmount": 1, "timeout": 3e4}', 200),
        (b'{"symbol": "B", "hedgeAmount": 1, "timeout": 30000.5}', 400),
        (b'{"symbol": "B", "hedgeAmount": 1, "timeout": "30000"}', 400),
        (b'{"symbol": 7, "hedgeAmount": ', 400),
        (b'{"timeout": 1.0, "symbol": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    ):
        url = urlsplit(plane.url)
        connection = HTTPConnection(url.hostname or "", url.port)
        connection.request("POST", f"{BASE}/hedge/execute", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.read()[:9] == b'{"code":4') == (status, status == 400), body
        connection.close()


def test_the_document_has_each_route_and_the_schema_of_each_model_and_the_client_reads_it() -> None:
    described = {
        operation["operationId"]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
        if not operation["operationId"][-1].isdigit()  # an alias
    }
    assert described == {route.name for route in ROUTES}
    methods = {route.name: getattr(ControlClient, route.name) for route in ROUTES}
    for route in ROUTES:
        operation = DOCUMENT["paths"][f"{BASE}{route.path}"][route.method.lower()]
        assert operation["summary"] == methods[route.name].__doc__
        replies = msgspec.json.schema_components(
            [methods[route.name].reply], ref_template="#/components/schemas/{name}"
        )
        assert operation["responses"]["200"]["content"]["application/json"]["schema"] == replies[0][0]
        assert replies[1].items() <= DOCUMENT["components"]["schemas"].items()
        request = methods[route.name].request
        if request is not None:
            (_,), requests = msgspec.json.schema_components([request], ref_template="#/components/schemas/{name}")
            assert requests.items() <= DOCUMENT["components"]["schemas"].items()
    assert m.ErrorReply.__name__ in DOCUMENT["components"]["schemas"]
