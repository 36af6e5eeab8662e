"""Operator, account and users of a nats-server, made as nsc makes them: keys, JWTs and credentials files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Accounts"]

_KINDS = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_SEED = 18 << 3
_UNLIMITED = dict.fromkeys(
    (
        "subs",
        "data",
        "payload",
        "imports",
        "exports",
        "conn",
        "leaf",
        "mem_storage",
        "disk_storage",
        "streams",
        "consumer",
    ),
    -1,
)


def _text(data: bytes) -> str:
    checked = data + binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")


class _Key:
    def __init__(self, kind: str) -> None:
        self.kind, self.private = kind, Ed25519PrivateKey.generate()
        self.public = _text(bytes([_KINDS[kind]]) + self.private.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        kind = _KINDS[self.kind]
        return _text(bytes([_SEED | kind >> 5, (kind & 31) << 3]) + self.private.private_bytes_raw())

    def jwt(self, subject: _Key, claims: dict[str, Any]) -> str:
        """What this key says of another."""
        nats = {**claims, "type": subject.kind, "version": 2}
        body = {"iat": int(time.time()), "iss": self.public, "sub": subject.public, "name": subject.kind, "nats": nats}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        parts = [_part({"typ": "JWT", "alg": "ed25519-nkey"}), _part(body)]
        return ".".join([*parts, _encoded(self.private.sign(".".join(parts).encode()))])


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Accounts:
    """One operator with one account, which may store without limit."""

    def __init__(self) -> None:
        self._operator, self._account, self._system = _Key("operator"), _Key("account"), _Key("account")

    @property
    def config(self) -> str:
        """The server's."""
        limits = {"limits": {**_UNLIMITED, "wildcards": True}}
        accounts = {
            self._account.public: self._operator.jwt(self._account, limits),
            self._system.public: self._operator.jwt(self._system, {}),
        }
        preloaded = "\n".join(f"{name}: {jwt}" for name, jwt in accounts.items())
        return (
            f"operator: {self._operator.jwt(self._operator, {})}\nresolver: MEMORY\n"
            f"system_account: {self._system.public}\nresolver_preload: {{\n{preloaded}\n}}\n"
        )

    def user(self, publish: list[str], subscribe: list[str]) -> str:
        """A credentials file."""
        user = _Key("user")
        claims = {"pub": {"allow": publish}, "sub": {"allow": subscribe}, "subs": -1, "data": -1, "payload": -1}
        return (
            f"-----BEGIN NATS USER JWT-----\n{self._account.jwt(user, claims)}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        )

    def host(self, name: str, *, commands: bool = True) -> str:
        """The credentials of a host, with the permissions of docs/concepts/cluster.md."""
        own = [f"onetape.{kind}.{name}" for kind in ("host", "pulse")]
        own += [f"onetape.tape.{name}.>", "onetape.request.*", "onetape.answer.>", "$JS.API.>"]
        own += [f"onetape.ack.*.{name}", "onetape.reply.*", *[f"onetape.command.*.{name}"] * commands]
        heard = ["onetape.host.*", "onetape.pulse.*", "onetape.tape.>", "_INBOX.>", f"onetape.reply.{name}"]
        heard += [f"onetape.request.{name}", f"onetape.answer.{name}.>"]
        heard += [f"onetape.{kind}.{name}.*" for kind in ("ack", "command")]
        return self.user(own, heard)
