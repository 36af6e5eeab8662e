"""Track venues whose gateway is disconnected or stopped: no order can be placed or changed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host

__all__ = ["AwayVenues"]


class AwayVenues:
    """Follows the health of gateways for one desk."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._venues: set[str] = set()

    def note(self, health: _core.Health) -> bool:
        """Apply a change of health; returns True when a gateway is back."""
        if health.kind != "gateway":
            return False
        venue, is_live = self._host.accounts.get(health.subject, ""), health.state == "live"
        (self._venues.discard if is_live else self._venues.add)(venue)
        return is_live

    def has(self, symbol: str) -> bool:
        """Returns True while the gateway of a symbol is away."""
        return symbol.partition(":")[0] in self._venues
