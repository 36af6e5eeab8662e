"""Small functions on the configuration, shared by several processes and cheap to import."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from onetape.model.proxy import Proxy, parse_proxy_url
from onetape.model.sections import Config, VenueConfig
from onetape.security.confine import confine
from onetape.security.secret_keys import secret_places
from onetape.security.secrets import read_secret, without_secrets

__all__ = ["clean_environ", "is_simulated", "proxy_of", "shut_in"]


def is_simulated(venue: VenueConfig) -> bool:
    """Tells whether the venue is a simulated exchange that `up` starts."""
    return venue.mode == "sim" and not venue.rest


@contextmanager
def shut_in(config: Config) -> Iterator[dict[str, str]]:
    """Yields a copy of the environment, and removes the configured secrets from this process's own until the block
    ends, because a strategy's code runs here. Other processes cannot read this process's memory from now on.
    """
    environ, mask = dict(os.environ), os.umask(0o077)
    confine()
    secrets = environ.keys() - clean_environ(config).keys()
    for name in secrets:
        del os.environ[name]
    try:
        yield environ
    finally:
        os.environ.update({name: environ[name] for name in secrets})
        os.umask(mask)


def clean_environ(config: Config) -> dict[str, str]:
    """Returns an environment for our processes that need no configured secret."""
    return without_secrets(os.environ, secret_places(config))


def proxy_of(config: Config, name: str, environ: Mapping[str, str], folder: Path) -> Proxy | None:
    """Returns a configured proxy with its password; None for the name "". Raises BadConfig, PermissionDenied."""
    if not name:
        return None
    made = config.proxies[name]
    host, port = parse_proxy_url(made.url)
    password = read_secret(made.password, environ, folder=folder).reveal() if made.password else ""
    return Proxy(name=name, host=host, port=port, user=made.user, password=password)
