"""Hedging through the control plane: the page calls it in the name of its session, and only the control plane's
checks, operations and tape apply."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import aiohttp
import msgspec

from onetape.dashboard.reader import Reader
from onetape.dashboard.topic import Topic, Topics
from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import BY_CODE, NotAvailable, PermissionDenied, ProcessDown
from onetape.model.sections import DASHBOARD
from onetape.options.control import has_control
from onetape.web.control_routes import BASE, BY_NAME
from onetape.web.listening import trusts

__all__ = ["ControlPlane"]

READ_WITHIN_S: Final = 5.0
ACT_WITHIN_S: Final = 90.0


class ControlPlane:
    """Calls the control plane of this home."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._tokens = TokenCache(reader.home)
        self._web: aiohttp.ClientSession | None = None
        self._address = ""

    async def close(self) -> None:
        if self._web is not None:
            await self._web.close()

    def topics(self) -> Topics:
        return {"delta": Topic(self._delta, 1.0)}

    async def _delta(self, _words: Sequence[str]) -> Any:
        status, automatic = await asyncio.gather(self.call("delta_status"), self.call("delta_auto"))
        return {"symbols": status["symbols"], "pairs": automatic["pairs"]}

    async def call(
        self, name: str, fields: Mapping[str, Any] | None = None, *, actor: str = "", key: str = ""
    ) -> dict[str, Any]:
        """Calls a route and returns its answer. actor: the caller; key: makes it act once. Raises NotAvailable
        without a control plane, ProcessDown if it does not answer, and its refusals."""
        config = self._reader.config
        if not has_control(config):
            raise NotAvailable(
                "there is no control plane", location="[control]", todo="write [control] in onetape.toml"
            )
        route = BY_NAME[name]
        if not self._address:
            self._address = (await self._reader.status()).get("control") or ""
        if not self._address:
            raise ProcessDown("the control plane does not run", todo="onetape status")
        headers = {"Authorization": f"Bearer {self._tokens.of(DASHBOARD)}"}
        headers |= {"X-Actor": actor} if actor else {}
        headers |= {"Idempotency-Key": key} if key else {}
        body = None if fields is None else msgspec.json.encode(fields)
        if body is not None:
            headers["Content-Type"] = "application/json"
        within = READ_WITHIN_S if route.method == "GET" else ACT_WITHIN_S
        try:
            async with self._session().request(
                route.method,
                f"{self._address}{BASE}{route.path}",
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(within),
                ssl=self._tls,
            ) as answer:
                said: dict[str, Any] = msgspec.json.decode(await answer.read())
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            self._address = ""  # it may have another address after a restart
            raise ProcessDown("the control plane does not answer", todo="onetape status") from error
        if status >= 400 and "error" in said:
            raise BY_CODE.get(said.get("code", 0), PermissionDenied)(str(said["error"]), todo=said.get("solution", ""))
        return said

    def _session(self) -> aiohttp.ClientSession:
        if self._web is None:
            self._web = aiohttp.ClientSession()
        return self._web

    @cached_property
    def _tls(self) -> ssl.SSLContext | bool:
        """Trusts the one configured certificate, whoever has signed it."""
        section = self._reader.config.control
        if not section.tls_cert:
            return True
        context = trusts(self._reader.folder / section.tls_cert)
        context.check_hostname = False
        return context
