"""Sends a body to an HTTP server, and retries if that may help. For rare messages that may wait."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from onetape.model.errors import BadConfig, ProcessDown

__all__ = ["http_send"]

WITHIN_S: Final = 10.0
TRIES: Final = 4
ANSWER_BYTES_MAX: Final = 1 << 20
PAUSE_S: Final = 0.5  # before the second attempt, doubled each time
PAUSE_S_MAX: Final = 10.0  # longest wait that a server may request
_RETRIED: Final = (429, 500, 502, 503, 504)


def http_send(
    method: str, url: str, data: bytes, headers: Callable[[], Mapping[str, str]], *, what: str, location: str
) -> bytes:
    """Sends the body and returns the answer. headers: called for each attempt. what, location: descriptions of the body
    and of the target, for messages. Raises BadConfig for an invalid address, ProcessDown if the body is not
    accepted."""
    try:
        at = urlsplit(url)
        is_address = at.scheme in ("http", "https") and bool(at.hostname) and at.username is None
    except ValueError:
        is_address = False
    if not is_address:  # not shown, because it may contain a password
        raise BadConfig("not the address of a server", location=location, todo="http://HOST:PORT or https://HOST")
    said = ""
    for attempt in range(TRIES):
        pause = PAUSE_S * 2**attempt
        request = urllib.request.Request(url, data, dict(headers()), method=method)  # noqa: S310 (looked at above)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:  # noqa: S310
                body: bytes = answer.read(ANSWER_BYTES_MAX + 1)
                if len(body) <= ANSWER_BYTES_MAX:
                    return body
                said = f"an answer of more than {ANSWER_BYTES_MAX >> 20} MiB"
                break
        except urllib.error.HTTPError as error:
            try:
                code = re.search(rb"<Code>(\w{1,60})</Code>", error.read(4096))  # S3's reason
            except (OSError, http.client.HTTPException):
                code = None
            said = f"HTTP {error.code} {code[1].decode() if code else ''}".rstrip()
            if error.code not in _RETRIED:
                break
            wanted = error.headers.get("Retry-After", "")
            pause = min(float(wanted), PAUSE_S_MAX) if wanted.isdigit() else pause
        except (OSError, http.client.HTTPException) as error:
            said = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt < TRIES - 1:
            time.sleep(pause)
    raise ProcessDown(
        f"{at.netloc} does not take {what}: {said}",
        location=location,
        todo="check that it runs and accepts our credentials",
    )
