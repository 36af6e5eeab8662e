"""Define an HTTP proxy, as passed to a process at its start."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote, urlsplit

import msgspec

from onetape.model.errors import UsageError

__all__ = ["Proxy", "parse_proxy_url"]


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """Address and user of a proxy. Its repr shows no secret."""

    name: str  # name in [proxies]
    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy(name={self.name!r}, host={self.host!r}, port={self.port!r})"

    @property
    def headers(self) -> dict[str, str]:
        """Returns the headers that the proxy expects with each CONNECT."""
        if not self.user:
            return {}
        return {"Proxy-Authorization": "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()}

    @property
    def url(self) -> str:
        """Returns the URL with user and password: a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"http://{user}{host}:{self.port}"


def parse_proxy_url(url: str) -> tuple[str, int]:
    """Parse `http://HOST:PORT` into host and port. Raises UsageError, without text that may be a password."""
    if "@" in url:
        raise UsageError("a secret in the open", todo='url = "http://HOST:PORT", user = "...", password = "env:NAME"')
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme != "http" or not host or not port or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError("not the address of an HTTP proxy", todo='as "http://HOST:PORT"')
    return host, port
