"""Which host runs which process."""

from __future__ import annotations

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.placement import host_of, hosts_of, is_local, local_proxies
from onetape.options.cluster import cluster_options
from onetape.supervisor.start import children_of

TEXT = """
[cluster]
servers = ["nats://127.0.0.1:4222"]
host = "%s"
[hosts.desk]
[hosts.spare]
processes = ["recorder"]
[hosts.tick-1]
proxy = "p"
[hosts.tick-2]
[hosts.trade]
processes = ["robot:*"]
[proxies.p]
url = "http://127.0.0.1:3128"
[venues.b]
kind = "binance-usdm"
rest = "http://127.0.0.1:1"
ws = "ws://127.0.0.1:1"
[accounts.main]
venue = "b"
standby = "spare"
[collectors."tick_*"]
venue = "b"
transport = "rest"
hosts = "tick-*"
[collectors.other]
venue = "b"
[hub]
[guardian]
[recorder]
[robots.mm]
strategy = "x.py"
account = "main"
streams = ["other"]
"""


def config(host: str, text: str = TEXT):
    return parse_config(text % host)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("desk", {"collector:other", "cluster", "hub", "gateway:main", "guardian"}),
        ("spare", {"cluster", "recorder", "gateway:main", "guardian"}),
        ("tick-1", {"collector:tick_1", "cluster"}),
        ("tick-2", {"collector:tick_2", "cluster"}),
        ("trade", {"cluster", "robot:mm"}),
    ],
)
def test_each_host_runs_its_own(host, names):
    assert {child.name for child in children_of(config(host))} == names


def test_what_needs_a_process_of_another_host_still_needs_it():
    (robot,) = [child for child in children_of(config("trade")) if child.kind == "robot"]
    assert robot.needs == ("gateway:main", "hub", "collector:other") and robot.gateway == "gateway:main"


def test_a_pattern_of_hosts_makes_one_collector_on_each_with_its_proxy():
    made = config("desk")
    assert list(made.collectors) == ["tick_1", "tick_2", "other"]
    assert [made.collectors[name].proxy for name in ("tick_1", "tick_2")] == ["p", ""]
    assert made.location("collectors", "tick_1", "venue") == made.location("collectors", "tick_*", "venue")
    assert hosts_of(made, "collector:tick_2") == ["tick-2"] and host_of(made, "gateway:main") == "desk"
    assert not is_local(made, "robot:mm")


def test_a_host_checks_the_proxies_that_it_uses_and_those_that_nobody_does():
    text = TEXT.replace("[venues.b]", '[proxies.idle]\nurl = "http://127.0.0.1:3129"\n[venues.b]')
    assert [local_proxies(config(host, text)) for host in ("tick-1", "desk")] == [["p", "idle"], ["idle"]]


def test_without_hosts_everything_runs_here():
    made = parse_config('[venues.b]\nkind = "kraken"\n[accounts.a]\nvenue = "b"\n')
    assert is_local(made, "gateway:a") and host_of(made, "gateway:a") == ""


@pytest.mark.parametrize(
    ("host", "needed"),
    [
        ("desk", {"spare/journal/gateway-main", "trade/runs/*", "tick-1/journal/collector-tick_1"}),
        (
            "spare",
            {f"{host}/{what}/*" for host in ("desk", "tick-1", "tick-2", "trade") for what in ("journal", "runs")},
        ),
        ("tick-1", set()),
        ("trade", {"desk/journal/gateway-main", "spare/journal/gateway-main", "desk/journal/hub"}),
    ],
)
def test_a_host_copies_what_its_processes_read(host, needed, tmp_path):
    pytest.importorskip("nats")
    made = cluster_options(config(host), home=tmp_path, folder=tmp_path, environ={})
    assert needed <= set(made.follow) if needed else not made.follow
    assert made.peers == [each for each in ("desk", "spare", "tick-1", "tick-2", "trade") if each != host]
    assert made.leased == {"desk": {"gateway:main": True}, "spare": {"gateway:main": False}}.get(host, {})
    assert made.shared.get("gateway:main") == [each for each in ("desk", "spare") if each != host]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("[hosts.desk]\n", '[hosts.desk]\nprocesses = ["robot:*"]\n', "robot:mm also runs on desk at hosts.trade"),
        ('"robot:*"', '"robto:*"', "no process is called robto"),
        ('"robot:*"', '"guardian"', "the guardian runs on each host that may run a gateway"),
        ('hosts = "tick-*"', 'hosts = "tack-*"', "no host is called tack"),
        ('"tick_*"', '"tick"', "several hosts for one name at collectors.tick.hosts, onetape.toml:"),
        ('standby = "spare"', 'standby = "sparse"', "no host is called sparse at accounts.main.standby"),
        ('standby = "spare"', 'standby = "desk"', "runs there already at accounts.main.standby"),
        ('rest = "http://127.0.0.1:1"\nws = "ws://127.0.0.1:1"\n', "", "its simulated exchange on desk"),
        ('servers = ["nats://127.0.0.1:4222"]\n', "", "several hosts, and no .cluster. to connect them"),
        ('proxy = "p"', 'proxy = "q"', "no proxy `q`"),
        ('standby = "spare"', 'durability = "replicated"', "replicated needs a standby"),
    ],
)
def test_what_cannot_be_placed_is_refused_with_its_line(was, now, words):
    assert was in TEXT
    with pytest.raises(BadConfig, match=words):
        config("desk", TEXT.replace(was, now))


def test_a_machine_that_is_none_of_the_hosts_is_told_how_to_say_which(tmp_path):
    pytest.importorskip("nats")
    with pytest.raises(BadConfig, match=r"this machine, other, is none of the hosts.*ONETAPE_CLUSTER__HOST=desk"):
        cluster_options(config("other"), home=tmp_path, folder=tmp_path, environ={})


def test_hosts_without_a_file_of_several_need_none(tmp_path):
    with pytest.raises(BadConfig, match="a standby needs several hosts"):
        parse_config('[venues.b]\nkind = "kraken"\n[accounts.a]\nvenue = "b"\nstandby = "x"\n')
