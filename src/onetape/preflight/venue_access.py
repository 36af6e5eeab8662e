"""Plain HTTP requests to one venue, one at a time, for checks before trading.

A gateway makes its own connections.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from onetape.model.errors import BadConfig, ProxyFailed, VenueUnavailable
from onetape.model.proxy import Proxy
from onetape.orders.calls import Call, signatures
from onetape.security.redaction import Redactor

__all__ = ["Got", "VenueAccess"]

TIMEOUT_S: Final = 5.0
BODY_MAX: Final = 64 << 20  # an exchangeInfo today has 2 MiB

Got = tuple[int, dict[str, str], bytes]  # status, headers in lower case, body


class VenueAccess:
    """A persistent connection to one address. hide: removes secrets from its answers; proxy: for the connection. Raises
    BadConfig for an invalid address."""

    def __init__(
        self, rest: str, hide: Redactor | None = None, *, timeout: float = TIMEOUT_S, proxy: Proxy | None = None
    ) -> None:
        self.rest, self._proxy = rest, proxy
        self._hide = hide or Redactor()
        try:
            parts = urlsplit(rest)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise BadConfig(
                f"not the address of an exchange: {rest!r}",
                location=f"rest = {rest!r}",
                todo='write "https://host" or "http://127.0.0.1:port"',
            )
        self._prefix = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        if proxy is None:
            self._connection = kind(parts.hostname, port, timeout=timeout)
        else:
            self._connection = kind(proxy.host, proxy.port, timeout=timeout)
            self._connection.set_tunnel(parts.hostname, port or kind.default_port, proxy.headers)

    def close(self) -> None:
        self._connection.close()

    def ask(self, call: Call) -> Got:
        """Sends a request and returns the answer. Raises VenueUnavailable with the reason, ProxyFailed if its proxy
        fails."""
        target = self._prefix + call.target
        self.connect()
        try:
            self._connection.request(call.method, target, body=call.body or None, headers=dict(call.headers))
            reply = self._connection.getresponse()
            body = reply.read(BODY_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise VenueUnavailable(_why(error), location=self.rest) from None
        if len(body) > BODY_MAX:
            self._connection.close()
            raise VenueUnavailable(f"the answer is larger than {BODY_MAX >> 20} MiB", location=self.rest)
        headers = {name.lower(): value for name, value in reply.getheaders()}
        if 300 <= reply.status < 400:
            raise VenueUnavailable(f"no exchange answers: HTTP {reply.status} redirects", location=self.rest)
        return reply.status, headers, self._hide.hidden(body, *signatures(call))

    def connect(self) -> None:
        """Makes the tunnel through the proxy, if there is a proxy and no tunnel yet. Raises the errors of `ask`."""
        if (proxy := self._proxy) is None or self._connection.sock is not None:
            return
        try:
            self._connection.connect()
        except ssl.SSLError as error:  # the tunnel was made
            self._connection.close()
            raise VenueUnavailable(_why(error), location=self.rest) from None
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            status = re.match(r"Tunnel connection failed: (\d{3})", str(error))
            words = f"HTTP {status[1]} for {urlsplit(self.rest).netloc}" if status else _why(error)
            raise ProxyFailed(
                f"proxy {proxy.name}: {words}", location=f"proxies.{proxy.name}", todo="check that it runs"
            ) from None


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted: {error.verify_message}"
        case ssl.SSLError():
            return "it does not speak TLS"
        case socket.gaierror():
            return "no such host"
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return f"no answer within {TIMEOUT_S:g} s"
        case http.client.HTTPException():
            return "no exchange answers: what is there does not speak HTTP"
        case _:
            return f"not reachable: {type(error).__name__}"
