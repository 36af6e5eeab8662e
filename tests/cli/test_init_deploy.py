"""What `init --deploy` writes: a unit that systemd takes, with few rights, and an image without
secrets."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from onetape.security.secret_keys import secret_places
from onetape.store.config import load_config

LIVE = """
[venues.binance]
kind = "binance-usdm"
mode = "demo"
[accounts.main]
venue = "binance"
key = "env:KEY"
secret = "env:SECRET"
"""
WRITTEN = ["deploy/onetape.service", "deploy/onetape.sysusers", "deploy/Containerfile", ".containerignore"]
# Of 10: what systemd's own examples of a confined service come to.
EXPOSURE_MAX = 2.5


def service(folder: Path) -> str:
    return (folder / "deploy" / "onetape.service").read_text()


def test_all_of_it_in_a_new_folder(onetape, tmp_path):
    done = onetape("init", "mine", "--deploy", "--json")
    assert done.code == 0
    names = [name.partition("/")[2] for name in done.value["written"]]
    assert names == ["onetape.toml", "strategies/market_maker.py", "strategies/cross.py", *WRITTEN]
    assert "\nLoadCredential" not in service(tmp_path / "mine")  # a simulated exchange has no keys
    assert "@" not in re.sub(r"@system-service", "", service(tmp_path / "mine"))


def test_beside_a_configuration_that_is_there(onetape, tmp_path):
    (tmp_path / "onetape.toml").write_text(LIVE)
    done = onetape("init", "--deploy", "--json")
    assert done.value["written"] == WRITTEN
    assert (tmp_path / "onetape.toml").read_text() == LIVE
    said = service(tmp_path)
    for key in ("key", "secret"):
        assert f"\nLoadCredentialEncrypted=main-{key}:/etc/onetape/main-{key}.cred\n" in said
        variable = f"ONETAPE_ACCOUNTS__MAIN__{key.upper()}"
        assert f"\nEnvironment={variable}=file:%d/main-{key}\n" in said
    # Nothing is overwritten.
    assert onetape("init", "--deploy").code == 2


ALL = (
    LIVE
    + """
[accounts.pair-2]
venue = "binance"
key = "env:KEY2"
secret = "env:SECRET2"
[guardian.accounts.main]
key = "env:GUARD"
secret = "file:guard.secret"
[proxies.out]
url = "http://10.0.0.1:1080"
user = "me"
password = "env:PROXY"
[collectors.signals]
kind = "webhook"
address = "http://127.0.0.1:8000/x"
[webhooks.signals]
secret = "env:HOOK"
[s3]
key = "env:S3"
secret = "env:S3S"
[recorder]
url = "env:DATABASE"
[notify]
urls = ["env:SINK", "json://127.0.0.1:9/"]
[notify.telegram]
token = "env:BOT"
[notify.routes.phone]
urls = ["env:PHONE", "file:other"]
"""
)


def test_each_secret_of_the_configuration_is_a_credential_and_the_unit_reads_it(onetape, tmp_path):
    (tmp_path / "onetape.toml").write_text(ALL)
    assert onetape("init", "--deploy", "--json").code == 0
    lines = service(tmp_path).splitlines()
    loaded = {line.split("=")[1].partition(":")[0] for line in lines if line.startswith("LoadCredential")}
    singles = ["guardian-accounts-main-key", "guardian-accounts-main-secret", "proxies-out-password"]
    singles += ["webhooks-signals-secret", "s3-key", "s3-secret", "recorder-url", "notify-telegram-token"]
    listed = ["notify-urls-1", "notify-routes-phone-urls-1", "notify-routes-phone-urls-2"]
    assert loaded == {"main-key", "main-secret", "pair-2-key", "pair-2-secret", *singles, *listed}
    text = [line.removeprefix("Environment=").strip("'") for line in lines if line.startswith("Environment=")]
    variables = dict(line.split("=", 1) for line in text if line.startswith("ONETAPE_") and "__" in line)
    credentials = tmp_path / "credentials"
    config = load_config(
        tmp_path / "onetape.toml", {name: value.replace("%d", str(credentials)) for name, value in variables.items()}
    )
    places = {place for place in secret_places(config) if place.startswith("file:")}
    assert places == {f"file:{credentials}/{name}" for name in loaded if not name.startswith("pair-2")}
    assert config.notify.urls[1] == "json://127.0.0.1:9/"
    # A variable's name has no dash.
    folder = "/run/credentials/onetape.service"
    assert f'# In onetape.toml write key = "file:{folder}/pair-2-key" in [accounts.pair-2]' in lines


def test_a_configuration_that_cannot_be_read_is_said(onetape, tmp_path):
    (tmp_path / "onetape.toml").write_text("[accounts.main]\nvenue = 'nowhere'\n")
    done = onetape("init", "--deploy")
    assert done.code == 2
    assert "nowhere" in done.err


def test_the_image_has_no_root_and_nothing_but_what_is_named(onetape, tmp_path):
    onetape("init", "--deploy")
    lines = [
        line
        for line in (tmp_path / "deploy" / "Containerfile").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    at = {line.split()[0]: number for number, line in enumerate(lines)}
    assert at["USER"] < at["ENTRYPOINT"]
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--" not in line}
    ignored = (tmp_path / ".containerignore").read_text().splitlines()
    assert {name.rstrip("/") for name in copied} == {n[1:] for n in ignored if n.startswith("!")}
    assert "*" in ignored
    assert not [line for line in lines if re.search(r"key|secret|password", line, re.IGNORECASE)]


def test_the_image_takes_packages_by_their_hash_alone(onetape, tmp_path):
    """The lines of the file are run: with a wheel whose bytes have changed there is no image."""
    onetape("init", "--deploy")
    text = (tmp_path / "deploy" / "Containerfile").read_text()
    hashes = re.search(r"\((cd wheels && for .*requirements\.txt)\)", text)[1]
    options = re.search(r"bin/pip install (.*)", text)[1].split()
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny.py", "")
        file.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny-1.0.dist-info/RECORD", "")
    subprocess.run(["sh", "-c", hashes], cwd=tmp_path, check=True)

    def installed() -> int:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(tmp_path / "out"), *options]
        return subprocess.run(pip, cwd=wheels, capture_output=True).returncode

    assert installed() == 0
    wheel.write_bytes(wheel.read_bytes() + b"x")
    assert installed() != 0
    # The base is one argument, and what is not known of it is said.
    assert [line for line in text.splitlines() if line.startswith("FROM ")] == ["FROM ${BASE} AS build", "FROM ${BASE}"]
    assert "# NOT PINNED: " in text and "sha256:..." in text


# What the unit forbids, and how an engine of containers is told the same.
AS_STRICT = {
    "CapabilityBoundingSet=": "--cap-drop=all",
    "NoNewPrivileges=yes": "--security-opt=no-new-privileges",
    "ProtectSystem=strict": "--read-only",
    "LimitCORE=0": "--ulimit core=0:0",
    "LimitNOFILE=65536": "--ulimit nofile=65536:65536",
    "PrivateTmp=yes": "--tmpfs /tmp:rw,noexec,nosuid,nodev",
    "ProtectProc=invisible": "--pid=private",
    "RemoveIPC=yes": "--ipc=private",
    "TimeoutStopSec=90": "--stop-timeout=90",
}


def test_the_image_is_as_strict_as_the_unit(onetape, tmp_path):
    onetape("init", "--deploy")
    text = (tmp_path / "deploy" / "Containerfile").read_text()
    command = text.partition("podman run")[2].partition("\n#\n")[0]
    for rule, option in AS_STRICT.items():
        assert f"\n{rule}\n" in service(tmp_path), rule
        assert option in command, option
    # The program and what it runs are root's, and nobody else may write them.
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    mine = next(at for at, line in enumerate(lines) if "chmod -R u=rwX,go=rX /etc/onetape" in line)
    assert "chown -R root:root /etc/onetape /opt/onetape" in lines[mine]
    last = max(at for at, line in enumerate(lines) if line.startswith("COPY"))
    assert last < mine < next(at for at, line in enumerate(lines) if line.startswith("USER"))


@pytest.fixture
def unit(onetape, tmp_path) -> Path:
    """The unit with keys; the program is this one, for it must be there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze (Debian: apt-get install systemd)")
    (tmp_path / "onetape.toml").write_text(LIVE)
    onetape("init", "--deploy")
    path = tmp_path / "onetape.service"
    program = Path(sys.executable).parent / "onetape"
    path.write_text(service(tmp_path).replace("/opt/onetape/bin/onetape", str(program)))
    return path


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_takes_the_unit(unit):
    done = analyzed("verify", "--man=no", str(unit))
    about_ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, about_ours) == (0, [])
    # It would say what is wrong.
    unit.write_text(unit.read_text().replace("NoNewPrivileges=yes", "NoNewPrivilege=perhaps"))
    assert "NoNewPrivilege" in analyzed("verify", "--man=no", str(unit)).stderr


def test_systemd_finds_few_rights_in_the_unit(unit):
    done = analyzed("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done
    assert float(found[1]) <= EXPOSURE_MAX, done.stdout
