"""Small functions on the configuration, shared by several processes and cheap to import."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from onetape.model.config import SECRET_KEYS
from onetape.model.proxy import Proxy, parse_proxy_url
from onetape.model.sections import Config, VenueConfig
from onetape.security.confine import confine
from onetape.security.secrets import read_secret, without_secrets

__all__ = ["SecretKey", "clean_environ", "is_simulated", "proxy_of", "secret_keys", "secret_places", "shut_in"]


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


class SecretKey(NamedTuple):
    """A configuration key that may refer to a secret. places: its references such as `env:NAME`, "" if not set.
    is_list: the key takes several."""

    path: tuple[str, ...]
    places: list[str]
    is_list: bool = False


def secret_places(config: Config) -> list[str]:
    """Lists the configured references to secrets, such as `env:NAME`."""
    return [place for key in secret_keys(config) for place in key.places]


def secret_keys(config: Config) -> Iterator[SecretKey]:
    for name, account in config.accounts.items():
        for key in SECRET_KEYS:
            yield SecretKey(("accounts", name, key), [getattr(account, key)])
    yield SecretKey(("s3", "key"), [config.s3.key])
    yield SecretKey(("s3", "secret"), [config.s3.secret])
    yield SecretKey(("recorder", "url"), [config.recorder.url])
    for name, guarded in config.guardian.accounts.items():
        yield SecretKey(("guardian", "accounts", name, "key"), [guarded.key])
        yield SecretKey(("guardian", "accounts", name, "secret"), [guarded.secret])
    for name, proxy in config.proxies.items():
        yield SecretKey(("proxies", name, "password"), [proxy.password])
    yield SecretKey(("cluster", "credentials"), [config.cluster.credentials])
    for name, webhook in config.webhooks.items():
        yield SecretKey(("webhooks", name, "secret"), [webhook.secret])
    if config.notify.telegram is not None:
        yield SecretKey(("notify", "telegram", "token"), [config.notify.telegram.token])
    yield SecretKey(("notify", "urls"), config.notify.urls, is_list=True)
    for name, route in config.notify.routes.items():
        yield SecretKey(("notify", "routes", name, "urls"), route.urls, is_list=True)


def proxy_of(config: Config, name: str, environ: Mapping[str, str], folder: Path) -> Proxy | None:
    """Returns a configured proxy with its password; None for the name "". Raises BadConfig, PermissionDenied."""
    if not name:
        return None
    made = config.proxies[name]
    host, port = parse_proxy_url(made.url)
    password = read_secret(made.password, environ, folder=folder).reveal() if made.password else ""
    return Proxy(name=name, host=host, port=port, user=made.user, password=password)
