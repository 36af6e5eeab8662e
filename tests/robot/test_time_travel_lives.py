"""Time travel through a live run of several lives: a robot that was killed and went on, at a
gateway and a simulated exchange, each a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from test_run_goes_on import KEEPER, config, over_restarts, started

from onetape.engine.incarnations import incarnations_of
from onetape.model.time import format_time
from onetape.replay.checkpoints import Checkpoints
from onetape.replay.replay import replay_run
from onetape.replay.time_travel import Traveller
from worlds.checkpointed import often
from worlds.supervised import Home


def test_every_life_of_a_run_is_opened(tmp_path: Path, monkeypatch) -> None:
    with Home(tmp_path, config(tmp_path, "on_fill", 2), KEEPER) as home:
        run = over_restarts(home, 2)
        # While it goes on, as far as it has come.
        now = format_time(incarnations_of(run / "journal")[-1].time)
        going = home.run("replay", str(run), "--until", now, "--step", "-1")
        assert going["state"]["life"] == 2 and len(going["steps"]) == 1
        late = home.run("replay", str(run), "--until", "2200-01-01")
        assert late["divergences"] == 0 and late["state"]["frames"] >= going["state"]["frames"]
        home.run("down")
        reported = started(run)
        first, second = incarnations_of(run / "journal")
        with Traveller(run) as traveller:
            # Through all of it: lives come one after the other, and the second one remembers.
            assert traveller.state()["life"] == 1
            starts = set()
            while not traveller.is_end:
                assert traveller.step(1 if traveller.life == 0 else 200) > 0
                state = traveller.state(0)
                starts.add((state["life"], state["memory"]["starts"], state["own"]["seen"]))
            assert starts == {(1, 1, 1), (2, 2, 1)}
            assert {each["starts"] for each in reported} == {1, 2}
            end = traveller.state()
            assert end["market"]["binance:BTC/USDT:USDT"]["quote"] is not None
            # Back over the kill: the last place of the first life, then into the second again.
            traveller.go(format_time(second.start))
            assert traveller.life == 1
            opened = traveller.state()
            back = opened["frames"]
            while traveller.life == 1:
                assert traveller.step(-100) > 0
            assert traveller.state()["memory"]["starts"] == 1
            while traveller.life == 0:
                assert traveller.step(1) == 1
            traveller.step(back - traveller.frames)
            assert traveller.state()["own"] == opened["own"]
        # The command, by a time in the first life, on the gateway's tape.
        shown = home.run("replay", str(run), "--until", format_time((first.start + first.time) // 2))
        assert shown["divergences"] == 0
        assert shown["state"]["life"] == 1 and shown["state"]["memory"]["starts"] == 1
        shown = home.run("replay", str(run), "--until", str(second.taken), "--step", "-2")
        assert shown["state"]["life"] == 2
        assert [each["frames"] for each in shown["steps"]] == [
            shown["state"]["frames"] - 1,
            shown["state"]["frames"] - 2,
        ]
        assert "divergence" not in replay_run(run, verify=True)
        wanted = {}
        with Traveller(run) as traveller:
            traveller.go(format_time(second.start))
            begin = traveller.frames
            for steps in (37, 41, 300):
                traveller.step(steps)
                wanted[traveller.frames] = traveller.state()
        # What a whole replay leaves behind opens the same, in each life.
        shutil.rmtree(run / "checkpoints", ignore_errors=True)  # a slow machine has made some
        often(monkeypatch, 5)  # the second life may be short
        assert replay_run(run)["divergences"] == 0
        assert Checkpoints(run, 2).places
        with Traveller(run) as traveller:
            traveller.go(format_time(second.start))
            for frames in (*wanted, *reversed(wanted)):
                traveller.step(frames - traveller.frames)
                assert traveller.state() == wanted[frames]
            assert not traveller.problem
            assert min(traveller.copies[1:]) > begin
