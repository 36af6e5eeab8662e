"""`onetape sim kraken` as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import Wire
from waiting import PATIENCE_S


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_venue_says_its_addresses_on_standard_output_and_stops_when_asked(tmp_path, options):
    command = [str(Path(sys.executable).parent / "onetape"), "sim", "kraken", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            answer = json.loads(process.stdout.readline())
            assert (answer["venue"], answer["ws"][-3:]) == ("kraken", "/v2")
            account = answer["accounts"][0]
            port = int(answer["rest"].rpartition(":")[2])
            client = KrakenClient(Wire(port), account["key"], account["secret"])
            assert float(client.ask("Balance")[0]["ZUSD"]) == float(account["balances"]["USD"])
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(PATIENCE_S)
    assert code == 0
