"""Small questions to the configuration that several processes ask. Light to import."""

from __future__ import annotations

import os

from onetape.model.config import Config, VenueConfig
from onetape.store.secrets import without_secrets

__all__ = ["clean_environ", "is_simulated"]


def is_simulated(venue: VenueConfig) -> bool:
    """We start it: the exchange is a process of ours."""
    return venue.mode == "sim" and not venue.rest


def clean_environ(config: Config) -> dict[str, str]:
    """For processes of ours that need no secret of the configuration."""
    accounts = config.accounts.values()
    places = [p for each in accounts for p in (each.key, each.secret, each.password)]
    return without_secrets(os.environ, [*places, *config.notify.urls])
