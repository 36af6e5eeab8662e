"""Binance's family over HTTP: parameters in query and form, weights, and refusals as answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onetape.exchange.binance.limits import Limits
from onetape.exchange.binance.wire import Refused
from onetape.exchange.dialect import Reply, Request, fields

__all__ = ["Params", "Rest"]

Params = dict[str, str]


class Rest:
    """Serves requests over HTTP. route: answers a request, and adds to the headers; raises Refused."""

    def __init__(self, limits: Limits, route: Callable[[Request, Params, int, dict[str, str]], Any]) -> None:
        self.limits, self._route = limits, route

    def http(self, request: Request, now: int) -> Reply:
        headers: dict[str, str] = {}
        try:
            params = _params(request)
            weight = self.limits.terms.weight_of(request.method, request.path, params)
            headers = self.limits.spend(request.peer, weight, now)
            value = self._route(request, params, now, headers)
        except Refused as refused:
            if refused.status in (418, 429):
                wait = refused.wait or self.limits.retry_after(request.peer, now)
                headers["Retry-After"] = str(wait)
            more = {} if refused.data is None else {"data": refused.data}
            return Reply.json({"code": refused.code, "msg": refused.text, **more}, refused.status, headers)
        except (ValueError, TypeError):
            return Reply.json({"code": -1130, "msg": "Data sent is not valid."}, 400)
        return Reply.json(value, 200, headers)


def _params(request: Request) -> Params:
    """Returns the parameters of query and form; the query's takes precedence."""
    if not request.body:
        return fields(request.query)
    body = request.body.decode("utf-8", "replace")
    if body.startswith("{"):
        return fields(request.query)
    return {**fields(body), **fields(request.query)}
