"""Nonces shared by all processes of a home, over restarts: each signer has a small shared file with its last nonce. The
file survives kill -9. A power loss may lose it, but a reboot takes longer than nonces can be ahead of the clock.
"""

from __future__ import annotations

from pathlib import Path

from onetape.orders.calls import Nonces, OrderProtocol
from onetape.store.shared_counters import SharedMoment

__all__ = ["keep_nonces"]


def keep_nonces(protocol: OrderProtocol, home: Path) -> None:
    """Makes a protocol that uses nonces draw them from its signer's file in this home."""
    if not isinstance(protocol, Nonces) or not protocol.nonce_owner:
        return
    following, shared = protocol.next_nonce, SharedMoment(home / "run" / f"nonce-{protocol.nonce_owner}")

    def take(now: int) -> int:
        with shared.changing() as last:
            last.at = following(last.at, now)
            return last.at

    protocol.take_nonce = take
