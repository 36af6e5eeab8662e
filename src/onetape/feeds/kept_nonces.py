"""Nonces shared by all processes of a home, over restarts: a word of a small shared file for each signer.

It survives kill -9. A power loss may lose it, but lasts longer than a venue remembers a nonce by its time.
"""

from __future__ import annotations

from pathlib import Path

from onetape.orders.calls import Nonces, OrderProtocol
from onetape.store.shared_counters import SharedMoment

__all__ = ["keep_nonces"]


def keep_nonces(protocol: OrderProtocol, home: Path) -> None:
    """Lets a protocol with nonces draw them from its signer's file in this home."""
    if not isinstance(protocol, Nonces) or not protocol.nonce_owner:
        return
    following, shared = protocol.next_nonce, SharedMoment(home / "run" / f"nonce-{protocol.nonce_owner}")

    def take(now: int) -> int:
        with shared.changing() as last:
            last.at = following(last.at, now)
            return last.at

    protocol.take_nonce = take
