"""`[cluster]`: what is refused, and what a process gets."""

from __future__ import annotations

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.options.cluster import cluster_options, has_cluster
from onetape.security.secret_keys import secret_places
from onetape.store.config import load_config

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
SERVERS = 'servers = ["nats://127.0.0.1:4222"]'


def options(text, tmp_path, environ=None):
    file = tmp_path / "onetape.toml"
    file.write_text(f"[cluster]\n{text}\n")
    config = load_config(file, {})
    assert has_cluster(config)
    return cluster_options(config, home=tmp_path, folder=tmp_path, environ=environ or {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no server is named, .*onetape.toml:1, write servers"),
        ('servers = ["127.0.0.1:4222"]', "is no server, .*onetape.toml:2"),
        ('servers = ["nats://127.0.0.1"]', "is no server"),
        ('servers = ["nats://127.0.0.1:99999999"]', "is no server"),
        ('servers = ["http://127.0.0.1:4222"]', "is no server"),
        ('servers = ["nats://me:word@127.0.0.1:4222"]', "a secret in the open, .*onetape.toml:2, use credentials"),
        ('servers = ["nats://10.0.0.1:4222"]', 'without TLS and credentials .* write "tls://10.0.0.1:4222"'),
        ('servers = ["tls://10.0.0.1:4222"]', "without TLS and credentials"),
        (f'{SERVERS}\nhost = "a.b"', "'a.b' is no name of a host, .*onetape.toml:3"),
        (f'{SERVERS}\nname = "*"', "is no name of a cluster"),
        (f'{SERVERS}\nfollow = ["tokyo"]', 'write host/journal, as "tokyo/journal'),
        (f'{SERVERS}\nca = "no.pem"', "no.pem: no such file.*onetape.toml:3, name a PEM file"),
        (f'{SERVERS}\nca = "onetape.toml"', "onetape.toml: .*onetape.toml:3, name a PEM file"),
        (f'{SERVERS}\ncredentials = "env:GONE"', "environment variable GONE is not set"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(text, words, tmp_path):
    with pytest.raises(BadConfig, match=words) as caught:
        options(text, tmp_path)
    assert "word" not in str(caught.value) or "me:word" not in str(caught.value)


def test_a_secret_in_the_file_is_refused_and_not_shown():
    with pytest.raises(BadConfig, match="a secret in the open") as caught:
        parse_config('[cluster]\nservers = ["tls://h:1"]\ncredentials = "-----BEGIN NATS USER JWT-----"\n')
    assert "JWT" not in str(caught.value)


def test_a_host_is_named_after_its_machine_and_its_credentials_are_read(tmp_path):
    made = options(f'{SERVERS}\ncredentials = "env:CREDS"\nfollow = ["a/*"]', tmp_path, {"CREDS": "a jwt"})
    assert made.host and "." not in made.host
    assert (made.credentials, made.follow, made.name) == ("a jwt", ["a/*"], "onetape")
    config = parse_config(f'[cluster]\n{SERVERS}\ncredentials = "env:CREDS"\n')
    assert "env:CREDS" in secret_places(config)  # no other process has it in its environment


def test_a_cluster_may_be_switched_off():
    assert not has_cluster(parse_config("")) and not has_cluster(parse_config("[cluster]\nenabled = false\n"))


def test_a_process_of_several_hosts_is_each_hosts_own(tmp_path):
    processes = 'processes = ["hub", "control", "dashboard"]'
    hosts = f"[hosts.a]\n{processes}\n[hosts.b]\n{processes}\n[hosts.c]\n"
    robot = '[venues.x]\nkind = "kraken"\n[accounts.m]\nvenue = "x"\n[robots.r]\nstrategy = "r.py"\naccount = "m"\n'
    rest = '[control]\n[dashboard]\n[hub]\n[collectors.k]\nvenue = "x"\n'
    made = {
        host: options(f'{SERVERS}\nhost = "{host}"\n{hosts}{robot}{rest}', tmp_path, {"X": ""}) for host in ("a", "c")
    }
    assert made["c"].shared.items() >= {"hub": ["a", "b"], "control": ["a", "b"]}.items()
    assert not made["a"].shared.keys() & {"hub", "control", "dashboard"}  # its sockets and journals are its own
