"""`onetape chaos` on the command line: what fails is its exit, and a traced seed leaves tapes that open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onetape.cli import main
from onetape.simulation import campaign


def test_the_command_ends_with_4_where_a_seed_fails(monkeypatch, capfd, tmp_path):
    def failing(seeds, workers, heard):
        return campaign.Campaign([campaign.Played(seed, 1.0, 1.0, "it broke", {}, "00") for seed in seeds])

    monkeypatch.setattr(campaign, "play_all", failing)
    assert main.run(["chaos", "--seeds", "2", "--seed", "5", "--json", "--home", str(tmp_path)]) == 4
    assert [each["seed"] for each in json.loads(capfd.readouterr().out)["failures"]] == [5, 6]


def test_a_seed_that_fails_is_said_at_once(monkeypatch, capfd, tmp_path):
    def stopped(seeds, workers, heard):
        heard(campaign.Played(next(iter(seeds)), 1.0, 1.0, "it broke", {}, "00"))
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "play_all", stopped)
    main.run(["chaos", "--seeds", "2", "--seed", "5", "--world", "World", "--venue", "okx", "--home", str(tmp_path)])
    assert "seed 5 failed: onetape chaos --seed 5 --world World --venue okx" in capfd.readouterr().err


def test_a_trace_is_of_one_seed(onetape, tmp_path):
    done = onetape("chaos", "--seeds", "2", "--trace", "--json", "--home", str(tmp_path))
    assert done.code == 2 and "--trace" in done.value["error"]["message"]


def test_a_traced_seed_leaves_tapes_that_open(onetape, tmp_path):
    arguments = ("--seed", "4", "--world", "System", "--hours", "0.01", "--trace", "--home", str(tmp_path))
    done = onetape("chaos", *arguments, "--json")
    assert done.code == 0, done.err
    runs = [path for name, path in done.value["tapes"].items() if " run-" in name]
    assert runs
    for path in runs:
        replayed = onetape("replay", str(Path(path).parent), "--verify", "--json")
        assert replayed.code == 0 and replayed.value["divergences"] == 0
    assert onetape("journal", "verify", done.value["tapes"]["a gateway"], "--json").code == 0
    assert onetape("chaos", *arguments).code == 2  # what was kept is not written over


@pytest.mark.parametrize(
    "arguments", [("--real", "--seeds", "2"), ("--real", "--trace", "--seed", "1"), ("--minutes", "2")]
)
def test_options_of_one_kind_of_campaign_do_not_go_with_the_other(onetape, arguments):
    assert onetape("chaos", *arguments, "--json").code == 2
