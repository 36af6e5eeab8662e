"""Authentication of calls: Host and Origin against foreign pages (DNS rebinding, requests forged in a browser), a
token once one exists, its scope."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from onetape.model.errors import PermissionDenied
from onetape.model.sections import ControlConfig, DashboardConfig
from onetape.venues.hosts import is_loopback
from onetape.web.replies import Scope
from onetape.web.tokens import ANONYMOUS, PAGES, Grant, TokenStore

__all__ = ["Entrance", "Source", "Unauthenticated", "check_scope"]

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
BEARER: Final = "bearer "
SEND_ONE: Final = (
    'send "Authorization: Bearer TOKEN" (onetape: --token-file FILE, or ONETAPE_TOKEN); onetape token create makes one'
)
_PORT: Final = re.compile(r":\d{1,5}$")


class Unauthenticated(PermissionDenied):
    """A call without a token, or with an invalid or expired one."""


class Source:
    """Checks the host name of a call, and the page that it comes from. hosts: the server's names besides those of
    loopback, which are valid if it listens there; name: the section that lists them, "": none does."""

    def __init__(self, hosts: Iterable[str], *, is_local: bool = True, is_tls: bool = False, name: str = "") -> None:
        own = [*hosts, *(LOOPBACK if is_local else ())]
        self._hosts = {_named(each.lower()) for each in own}
        self._todo = f"its names are [{name}] host and hosts" if name else "call it by 127.0.0.1 or localhost"
        self._scheme = "https" if is_tls else "http"

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises PermissionDenied for a call by a foreign name, or from a foreign page."""
        host = headers.get("Host", "")
        if _PORT.sub("", host.lower()) not in self._hosts:
            raise PermissionDenied(f"{host[:80]!r} is not a name of this server", location="Host", todo=self._todo)
        # A page of another port is same-site: a browser reports that, also if it sends no Origin.
        if headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and headers.get("Sec-Fetch-Mode") != "navigate":
            raise PermissionDenied(
                "requests from pages of other sites are refused", location="Sec-Fetch-Site", todo="call from a program"
            )
        origin = headers.get("Origin")
        if origin is not None and origin.lower() != f"{self._scheme}://{host.lower()}":
            raise PermissionDenied(
                f"requests from pages of {origin[:80]!r} are refused",
                location="Origin",
                todo="call from a program, or from /docs",
            )


class Entrance:
    """Authenticates calls. section: where the server listens, and its host names; name: the section's; needs_token: a
    token is required even on loopback before one was made."""

    def __init__(
        self,
        section: ControlConfig | DashboardConfig,
        tokens: TokenStore,
        name: str = "control",
        *,
        needs_token: bool = False,
    ) -> None:
        self._tokens = tokens
        is_local = is_loopback(section.host)
        self._is_open = is_local and not needs_token
        hosts = [section.host, *section.hosts]
        self._source = Source(hosts, is_local=is_local, is_tls=bool(section.tls_cert), name=name)
        self.check_source = self._source.check

    def who(self, headers: Mapping[str, str]) -> Grant:
        """Returns the caller's grant. Raises Unauthenticated."""
        said = headers.get("Authorization")
        own = self._tokens.own(said[len(BEARER) :].strip()) if said is not None else None
        if own is PAGES:
            return own
        if self._tokens.grants() is None:
            if self._is_open:
                return ANONYMOUS  # no token is required; a foreign one proves nothing
            if own is not None:  # of the command line, until a token is made
                return own
        if said is None:
            raise Unauthenticated("no token", location="Authorization", todo=SEND_ONE)
        if not said.lower().startswith(BEARER):
            raise Unauthenticated(
                "no bearer token", location="Authorization", todo='send "Authorization: Bearer TOKEN"'
            )
        grant = self._tokens.find(said[len(BEARER) :].strip())
        if grant is None:
            raise Unauthenticated("no such token", location="Authorization", todo=SEND_ONE)
        if grant.has_expired(time.time_ns()):
            raise Unauthenticated(f"the token {grant.name} has expired", location="Authorization", todo=SEND_ONE)
        return grant


def _named(host: str) -> str:
    """Returns a host as callers name it, without its port."""
    return f"[{host}]" if host.count(":") > 1 and "[" not in host else _PORT.sub("", host)


def check_scope(grant: Grant, scopes: Collection[Scope], what: str) -> None:
    """Raises PermissionDenied if a token has none of these scopes. No scope includes another one."""
    if not set(scopes) & set(grant.scopes):
        needed = " or ".join(scopes)
        raise PermissionDenied(
            f"{what} needs the scope {needed}, {grant.name} has {', '.join(grant.scopes)}",
            todo=f"a token of that scope: onetape token create NAME --scope {needed.partition(' ')[0]}",
        )
