"""Small questions to the configuration that several processes ask. Light to import."""

from __future__ import annotations

import os

from onetape.model.config import Config, VenueConfig
from onetape.store.confine import confine
from onetape.store.secrets import without_secrets

__all__ = ["clean_environ", "is_simulated", "shut_in"]


def is_simulated(venue: VenueConfig) -> bool:
    """We start it: the exchange is a process of ours."""
    return venue.mode == "sim" and not venue.rest


def shut_in(config: Config) -> dict[str, str]:
    """The environment as it was. From here on this process has none of the configuration's secrets
    in its own and nobody looks into it: a strategy's code is about to run here."""
    confine()
    environ = dict(os.environ)
    for name in environ.keys() - clean_environ(config).keys():
        del os.environ[name]
    return environ


def clean_environ(config: Config) -> dict[str, str]:
    """For processes of ours that need no secret of the configuration."""
    accounts = config.accounts.values()
    places = [p for each in accounts for p in (each.key, each.secret, each.password)]
    return without_secrets(os.environ, [*places, *config.notify.urls])
