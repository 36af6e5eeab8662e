"""Which host runs which process, where one file configures several machines.

Each process runs on one host: the one whose [hosts.NAME] names it, else the first of them. A collector with `hosts`
runs on each of those, under a name of its own. The guardian runs wherever there is a gateway, because it acts for
gateways of its own machine. Hub, recorder, pages and control plane may run on several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from onetape.model.errors import BadConfig
from onetape.model.sections import (
    CONTROL,
    DASHBOARD,
    GUARDIAN,
    HUB,
    RECORDER,
    TELEGRAM,
    AccountConfig,
    CollectorConfig,
    Config,
)

__all__ = ["WELL", "check_placement", "host_of", "hosts_of", "is_local", "local_proxies", "placed", "processes_of"]

Bad = Callable[[tuple[str, ...], str, str], BadConfig]
Also = Callable[[tuple[str, ...], tuple[str, ...]], None]  # finds a section under a second name, too
WELL: Final = ("running", "standby")  # states of a process that need no attention
_ON_SEVERAL = (HUB, RECORDER, CONTROL, DASHBOARD)


def is_local(config: Config, process: str) -> bool:
    """Returns True for a process that this machine runs; without [hosts] it runs all."""
    return not config.hosts or config.cluster.host in hosts_of(config, process)


def host_of(config: Config, process: str) -> str:
    """Returns the host that runs a process, the first of several; "": there are no [hosts]."""
    return next(iter(hosts_of(config, process)), "")


def hosts_of(config: Config, process: str) -> list[str]:
    """Returns the hosts that may run a process: of a gateway with a standby that one second; []: there are no
    [hosts]."""
    kind, _, name = process.partition(":")
    if kind == "collector" and (collector := config.collectors.get(name)) is not None and collector.hosts:
        return [collector.hosts]
    if kind == GUARDIAN:
        return list(dict.fromkeys(host for each in config.accounts for host in hosts_of(config, f"gateway:{each}")))
    if kind == "variants":
        process = f"robot:{name}"
    found = [host for host, each in config.hosts.items() if any(fnmatchcase(process, one) for one in each.processes)]
    found = found or [*config.hosts][:1]
    if kind == "gateway" and (account := config.accounts.get(name)) is not None and account.standby:
        found.append(account.standby)
    return found


def placed(config: Config, bad: Bad, also: Also) -> Config:
    """Returns the configuration with a collector for each host of those that run on several, and with the hosts'
    proxies. Raises BadConfig."""
    collectors: dict[str, CollectorConfig] = {}
    for section, name, collector in _each_collector(config, bad):
        if name in collectors:
            raise bad(("collectors", section), f"there are two collectors {name}", "choose another name")
        collectors[name] = collector
        if name != section:
            also(("collectors", section), ("collectors", name))
    config = msgspec.structs.replace(config, collectors=collectors)

    def its(name: str, account: AccountConfig) -> AccountConfig:
        proxy = account.proxy or config.hosts[host_of(config, f"gateway:{name}")].proxy
        return msgspec.structs.replace(account, proxy=proxy)

    return msgspec.structs.replace(config, accounts={name: its(name, each) for name, each in config.accounts.items()})


def _each_collector(config: Config, bad: Bad) -> Iterator[tuple[str, str, CollectorConfig]]:
    """Yields (name of the section, name, collector) for all collectors, those with `hosts` once for each host. Raises
    BadConfig."""
    for section, collector in config.collectors.items():
        if not collector.hosts:
            yield section, section, collector
            continue
        path = ("collectors", section, "hosts")
        pattern = re.compile(re.escape(collector.hosts).replace(r"\*", "(.*)"))
        found = {host: match for host in config.hosts if (match := pattern.fullmatch(host))}
        if not found:
            raise bad(path, f"no host is called {collector.hosts}", f"hosts are {', '.join(config.hosts) or 'none'}")
        if len(found) > 1 and (collector.hosts.count("*"), section.count("*")) != (1, 1):
            raise bad(path, "several hosts for one name", 'write one * in both: [collectors."tick_*"] hosts = "tick-*"')
        for host, match in found.items():
            own = match[1] if match.groups() else ""
            proxy = collector.proxy or config.hosts[host].proxy
            yield section, section.replace("*", own), msgspec.structs.replace(collector, hosts=host, proxy=proxy)


def check_placement(config: Config, bad: Bad) -> None:
    """Raises BadConfig for a process on several hosts that can run only once, for a name that is no process's, for a
    simulated exchange whose users run elsewhere, and for a standby that there cannot be."""
    for name, account in config.accounts.items():
        if account.standby and not config.hosts:
            raise bad(("accounts", name, "standby"), "a standby needs several hosts", "name them: [hosts.NAME]")
        if account.durability == "replicated" and not account.standby:
            raise bad(("accounts", name, "durability"), "replicated needs a standby", 'write standby = "HOST"')
    if not config.hosts:
        return
    if not config.cluster.servers:
        raise bad(
            ("hosts",), "several hosts, and no [cluster] to connect them", 'write servers = ["nats://127.0.0.1:4222"]'
        )
    names = [*processes_of(config)]
    for host, each in config.hosts.items():
        for pattern in each.processes:
            if pattern == GUARDIAN:
                todo = f'write standby = "{host}" in [accounts.NAME]'
                raise bad(("hosts", host, "processes"), "the guardian runs on each host that may run a gateway", todo)
            if not any(fnmatchcase(name, pattern) for name in names):
                there = f"there is {', '.join(names)}"
                raise bad(("hosts", host, "processes"), f"no process is called {pattern}", there)
    for name in names:
        found = hosts_of(config, name)
        has_standby = name.startswith("gateway:") and config.accounts[name.partition(":")[2]].standby
        if len(found) > 1 + bool(has_standby) and name not in _ON_SEVERAL:
            raise bad(("hosts", found[1], "processes"), f"{name} also runs on {found[0]}", "name it at one host")
    for name, account in config.accounts.items():
        if account.standby and account.standby not in config.hosts:
            raise bad(
                ("accounts", name, "standby"),
                f"no host is called {account.standby}",
                f"hosts are {', '.join(config.hosts)}",
            )
        if account.standby and account.standby == host_of(config, f"gateway:{name}"):
            raise bad(("accounts", name, "standby"), "its gateway runs there already", "choose another host")
    for kind, sections in (("gateway", config.accounts), ("collector", config.collectors)):
        for name, section in sections.items():
            venue = config.venues.get(section.venue)
            if venue is None or venue.mode != "sim" or venue.rest:
                continue
            own, its = host_of(config, f"{kind}:{name}"), host_of(config, f"venue:{section.venue}")
            if own != its:
                words = f"{kind}:{name} runs on {own}, and its simulated exchange on {its}"
                raise bad(
                    ("venues", section.venue),
                    words,
                    "name both at one host, or start `onetape sim` and write rest and ws",
                )


def local_proxies(config: Config) -> list[str]:
    """Returns the proxies for this host to check: all but those that only other hosts use."""
    users = [("gateway", name, each.proxy) for name, each in config.accounts.items()]
    users += [("collector", name, each.proxy) for name, each in config.collectors.items()]
    remote = {proxy for kind, name, proxy in users if not is_local(config, f"{kind}:{name}")}
    used = {proxy for kind, name, proxy in users if is_local(config, f"{kind}:{name}")}
    return [name for name in config.proxies if name in used or name not in remote]


def processes_of(config: Config) -> Iterator[str]:
    """Yields the names of all processes that a host may be chosen for."""
    for kind, sections in (
        ("venue", config.venues),
        ("gateway", config.accounts),
        ("collector", config.collectors),
        ("robot", config.robots),
    ):
        yield from (f"{kind}:{name}" for name in sections)
    yield from (HUB, RECORDER, CONTROL, DASHBOARD, TELEGRAM)
