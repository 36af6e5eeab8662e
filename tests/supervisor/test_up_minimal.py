"""`onetape up --minimal`: the fewest processes that trade safely, and nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

from onetape.model.config import parse_config
from onetape.supervisor.options import minimal
from onetape.supervisor.start import children_of
from worlds.supervised import MAKER, Home

WHOLE = """
[venues.x]
kind = "binance-usdm"
[venues.unused]
kind = "kraken"
[accounts.main]
venue = "x"
[collectors.ws]
venue = "x"
[collectors.news]
kind = "zeromq"
address = "tcp://127.0.0.1:5561"
[hub]
[recorder]
[control]
[metrics]
port = 0
[retention]
older = "1d"
[robots.mm]
strategy = "maker.py"
account = "main"
[robots.mm.variants.v]
"""


def names(config) -> list[str]:
    return [child.name for child in children_of(config)]


def test_what_no_robot_needs_is_left_out_and_a_guardian_is_there():
    config = parse_config(WHOLE)
    assert len(names(config)) == 10
    assert names(minimal(config)) == ["venue:x", "gateway:main", "guardian", "robot:mm"]
    hears = parse_config(WHOLE.replace('account = "main"', 'account = "main"\nstreams = ["news", "ws"]'))
    assert names(minimal(hears))[1:3] == ["collector:ws", "collector:news"]
    # What was not recorded stays until it is.
    assert (config.retention.older, minimal(config).retention.older) == ("1d", "")
    off = parse_config(f"{WHOLE}[guardian]\nenabled = false\n")
    assert "guardian" in names(minimal(off))


def test_it_trades_with_a_stop_at_the_venue_and_the_whole_takes_over(tmp_path: Path):
    config = WHOLE.replace("[control]\n", "").replace("[metrics]\nport = 0\n", "")
    config = config.replace('[collectors.news]\nkind = "zeromq"\naddress = "tcp://127.0.0.1:5561"\n', "")
    with Home(tmp_path, config, MAKER) as home:
        up = home.run("up", "--minimal")
        four = ["supervisor", "venue:x", "gateway:main", "guardian", "robot:mm"]
        assert [each["name"] for each in up["processes"]] == four
        assert {each["state"] for each in up["processes"]} == {"running"}
        assert up["notes"] == ["without collector:ws, hub, recorder, variants:mm, venue:unused: --minimal"]
        home.wait_for(lambda: any(each["levels"] for each in home.run("stops")))
        home.wait_for(lambda: len(home.fills()) > 2)
        home.run("restart", "robot:mm")
        assert [each["name"] for each in home.now()["processes"]] == four
        home.run("down")
        whole = home.run("up")
        assert {"hub", "recorder", "variants:mm"} <= {each["name"] for each in whole["processes"]}
        home.wait_for(lambda: home.run("ledger"))  # what was traded meanwhile is recorded
        home.run("down")
