"""The scopes of calls, and the body of a refusal. Light to import: clients read it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from onetape.model.typed import Millis

__all__ = ["ErrorReply", "Scope"]

Scope = Literal["read", "trade", "admin", "kill"]


class ErrorReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a call was refused or failed. code: the control plane's number if it has one, else ours; causes: the
    errors that led to it, with our numbers."""

    code: int
    error: str
    solution: str
    name: str
    success: Literal[False] = False
    location: str | None = None
    operation_id: str | None = None
    retry_after: Millis | None = None
    causes: list[dict[str, Any]] = []
