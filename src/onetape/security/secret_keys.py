"""Lists the keys of the configuration that refer to secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from onetape.model.config import SECRET_KEYS
from onetape.model.sections import Config

__all__ = ["SecretKey", "secret_keys", "secret_places"]


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
        for key in SECRET_KEYS[:3]:
            yield SecretKey(("guardian", "accounts", name, key), [getattr(guarded, key)])
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
