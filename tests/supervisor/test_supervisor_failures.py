"""A supervisor whose own work fails goes on with it: nobody starts a supervisor again."""

from __future__ import annotations

from pathlib import Path

from onetape.model.errors import OnetapeError
from worlds.command_lines import CLEAN
from worlds.supervised import Home

CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[retention]
every = "1s"
"""
# In the supervisor: a request, or retention, raises once where a file says so.
PLANTED = """
import sys
if "onetape.supervisor.main" in sys.orig_argv:
    import os
    from pathlib import Path
    from onetape.supervisor import retention
    from onetape.supervisor.supervisor import Supervisor
    def planted(name, do):
        file = Path(os.environ["PLANTED"])
        def work(*given):
            if file.exists() and file.read_text() == name:
                file.unlink()
                raise RuntimeError("planted in " + name)
            return do(*given)
        return work
    Supervisor.status = planted("a request", Supervisor.status)
    retention.retain = planted("retention", retention.retain)
"""


def test_a_supervisor_goes_on_after_what_its_work_raised(tmp_path: Path, monkeypatch) -> None:
    planted, plant = tmp_path / "planted", tmp_path / "plant"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setitem(CLEAN, "PYTHONPATH", str(planted))
    monkeypatch.setitem(CLEAN, "PLANTED", str(plant))
    folder = tmp_path / "home"
    folder.mkdir()

    def answers(home: Home) -> bool:
        try:
            return home.now()["running"]
        except OnetapeError:
            return False

    with Home(folder, CONFIG) as home:
        home.run("up")
        supervisor = home.process("supervisor")["pid"]
        for _ in range(2):
            for name in ("a request", "retention"):
                plant.write_text(name)
                if name == "a request":
                    answers(home)
                home.wait_for(lambda: not plant.exists())
                home.wait_for(lambda n=name: f"{n} raised RuntimeError: planted in" in home.log())
                home.wait_for(lambda: answers(home))
        assert home.process("supervisor")["pid"] == supervisor
        home.wait_for(lambda: home.log().count("raised RuntimeError") == 4)
