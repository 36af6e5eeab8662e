"""Writes objects to a bucket of an S3-compatible store: signed PUT requests (AWS Signature Version 4), and nothing
else of S3."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from onetape.model.errors import BadConfig
from onetape.model.sections import Config, S3Config
from onetape.net.http_send import http_send
from onetape.security.secrets import Secret, read_secret

__all__ = ["object_writer", "signed"]

_TYPES: Final = {".json": "application/json", ".html": "text/html; charset=utf-8"}


def object_writer(
    config: Config, out: str, *, environ: Mapping[str, str], folder: Path
) -> Callable[[str, bytes], None]:
    """Returns a function that writes an object under s3://BUCKET[/PREFIX], with the keys of [s3]. folder: base of
    relative paths. Raises BadConfig without keys; the function raises ProcessDown if the store does not accept the
    object."""
    section: S3Config = config.s3
    at = urlsplit(out)
    if not section.key or not section.secret or not at.netloc:
        todo = '[s3] key = "env:S3_KEY", secret = "env:S3_SECRET"' if at.netloc else "s3://BUCKET/PREFIX"
        raise BadConfig(f"{out} cannot be written", location=config.location("s3") or "[s3]", todo=todo)
    key, secret = (read_secret(each, environ, folder=folder) for each in (section.key, section.secret))
    endpoint = section.endpoint or f"https://s3.{section.region}.amazonaws.com"
    prefix = "/".join(part for part in (at.netloc, at.path.strip("/")) if part)

    def write(name: str, data: bytes) -> None:
        url = f"{endpoint.rstrip('/')}/{quote(f'{prefix}/{name}', safe='/~')}"
        headers = {"content-type": _TYPES[Path(name).suffix], "cache-control": "no-cache"}

        def made() -> dict[str, str]:
            return signed(url, data, headers, key, secret, region=section.region, now=datetime.now(UTC))

        http_send("PUT", url, data, made, what=f"{prefix}/{name}", location=config.location("s3"))

    return write


def signed(
    url: str, data: bytes, headers: Mapping[str, str], key: Secret, secret: Secret, *, region: str, now: datetime
) -> dict[str, str]:
    """Returns the headers of a PUT with its signature. headers: names in lower case."""
    moment, at = now.strftime("%Y%m%dT%H%M%SZ"), urlsplit(url)
    digest = hashlib.sha256(data).hexdigest()
    all_headers = {**headers, "host": at.netloc, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(sorted(all_headers))
    lines = [f"{name}:{all_headers[name]}\n" for name in sorted(all_headers)]
    request = "\n".join(("PUT", at.path, at.query, "".join(lines), names, digest))
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    mac = f"AWS4{secret.reveal()}".encode()
    for part in (*scope.split("/"), text):
        mac = hmac.digest(mac, part.encode(), "sha256")
    credential = f"Credential={key.reveal()}/{scope}, SignedHeaders={names}, Signature={mac.hex()}"
    return {**all_headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
