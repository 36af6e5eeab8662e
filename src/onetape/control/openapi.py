"""The OpenAPI description of the REST interface, from the table of its routes, and the page that shows it offline."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any, Final

import msgspec

from onetape import __version__
from onetape.web.control_routes import BASE, ROUTES, Route
from onetape.web.replies import ErrorReply

__all__ = ["DOCUMENT", "PAGE", "PAGE_POLICY", "document"]

# Statuses of refusals, and when they occur.
REFUSALS: Final = {
    "400": "The request is not well-formed, or a value is out of range.",
    "401": "No token, or one that is not valid.",
    "403": "A token without the scope, or a call from a page of another site.",
    "404": "No such account or operation.",
    "408": "The body did not arrive in time.",
    "409": "The deviation is too large, the symbol is busy, the key belongs to another request, or a gateway refused.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "423": "A critical alert, a halt or the kill switch blocks it.",
    "429": "Too many calls.",
    "500": "An error of the control plane.",
    "501": "Not available in this release.",
    "502": "A leg or a venue failed.",
    "503": "No market data, or a process does not run.",
    "504": "A process or the operation took too long.",
}
_TEMPLATE: Final = "#/components/schemas/{name}"
_SUB: Final = re.compile(r"{(\w+)}")


def document() -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document."""
    types = [kind for route in ROUTES for kind in (route.request, route.reply) if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, ErrorReply], ref_template=_TEMPLATE)
    by_type = dict(zip(map(str, [*types, ErrorReply]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        for number, path in enumerate((route.path, *route.aliases)):
            paths.setdefault(f"{BASE}{path}", {})[route.method.lower()] = _operation(
                route, path, f"{route.name}_{number}" if number else route.name, by_type, components
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": "onetape control plane", "version": __version__},
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(
    route: Route, path: str, name: str, by_type: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    scope = f"`{route.scope}`; with dryRun `read` is enough" if route.dry else f"`{route.scope}`"
    made: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "description": f"Needs a token of the scope {scope}, once there is one.",
        "tags": [path.split("/")[1]],
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 100}}
            for each in _SUB.findall(path)
        ],
        "responses": {
            "200": {"description": "Done.", "content": _content(by_type[str(route.reply)])},
            **{
                status: {"description": words, "content": _content(by_type[str(ErrorReply)])}
                for status, words in REFUSALS.items()
            },
        },
    }
    if route.method != "GET":
        key = {"type": "string", "pattern": "^[!-~]{1,128}$"}
        made["parameters"].append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    if route.method == "POST" and route.request is not None:
        schema = by_type[str(route.request)]
        needed = bool(components[route.request.__name__].get("required"))
        made["requestBody"] = {"required": needed, "content": _content(schema)}
    elif route.request is not None:
        described = components[route.request.__name__]
        made["parameters"] += [
            {"name": each, "in": "query", "required": each in described.get("required", ()), "schema": schema}
            for each, schema in described["properties"].items()
        ]
    return made


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _policy(page: bytes) -> str:
    """Lets the page run its own script and call its own server, nothing else."""

    def of(tag: bytes) -> str:
        match = re.search(b"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
        assert match is not None
        return base64.b64encode(hashlib.sha256(match[1]).digest()).decode()

    own = f"script-src 'sha256-{of(b'script')}'; style-src 'sha256-{of(b'style')}'"
    return f"default-src 'none'; connect-src 'self'; {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


DOCUMENT: Final = msgspec.json.encode(document())
PAGE: Final = files("onetape.control").joinpath("docs.html").read_bytes()
PAGE_POLICY: Final = _policy(PAGE)
