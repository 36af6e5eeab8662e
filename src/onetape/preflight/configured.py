"""Small questions to the configuration that several processes ask. Light to import."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from onetape.model.config import SECRET_KEYS
from onetape.model.proxy import Proxy, parse_proxy_url
from onetape.model.sections import Config, VenueConfig
from onetape.security.confine import confine
from onetape.security.secrets import read_secret, without_secrets

__all__ = ["clean_environ", "is_simulated", "proxy_of", "secret_keys", "secret_places", "shut_in"]


def is_simulated(venue: VenueConfig) -> bool:
    """We start it: the exchange is a process of ours."""
    return venue.mode == "sim" and not venue.rest


@contextmanager
def shut_in(config: Config) -> Iterator[dict[str, str]]:
    """The environment as it was. Until the block ends this process has none of the configuration's
    secrets in its own, and from here on nobody looks into it: a strategy's code runs here."""
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
    """For processes of ours that need no secret of the configuration."""
    return without_secrets(os.environ, secret_places(config))


def secret_places(config: Config) -> list[str]:
    """Lists where secrets of the configuration are, as it says it."""
    return [place for _, places in secret_keys(config) for place in ([places] if isinstance(places, str) else places)]


def secret_keys(config: Config) -> Iterator[tuple[tuple[str, ...], str | list[str]]]:
    """Yields each key of the configuration that may have a secret, and what it says: a place, a list of them, or ""."""
    for name, account in config.accounts.items():
        for key in SECRET_KEYS:
            yield ("accounts", name, key), getattr(account, key)
    yield ("s3", "key"), config.s3.key
    yield ("s3", "secret"), config.s3.secret
    yield ("recorder", "url"), config.recorder.url
    for name, guarded in config.guardian.accounts.items():
        yield ("guardian", "accounts", name, "key"), guarded.key
        yield ("guardian", "accounts", name, "secret"), guarded.secret
    for name, proxy in config.proxies.items():
        yield ("proxies", name, "password"), proxy.password
    for name, webhook in config.webhooks.items():
        yield ("webhooks", name, "secret"), webhook.secret
    if config.notify.telegram is not None:
        yield ("notify", "telegram", "token"), config.notify.telegram.token
    yield ("notify", "urls"), config.notify.urls
    for name, route in config.notify.routes.items():
        yield ("notify", "routes", name, "urls"), route.urls


def proxy_of(config: Config, name: str, environ: Mapping[str, str], folder: Path) -> Proxy | None:
    """Makes what a process needs of a proxy; None for "". Raises BadConfig, PermissionDenied."""
    if not name:
        return None
    made = config.proxies[name]
    host, port = parse_proxy_url(made.url)
    password = read_secret(made.password, environ, folder=folder).reveal() if made.password else ""
    return Proxy(name=name, host=host, port=port, user=made.user, password=password)
