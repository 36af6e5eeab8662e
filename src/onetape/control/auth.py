"""Who calls, from where, and whether it may: Host and Origin against pages of others (DNS rebinding, requests forged
in a browser), a token once there is one, its scope."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from typing import Final

from onetape.control.routes import Scope
from onetape.control.tokens import ANONYMOUS, PAGES, Grant, TokenStore
from onetape.model.errors import PermissionDenied
from onetape.model.sections import ControlConfig, DashboardConfig
from onetape.venues.hosts import is_loopback

__all__ = ["Entrance", "Unauthenticated", "check_scope"]

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
BEARER: Final = "bearer "
_PORT: Final = re.compile(r":\d{1,5}$")


class Unauthenticated(PermissionDenied):
    """Says that a call has no token, an invalid one, or one that has expired."""


class Entrance:
    """Lets calls in. section: where it listens, and by which names it is called; name: the section's."""

    def __init__(self, section: ControlConfig | DashboardConfig, tokens: TokenStore, name: str = "control") -> None:
        self._tokens, self._name = tokens, name
        self._is_local = is_loopback(section.host)
        own = [section.host, *section.hosts, *(LOOPBACK if self._is_local else ())]
        self._hosts = {_named(each.lower()) for each in own}
        self._scheme = "https" if section.tls_cert else "http"

    def check_source(self, headers: Mapping[str, str]) -> None:
        """Raises PermissionDenied for a call by another name than ours, or from another's page."""
        host = headers.get("Host", "")
        if _PORT.sub("", host.lower()) not in self._hosts:
            raise PermissionDenied(
                f"not called {host[:80]!r} here", location="Host", todo=f"its names are [{self._name}] host and hosts"
            )
        origin = headers.get("Origin")
        if origin is not None and origin.lower() != f"{self._scheme}://{host.lower()}":
            raise PermissionDenied(
                f"pages of {origin[:80]!r} may not ask", location="Origin", todo="call from a program, or from /docs"
            )

    def who(self, headers: Mapping[str, str]) -> Grant:
        """Returns what the caller shows. Raises Unauthenticated."""
        said = headers.get("Authorization")
        if said is not None and self._tokens.is_of_pages(said[len(BEARER) :].strip()):
            return PAGES
        if self._tokens.grants() is None and self._is_local:
            return ANONYMOUS  # no token is required; one that this home did not make proves nothing
        if said is None:
            raise Unauthenticated("no token", location="Authorization", todo='send "Authorization: Bearer TOKEN"')
        if not said.lower().startswith(BEARER):
            raise Unauthenticated(
                "no bearer token", location="Authorization", todo='send "Authorization: Bearer TOKEN"'
            )
        grant = self._tokens.find(said[len(BEARER) :].strip())
        if grant is None:
            raise Unauthenticated("no such token", location="Authorization", todo="onetape token create makes one")
        if grant.has_expired(time.time_ns()):
            raise Unauthenticated(
                f"the token {grant.name} has expired", location="Authorization", todo="onetape token create makes one"
            )
        return grant


def _named(host: str) -> str:
    """Returns a host as callers name it, without its port."""
    return f"[{host}]" if host.count(":") > 1 and "[" not in host else _PORT.sub("", host)


def check_scope(grant: Grant, scopes: Collection[Scope], what: str) -> None:
    """Raises PermissionDenied where a token has none of these. No scope holds another one."""
    if not set(scopes) & set(grant.scopes):
        needed = " or ".join(scopes)
        raise PermissionDenied(
            f"{what} needs the scope {needed}, {grant.name} has {', '.join(grant.scopes)}",
            todo=f"a token of that scope: onetape token create NAME --scope {needed.partition(' ')[0]}",
        )
