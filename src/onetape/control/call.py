"""One call of the REST interface, as its handler gets it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from onetape.web.control_routes import Route
from onetape.web.tokens import NOBODY, Grant

__all__ = ["Call", "Handler"]


@dataclass(slots=True)
class Call:
    """One call as its handler gets it. id: of the request, X-Request-Id. path: what its path has in {}. request: of the
    route's type, read and checked. operation: its id, "": it is none. via: the program that speaks for the token's
    owner, by its word."""

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
    code: int = 0  # of the error it was refused with, 0: none

    @property
    def caller(self) -> str:
        """Returns whose limits the call counts against."""
        return f"token {self.grant.name}" if self.grant.digest else self.address

    @property
    def actor(self) -> str:
        return f"{self.grant.name}/{self.via}" if self.via else self.grant.name


Handler = Callable[[Call], Awaitable[Any]]
