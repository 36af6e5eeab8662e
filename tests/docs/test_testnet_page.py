"""The tutorial to a test system can be followed: its configuration is valid, and at a simulated exchange its commands
work in its order."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from test_documents import FENCE

from onetape.store.config import load_config
from worlds.command_lines import command_line
from worlds.supervised import Home

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial" / "testnet.md"
BLOCKS = FENCE.findall(PAGE.read_text())
(CONFIG,) = (body for language, body in BLOCKS if language == "toml")
COMMANDS = [line for language, body in BLOCKS if language == "sh" for line in body.splitlines()]


def write(folder: Path) -> None:
    (folder / "strategies").mkdir()
    shutil.copy(ROOT / "strategies" / "cross.py", folder / "strategies" / "cross.py")
    for name in ("demo.key", "demo.secret"):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text("0123456789")


def test_its_configuration_is_valid(tmp_path):
    write(tmp_path)
    (tmp_path / "onetape.toml").write_text(CONFIG)
    config = load_config(tmp_path / "onetape.toml", dict(os.environ))
    assert config.venues["demo"].mode == "demo" and config.guardian is not None


def test_its_commands_work_at_a_simulated_exchange_in_their_order(tmp_path):
    write(tmp_path)
    with Home(tmp_path, CONFIG.replace('mode = "demo"', 'mode = "sim"')) as home:
        calls = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("onetape ")]
        assert [call[0] for call in calls][:2] == ["doctor", "up"] and calls[-1][0] == "replay"
        for call in calls[:-1]:
            if call[0] == "buy":
                assert home.buy(*call[1:])
                continue
            code, reported, said = command_line(call, tmp_path)
            assert code == 0, (call, reported, said)
        (run,) = (home.home / "runs").iterdir()
        assert home.run("replay", str(run), "--verify")["divergences"] == 0
