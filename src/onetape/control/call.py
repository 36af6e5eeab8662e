"""One call of the REST interface, as passed to its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from onetape.web.control_routes import Route
from onetape.web.tokens import NOBODY, Grant

__all__ = ["Call", "Handler"]


@dataclass(slots=True)
class Call:
    """One call as passed to its handler. id: of the request, X-Request-Id. path: values of its path's {} parts.
    request: of the route's type, parsed and checked. operation: its id, "": none. via: the name of a program
    that acts for the token's owner, as it names itself."""

    id: str
    address: str
    method: str
    target: str
    route: Route | None = None
    grant: Grant = NOBODY
    path: dict[str, str] = field(default_factory=dict)
    request: Any = None
    operation: str = ""
    via: str = ""
    status: int = 0
    code: int = 0  # error number of the refusal, 0: none

    @property
    def caller(self) -> str:
        """Returns the key of the rate limits that the call counts against."""
        return f"token {self.grant.name}" if self.grant.digest else self.address

    @property
    def actor(self) -> str:
        return f"{self.grant.name}/{self.via}" if self.via else self.grant.name


Handler = Callable[[Call], Awaitable[Any]]
