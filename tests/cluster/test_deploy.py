"""`onetape deploy` over a real ssh server: hosts with folders of their own, a release after the other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from long_form import LONG
from onetape.cluster.deploy import order_of
from onetape.cluster.release import release_of, wheel_of
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, NotAvailable, PermissionDenied
from waiting import wait_for
from worlds.command_lines import CLEAN, command_line
from worlds.nats_hosts import free_port, server
from worlds.ssh_server import ssh_server
from worlds.supervised import FAILS_AT_START, MAKER, Home

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
CONFIG = """
[cluster]
servers = ["nats://127.0.0.1:{nats}"]
[hosts.desk]
ssh = "-F {ssh} desk"
folder = "{folder}/at desk"
[hosts.trade]
ssh = "-F {ssh} trade"
folder = "{folder}/trade"
processes = ["robot:*"]
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
[robots.mm]
strategy = "maker.py"
account = "main"
"""
HOSTS = {"desk": "at desk", "trade": "trade"}


class Deployed(Home):
    """A folder whose two hosts are folders of the same machine."""

    def __init__(self, folder: Path, ssh: Path, nats: int, wheel: Path | None) -> None:
        own = folder / "own"
        own.mkdir()
        super().__init__(own, CONFIG.format(nats=nats, ssh=ssh, folder=folder))
        self.machines = {name: folder / place for name, place in HOSTS.items()}
        self.wheel = () if wheel is None else ("--wheel", str(wheel))

    def deploy(self, *words: str, code: int = 0):
        found = self.run("deploy", *words, *(() if "--rollback" in words else self.wheel), code=code)
        return {row["host"]: row for row in found["hosts"]}, found.get("error", {}).get("message", "")

    def at(self, host: str, *words: str) -> str:
        command = [self.machines[host] / "onetape", *words]
        return subprocess.run(command, env=CLEAN, capture_output=True, text=True, check=False, cwd="/").stdout

    def kill_all(self) -> None:
        for host, place in self.machines.items():
            if (place / "onetape").exists():
                self.at(host, "down")

    def release(self, host: str, link: str = "current") -> str:
        return (self.machines[host] / link).resolve().name

    def pids(self, host: str) -> dict[str, int]:
        home = Home.__new__(Home)
        home.home = self.machines[host] / "home"
        return {each["name"]: each["pid"] for each in home.now()["processes"]}


@pytest.fixture
def world(tmp_path) -> Iterator[Deployed]:
    """Both hosts have the environment of this wheel already: the one that runs these tests."""
    wheel = tmp_path / "onetape-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"of this environment")
    with ExitStack() as stack:
        nats = free_port()
        stack.enter_context(server(tmp_path, nats))
        made = Deployed(tmp_path, stack.enter_context(ssh_server(tmp_path)), nats, wheel)
        environment = release_of(made_config(made), made.folder / "onetape.toml", {}, wheel).environment
        for place in made.machines.values():
            there = place / "environments" / environment
            there.mkdir(parents=True)
            (there / "bin").symlink_to(Path(sys.executable).parent)
            (there / "ready").touch()
        yield stack.enter_context(made)


def made_config(world: Deployed):
    return parse_config((world.folder / "onetape.toml").read_text())


def test_hosts_are_prepared_started_replaced_and_go_back(world):
    rows, failed = world.deploy()
    assert failed == "" and [row["state"] for row in rows.values()] == ["running", "running"], rows
    assert [*rows] == ["trade", "desk"]  # who trades is last
    first = world.release("trade")
    wait_for(lambda: '"fills": []' not in world.at("desk", "fills", "--json"))
    before = {host: world.pids(host) for host in HOSTS}

    rows, _ = world.deploy()
    assert {row["state"] for row in rows.values()} == {"unchanged"}
    assert {host: world.pids(host) for host in HOSTS} == before

    # What cannot be loaded stops nothing; what fails as it starts goes back, and the other host is not touched.
    (world.folder / "maker.py").write_text("import nothing_of_that_name\n")
    rows, failed = world.deploy("--check", code=6)
    assert failed.startswith("trade: check: ") and "nothing_of_that_name" in failed
    assert {host: world.pids(host) for host in HOSTS} == before
    (world.folder / "maker.py").write_text(FAILS_AT_START)
    assert {row["state"] for row in world.deploy("--check")[0].values()} == {"prepared"}
    assert {host: world.pids(host) for host in HOSTS} == before
    rows, failed = world.deploy(code=6)
    assert failed.startswith("trade: ready: robot:mm failed") and "not today" in failed
    assert [row["state"] for row in rows.values()] == ["rolled_back", "prepared"]
    assert world.release("trade") == first and not (world.machines["trade"] / "previous").exists()
    assert world.pids("desk") == before["desk"]
    assert world.pids("trade")["robot:mm"] not in (0, before["trade"]["robot:mm"])

    (world.folder / "maker.py").write_text(MAKER + "# once more\n")
    rows, failed = world.deploy("trade")
    assert failed == "" and [*rows] == ["trade"]
    assert world.release("trade") != first and world.release("trade", "previous") == first
    rows, failed = world.deploy("trade", "--rollback")
    assert failed == "" and rows["trade"]["version"] == "0.1.0"
    assert world.release("trade") == first
    assert world.deploy("desk", "--rollback", code=6)[1] == "desk: check: there is no previous release"


def test_a_host_that_does_not_answer_stops_it_all_before_anything_is_stopped(world):
    file = world.folder / "onetape.toml"
    file.write_text(file.read_text().replace(' desk"\n', ' -p 1 desk"\n', 1))
    rows, failed = world.deploy(code=6)
    assert failed.startswith("desk: connect: ") and "refused" in failed
    assert [row["state"] for row in rows.values()] == ["prepared", "failed"]
    (world.machines["trade"] / "current").symlink_to("releases/none")  # somebody removed it
    assert world.deploy("trade", code=6)[1].startswith("trade: status: onetape status wrote ")
    world.wheel = ("--wheel", str(world.folder.parent / "onetape-0.1.0-cp39-cp39-linux_x86_64.whl"))
    Path(world.wheel[1]).touch()
    assert "cannot install onetape-0.1.0-cp39-cp39-linux_x86_64.whl" in world.deploy("trade", code=6)[1]


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ("", "there are no hosts"),
        ("[hosts.a]\n", "no host is reached"),
        ('[hosts.a]\nssh = "\'x"\n', "No closing quotation"),
    ],
)
def test_hosts_that_cannot_be_reached_are_named(tmp_path, hosts, words):
    wheel = tmp_path / "onetape-0.2.0-py3-none-any.whl"
    wheel.touch()
    (tmp_path / "onetape.toml").write_text('[cluster]\nservers = ["nats://127.0.0.1:1"]\n' + hosts)
    code, shown, _ = command_line(["deploy", "--wheel", str(wheel), "--json"], tmp_path)
    assert code == 2 and words in shown


def test_what_is_brought(tmp_path):
    (tmp_path / "strategies").mkdir()
    for name in ("strategies/a.py", ".hidden/b.py", "venv/lib.py", "venv/pyvenv.cfg", "models/m.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    wheel = tmp_path / "onetape-0.2.0-py3-none-any.whl"
    wheel.write_bytes(b"1")

    def made(text: str, environ: dict[str, str] | None = None):
        (tmp_path / "live.toml").write_text(text)
        return release_of(parse_config(text), tmp_path / "live.toml", environ or {}, wheel)

    (tmp_path / "ca.pem").write_text("certificates")
    text = '[cluster]\nservers = ["nats://127.0.0.1:1"]\nfiles = ["models/*"]\nca = "ca.pem"\n'
    release = made(text)
    assert sorted(release.files) == ["ca.pem", "models/m.json", "onetape.toml", "strategies/a.py"]
    assert release.version == "0.2.0" and made(text).name == release.name
    (tmp_path / "strategies" / "a.py").write_text("other")
    assert made(text).name != release.name and made(text).environment == release.environment
    with pytest.raises(BadConfig, match="no file matches"):
        made(text.replace("models", "none"))
    account = '[venues.x]\nkind = "binance-usdm"\n[accounts.a]\nvenue = "x"\n'
    outside = account + '[robots.r]\naccount = "a"\nstrategy = "../up.py"\n'
    with pytest.raises(BadConfig, match=r"\.\./up\.py is not below"):
        made(outside)


def test_a_secret_is_never_brought(tmp_path):
    wheel = tmp_path / "onetape-0.2.0-py3-none-any.whl"
    wheel.write_bytes(b"1")
    for name in ("key.py", "key"):
        (tmp_path / name).write_text("pass#canary-19")
        (tmp_path / name).chmod(0o600)
    accounts = '[venues.x]\nkind = "binance-usdm"\n[accounts.a]\nvenue = "x"\nkey = "{key}"\nsecret = "env:SECRET"\n'

    def made(key: str, **environ: str):
        (tmp_path / "onetape.toml").write_text(accounts.format(key=key))
        return release_of(parse_config(accounts.format(key=key)), tmp_path / "onetape.toml", environ, wheel)

    for key, environ in (("file:key.py", {}), ("file:key", {}), ("env:KEY", {"KEY": "pass#canary-19"})):
        with pytest.raises(PermissionDenied) as caught:
            made(key, **environ)
        assert "canary" not in str(caught.value)
    (tmp_path / "key.py").unlink()
    assert sorted(made("file:key").files) == ["onetape.toml"]


def test_those_that_trade_come_last_after_their_standbys():
    text = """
[cluster]
servers = ["nats://127.0.0.1:1"]
[hosts.desk]
[hosts.spare]
[hosts.tick]
processes = ["collector:*"]
[venues.x]
kind = "binance-usdm"
rest = "http://127.0.0.1:1"
ws = "ws://127.0.0.1:1"
[collectors.c]
venue = "x"
[accounts.main]
venue = "x"
key = "env:K"
secret = "env:S"
standby = "spare"
"""
    assert order_of(parse_config(text)) == ["tick", "spare", "desk"]


def test_a_package_that_runs_from_its_sources_is_no_wheel(tmp_path):
    with pytest.raises(NotAvailable, match="runs from its sources"):
        wheel_of(None)
    with pytest.raises(BadConfig, match="no wheel of onetape"):
        wheel_of(tmp_path / "other-1.whl")


@pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")
def test_a_bare_host_gets_a_package_that_is_packed_again(tmp_path):
    """The wheel is built and installed, and that installation brings itself to a host without anything."""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, root], check=True)
    (wheel,) = tmp_path.glob("onetape-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "own-python"], check=True)
    subprocess.run([tmp_path / "own-python/bin/pip", "install", "-q", f"{wheel}[cluster]"], check=True)
    with ExitStack() as stack:
        nats = free_port()
        stack.enter_context(server(tmp_path, nats))
        world = stack.enter_context(Deployed(tmp_path, stack.enter_context(ssh_server(tmp_path)), nats, None))
        shutil.rmtree(tmp_path / "at desk", ignore_errors=True)
        words = [tmp_path / "own-python/bin/onetape", "deploy", "--json"]
        done = subprocess.run(words, cwd=world.folder, env=CLEAN, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(lambda: '"fills": []' not in world.at("desk", "fills", "--json"))
