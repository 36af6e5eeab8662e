"""Provide `onetape init`: create a folder to begin in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import UsageError

if TYPE_CHECKING:
    from onetape.model.sections import Config
    from onetape.security.secret_keys import SecretKey

MARK = "@CREDENTIALS@\n"  # marks in a template, where these are inserted
SERVICE_CREDENTIALS = "/run/credentials/onetape.service"
# File to write -> the package and file it comes from.
TEMPLATES = {
    "onetape.toml": ("onetape.cli", "templates/onetape.toml"),
    "strategies/market_maker.py": ("onetape.cli", "templates/market_maker.py"),
    "strategies/cross.py": ("onetape.strategies", "cross.py"),
}
PAIR = {"onetape.toml": ("onetape.cli", "templates/pair.toml")}
PAIR_KINDS = "pacifica,aster,binance-usdm"
ROLES = ("main", "hedge", "backup")  # of the accounts of a pair
CLUSTER = {
    "onetape.toml": ("onetape.cli", "templates/cluster.toml"),
    "strategies/market_maker.py": ("onetape.cli", "templates/market_maker.py"),
}
SERVERS = 3  # NATS servers of the example
SIM_SEED = 1
CLUSTER_STEPS = """\
wrote {names}

Next, each in a terminal of its own or with & at its end:
{cd}  onetape sim binance-usdm --port 9001 --seed 1
  nats-server -c nats/1.conf                           and nats/2.conf, nats/3.conf
Then:
  for host in desk spare trade; do ONETAPE_CLUSTER__HOST=$host onetape up --home $host; done
  onetape status --all --home trade
  onetape failover gateway:main --home desk            spare runs it now
  for host in trade spare desk; do onetape down --home $host; done
"""
# For a server, beside an existing onetape.toml.
DEPLOYED = {
    "deploy/onetape.service": ("onetape.cli", "templates/deploy/onetape.service"),
    "deploy/onetape.sysusers": ("onetape.cli", "templates/deploy/onetape.sysusers"),
    "deploy/Containerfile": ("onetape.cli", "templates/deploy/Containerfile"),
    ".containerignore": ("onetape.cli", "templates/deploy/containerignore"),
}
DEPLOY_STEPS = """\
wrote {names}

Each begins with what to do. Keys are credentials of the service:
none is in a file of yours, nor in an image.
"""
PAIR_STEPS = """\
wrote {names}

Next:
{cd}{installs}  onetape up                                           exchanges, gateways, guardian, control plane, pages
  curl http://localhost:3000/api/v1/system/status      then http://localhost:3000/docs has all calls
  onetape down
"""
NEXT_STEPS = """\
wrote {names}

Next:
{cd}  onetape doctor                                       is everything in place?
  onetape sample --out market.tape                     a market to try it on
  onetape backtest strategies/cross.py --data market.tape
  onetape run strategies/market_maker.py --paper       the robot of onetape.toml, on paper
  onetape up                                           all of onetape.toml, and a link to its pages; then status, down
"""


@verb("init", example="onetape init trading")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@click.option("--deploy", is_flag=True, help="A systemd unit and a Containerfile, for a server.")
@click.option("--delta-neutral", is_flag=True, help="Simulated exchanges and the REST control plane.")
@click.option(
    "--venues", default="", metavar="KIND,KIND", help=f"Two or three for --delta-neutral.  [default: {PAIR_KINDS}]"
)
@click.option("--cluster", is_flag=True, help="Three hosts and three NATS servers, on this machine.")
def command(shell: Shell, folder: Path, deploy: bool, delta_neutral: bool, venues: str, cluster: bool) -> Answer:
    """Write a commented onetape.toml and two example strategies into DIR [default: here].

    Nothing is overwritten: if one of the files exists, none is written. --deploy, in a folder with an onetape.toml,
    writes a systemd unit and a Containerfile: least rights, no key in a file. --delta-neutral writes a configuration
    with offsetting positions at two or three venues. --cluster writes one for three hosts, which are homes of this
    machine.
    """
    if venues and not delta_neutral:
        raise UsageError("--venues without --delta-neutral", location="--venues", todo="add --delta-neutral")
    sections = _pair_sections(venues or PAIR_KINDS) if delta_neutral else {}
    if cluster:
        return _cluster(
            folder, [name for name, has in (("--deploy", deploy), ("--delta-neutral", delta_neutral)) if has]
        )
    has_config = (folder / "onetape.toml").is_file()
    if deploy and delta_neutral and has_config:
        todo = "remove it, or name another folder"
        raise UsageError(f"{folder / 'onetape.toml'} exists already", location="--delta-neutral", todo=todo)
    wanted = {**({} if deploy and has_config else PAIR if delta_neutral else TEMPLATES), **(DEPLOYED if deploy else {})}
    targets = {folder / name: template for name, template in wanted.items()}
    _check_free(targets)
    for path, (package, name) in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x": do not overwrite a file that appeared meanwhile.
        with path.open("x", encoding="utf-8") as out:
            text = files(package).joinpath(name).read_text(encoding="utf-8")
            for mark, lines in sections.items():
                text = text.replace(mark, lines)
            out.write(text.replace(MARK, _credentials(folder)) if MARK in text else text)
    written = [str(path) for path in targets]
    cd = "" if folder == Path() else f"  cd {folder}\n"
    steps = DEPLOY_STEPS if deploy else PAIR_STEPS if delta_neutral else NEXT_STEPS
    installs = steps_to_install((venues or PAIR_KINDS).split(",")) if delta_neutral else ""
    shown = steps.format(names=", ".join(written), cd=cd, installs=installs).rstrip()
    return Answer({"folder": str(folder.absolute()), "written": written}, shown)


def steps_to_install(kinds: Iterable[str]) -> str:
    """Returns the steps that install what these kinds of venues need and this environment lacks."""
    from onetape.exchange.venues import facts_of
    from onetape.model.errors import NotAvailable

    lacking: dict[str, list[str]] = {}
    for kind in kinds:
        try:
            facts_of(kind).keys(SIM_SEED, kind)
        except NotAvailable as error:
            lacking.setdefault(error.todo, []).append(kind)
    return "".join(f"  {todo:<53}{', '.join(kinds)} cannot start without it\n" for todo, kinds in lacking.items())


def _pair_sections(text: str) -> dict[str, str]:
    """Returns the lines that stand for each mark of the pair's file. text: the kinds. Raises UsageError."""
    from onetape.exchange.venues import facts_of
    from onetape.model.symbol import parse_symbol

    kinds = text.split(",")
    if not 2 <= len(kinds) <= len(ROLES) or len({*kinds}) < len(kinds):
        raise UsageError(
            f"{text!r} are not two or three kinds of venues", location="--venues", todo="as hyperliquid,bybit"
        )
    names = {kind: kind.removesuffix("-usdm") for kind in kinds}
    accounts = {kind: f"{names[kind]}-{role}" for kind, role in zip(kinds, ROLES, strict=False)}
    symbols: dict[str, list[str]] = {"BTC": [], "ETH": []}
    for kind in kinds:
        listed = [(symbol, parse_symbol(symbol)) for symbol in facts_of(kind).symbols]
        for base, found in symbols.items():
            own = [symbol for symbol, each in listed if each.is_perpetual and each.base == base and each.settle != base]
            if not own:
                words = f"the simulated {kind} has no perpetual of {base} that settles in dollars"
                raise UsageError(words, location="--venues", todo="name another venue")
            found.append(own[0])
    modes = "                      # sim | demo (the venue's own test system) | live"
    sections = [f'[venues.{names[kind]}]\nkind = "{kind}"\nmode = "sim"' for kind in kinds]
    sections[-1] += modes
    quoted = {base: ", ".join(f'"{symbol}"' for symbol in found) for base, found in symbols.items()}
    pairs = [f'"{base}-USD" = [{found}]' for base, found in quoted.items()]
    alerts = 'utilization = "80%"\ndrawdown = "10%"'
    return {
        "# venues": "\n\n".join(sections),
        "SECOND": names[kinds[1]].upper(),
        "# accounts": "\n\n".join(f'[accounts.{accounts[kind]}]\nvenue = "{names[kind]}"' for kind in kinds),
        "# alerts": "\n\n".join(f"[accounts.{accounts[kind]}.alerts]\n{alerts}" for kind in kinds),
        "# symbols": "\n".join(pairs),
    }


def _check_free(targets: Iterable[Path]) -> None:
    if existing := [str(path) for path in targets if os.path.lexists(path)]:
        raise UsageError("init does not overwrite files", location=", ".join(existing), todo="name another folder")


def _cluster(folder: Path, others: list[str]) -> Answer:
    """Writes the example of three hosts: the file, its strategy, the simulated account's key, the servers' files."""
    from onetape.exchange.options import ACCOUNTS
    from onetape.exchange.venues import facts_of

    if others:
        raise UsageError(f"--cluster with {' and '.join(others)}", location="onetape init", todo="choose one")
    texts = {name: files(package).joinpath(file).read_text("utf-8") for name, (package, file) in CLUSTER.items()}
    kind = "binance-usdm"
    texts["key"], texts["secret"] = facts_of(kind).keys(SIM_SEED, f"{kind}/{ACCOUNTS[0]}")
    numbers = range(1, SERVERS + 1)
    for number in numbers:
        routes = ", ".join(f'"nats-route://127.0.0.1:{6220 + each}"' for each in numbers if each != number)
        texts[f"nats/{number}.conf"] = (
            f"server_name: n{number}\n"
            f"listen: 127.0.0.1:{4220 + number}\n"
            "# Version 2.10 and later: jetstream { ..., sync_interval: always }, to survive a loss of power.\n"
            f'jetstream {{ store_dir: "nats/{number}" }}\n'
            f"cluster {{ name: onetape, listen: 127.0.0.1:{6220 + number}, routes: [{routes}] }}\n"
        )
    _check_free(folder / name for name in texts)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as out:
            if name in ("key", "secret"):
                path.chmod(0o600)
            out.write(text)
    written = [str(folder / name) for name in texts]
    cd = "" if folder == Path() else f"  cd {folder}\n"
    shown = CLUSTER_STEPS.format(names=", ".join(written), cd=cd).rstrip()
    return Answer({"folder": str(folder.absolute()), "written": written}, shown)


def _credentials(folder: Path) -> str:
    """Returns the lines of the systemd unit with a credential for each secret of the configuration."""
    from onetape.model.config import SECRET_FORMS
    from onetape.store.config import load_config

    lines: list[str] = []
    for path, places, is_list in _secrets(load_config(folder / "onetape.toml", {})):
        plain = "-".join(path[path[0] == "accounts" :])
        values = []
        for number, place in enumerate(places, 1):
            name = f"{plain}-{number}" if is_list else plain
            is_secret = not place or place.startswith(SECRET_FORMS)  # a sink on this machine may have no secret
            values.append(f"file:%d/{name}" if is_secret else place)
            lines += [f"LoadCredentialEncrypted={name}:/etc/onetape/{name}.cred"] if is_secret else []
        value = json.dumps(values) if is_list else values[0]
        variable = f"ONETAPE_{'__'.join(path).upper()}"
        if re.fullmatch(r"\w+", variable, re.ASCII):
            lines.append(f"Environment='{variable}={value}'" if is_list else f"Environment={variable}={value}")
        else:  # not the name of a variable
            written = (value if is_list else json.dumps(value)).replace("%d", SERVICE_CREDENTIALS)
            lines.append(f"# In onetape.toml write {path[-1]} = {written} in [{'.'.join(path[:-1])}]")
    if not lines:
        lines = [
            "#LoadCredentialEncrypted=main-key:/etc/onetape/main-key.cred",
            "#Environment=ONETAPE_ACCOUNTS__MAIN__KEY=file:%d/main-key",
        ]
    return "\n".join(lines) + "\n"


def _secrets(config: Config) -> Iterator[SecretKey]:
    """Yields the keys of the configuration with a secret, or whose use needs one."""
    from onetape.model.config import SECRET_FORMS
    from onetape.security.secret_keys import secret_keys

    for key in secret_keys(config):
        path, places, _ = key
        if path[0] == "accounts":
            if config.venues[config.accounts[path[1]].venue].mode == "sim":
                continue
            is_wanted = any(places) or path[2] in ("key", "secret")
        else:
            is_wanted = any(place.startswith(SECRET_FORMS) for place in places)
        if is_wanted:
            yield key
