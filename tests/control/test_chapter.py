"""The REST interface, its command line and its agents over three simulated exchanges: real processes, real orders."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from onetape.control.client import ControlClient
from onetape.web.control_routes import BASE
from waiting import wait_for
from worlds.chromium_pipe import CHROMIUM
from worlds.command_lines import command_line
from worlds.pages import confirm, faults_of_access, fill_in, go, page_of, press, text
from worlds.supervised import Home

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "delta-neutral.md"
PAIR = ["pacifica-main", "aster-hedge"]
CONTROL = {"targetDelta": 0.0, "accounts": PAIR, "maxDeviation": 0.1, "symbol": "BTC-USD"}
HEDGE = {
    "symbol": "BTC-USD",
    "targetAccounts": ["pacifica-main"],
    "hedgeAmount": 0.25,
    "hedgeStrategy": "same-platform",
}
REBALANCE = {"targetUtilization": 0.75, "accounts": PAIR, "symbol": "BTC-USD", "dryRun": True}
ORDER = {"orderId", "accountId", "symbol", "amount", "side", "executedPrice", "fees", "timestamp"}


class Pair(NamedTuple):
    home: Home
    url: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        url = urlsplit(self.url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=60)
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): each for name, each in headers.items()}}
        connection.request(method, BASE + path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        return self.call("POST", path, body, **headers)

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self.call("GET", path, **headers)

    def net(self) -> float:
        """Of the pair, as the control plane knows it: a venue counts each question about it."""
        (symbol,) = self.get("/delta/status?symbol=BTC-USD")[1]["symbols"]
        return float(sum(each["delta"] for each in symbol["legs"] if each["accountId"] in PAIR))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    assert command_line(["init", "--delta-neutral", "pair"], folder)[0] == 0
    config = (folder / "pair" / "onetape.toml").read_text()
    assert "port = 3000" in config
    with Home(folder / "pair", config.replace("port = 3000", "port = 0")) as home:
        made = Pair(home, home.run("up")["control"])

        def is_ready() -> bool:
            symbols = made.get("/delta/status?symbol=BTC-USD")[1]["symbols"]
            legs = symbols[0]["legs"]
            return len(legs) == 3 and not any(each["refusal"] or not sees_depth(each["accountId"]) for each in legs)

        def sees_depth(account: str) -> bool:
            """Its quote is there first, and what stands at the best price alone is less than is traded here."""
            request = {**HEDGE, "targetAccounts": [account], "dryRun": True}
            return all(made.post("/hedge/execute", {**request, "side": side})[1]["success"] for side in ("buy", "sell"))

        wait_for(is_ready, lambda: (made.get("/delta/status"), home.log()))
        yield made


@pytest.fixture(autouse=True)
def _no_alert_blocks(pair: Pair) -> None:
    """On a busy machine an alert of a late process may go on, and blocks every trade until it ends."""
    wait_for(lambda: not any(each["data"]["blocks"] for each in pair.get("/risk/alerts")[1]), pair.home.log)


def test_a_dry_run_shows_the_plan_and_moves_nothing_then_the_delta_is_opened_and_closed_once(pair: Pair) -> None:
    before = pair.net()
    # A market may be silent for a moment on a busy machine.
    status, plan = wait_for(
        lambda: (reply := pair.post("/hedge/execute", {**HEDGE, "dryRun": True}))[1]["success"] and reply
    )
    assert (status, plan["status"], plan["executedOrders"]) == (200, "planned", [])
    (leg,) = plan["plan"]["legs"]
    assert (leg["accountId"], leg["side"], leg["amount"]) == ("pacifica-main", "buy", 0.25)
    assert leg["cost"]["fee"] > 0 and leg["checks"] and plan["plan"]["expectedCost"] > 0
    assert pair.net() == before == 0

    status, opened = pair.post("/hedge/execute", HEDGE)
    assert (status, opened["success"], opened["status"]) == (200, True, "completed"), opened
    assert opened["netDeltaChange"] == pytest.approx(0.25, abs=0.001) and opened["slippage"] <= 0.005
    (order,) = opened["executedOrders"]
    assert order.keys() >= ORDER and opened["totalCost"] == pytest.approx(order["amount"] * order["executedPrice"])
    assert pair.net() == pytest.approx(0.25, abs=0.001)

    status, closed = pair.post("/delta/control", CONTROL, Idempotency_Key="bar-1")
    assert status == 200 and closed["success"] and closed["adjustmentNeeded"], closed
    assert (closed["initialDelta"], closed["accountsProcessed"]) == (pytest.approx(0.25, abs=0.001), PAIR)
    assert abs(closed["finalDelta"]) <= 0.05 and closed["deltaDeviation"] == abs(closed["finalDelta"])
    assert re.fullmatch(r"delta-ctrl-\d{8}-\d{3,}", closed["operationId"])
    hops = [hop for chain in pair.home.run("trace", closed["operationId"]) for hop in chain["hops"]]
    assert {"control", f"gateway:{closed['hedgeResults']['executedOrders'][0]['accountId']}"} <= {
        hop["process"] for hop in hops
    }
    assert {"command", "intent", "fill", "entry", "reply"} <= {hop["what"] for hop in hops}
    status, synced = pair.post("/account/sync", {"accounts": PAIR, "includePositions": True})
    assert (status, sorted(synced["syncedAccounts"])) == (200, sorted(PAIR)), synced
    assert sum(each["netPosition"] for each in synced["accountStates"]) == pytest.approx(closed["finalDelta"])
    assert pair.post("/delta/control", CONTROL, Idempotency_Key="bar-1") == (200, closed)
    status, operation = pair.get(f"/operations/{closed['operationId']}")
    assert (operation["done"], operation["answer"]) == (True, closed) and operation["records"]

    status, idle = pair.post("/delta/control", CONTROL)
    assert (idle["adjustmentNeeded"], idle["totalAdjustments"], idle["success"]) == (False, 0, True) and idle["reason"]


# The chapter's replies, field by field. `?` behind a name: it may be null or not there. num: a finite number; share: of
# 1; count: an integer from 0; time: ms UTC of this hour or null, where nothing has happened yet; ms: a span.
REPLIES = {
    "order": "orderId:str accountId:account symbol:symbol amount:num side:buy|sell executedPrice:num fees:num "
    "timestamp:time",
    "hedge": "success:bool executedOrders:[order] totalCost:num executionTime:ms netDeltaChange:num slippage:num "
    "error?:str",
    "control": "success:bool operationId:id timestamp:time initialDelta:num finalDelta:num deltaDeviation:num "
    "accountsProcessed:[account] totalAdjustments:count executionTime:ms adjustmentNeeded:bool hedgeResults?:hedge "
    "reason?:str error?:str",
    "action": "accountId:account action:increase|decrease|maintain currentUtilization:share targetUtilization:share "
    "adjustmentAmount:num",
    "use": "accountId:account currentUtilization:share targetUtilization:share deviationPercent:num "
    "withinTolerance:bool",
    "rebalance": "success:bool operationId:id timestamp:time accountsProcessed:[account] targetUtilization:share "
    "averageUtilization:share rebalanceNeeded:bool rebalanceActions:[action] utilizationMetrics:[use] executionTime:ms "
    "reason?:str error?:str",
    "metrics": "accountId:account deltaDeviation:num utilizationRate:share leverageRatio?:num unrealizedPnl:num "
    "maxDrawdown:share timestamp:time",
    "alert": "id:str type:delta-alert|utilization-alert|failover-alert|proxy-alert|risk-alert|stop-alert|process-alert|"
    "clock-alert|disk-alert|ledger-alert severity:INFO|WARN|CRITICAL accountId:text message:str "
    "timestamp:time data:object",
    "account_state": "accountId:account exchange:str totalBalance:num availableBalance:num netPosition:num "
    "unrealizedPnl:num entryPrice?:num currentPrice?:num leverage?:num lastUpdated:time",
    "sync": "success:bool syncedAccounts:[account] failedAccounts:[account] syncTime:ms accountStates:[account_state] "
    "errors?:[str]",
    "feed": "feedId:str status:healthy|degraded|failing latency?:ms lastUpdate:time errorCount:count",
    "feeds": "feeds:[feed] activeFeed?:str lastFailover?:time",
    "service": "name:str status:str lastHeartbeat:time errorCount:count",
    "performance": "avgResponseTime:ms operationsPerSecond:num memoryUsage:num cpuUsage:num",
    "system": "status:running|stopped|error uptime:ms services:[service] performance:performance activeAccounts:count "
    "totalOperations:count",
}
CALLS: list[tuple[str, Any, str]] = [
    ("/delta/control", {**CONTROL, "dryRun": True}, "control"),
    ("/delta/control", {**CONTROL, "targetDelta": 0.1, "tolerancePercent": 0.01}, "control"),
    ("/delta/control", CONTROL, "control"),
    ("/hedge/execute", {**HEDGE, "dryRun": True}, "hedge"),
    ("/hedge/execute", {**HEDGE, "hedgeAmount": 0.02, "side": "buy"}, "hedge"),
    ("/hedge/execute", {**HEDGE, "hedgeAmount": 0.02, "side": "sell"}, "hedge"),
    ("/utilization/rebalance", REBALANCE, "rebalance"),
    ("/account/sync", {"accounts": PAIR, "includePositions": True, "includeBalances": True}, "sync"),
    ("/risk/metrics/pacifica-main", None, "metrics"),
    ("/risk/alerts?all=true", None, "[alert]"),
    ("/risk/alerts?severity=CRITICAL&accountId=pacifica-main&type=delta-alert", None, "[alert]"),
    ("/risk/history/pacifica-main?limit=5", None, "[metrics]"),
    ("/risk/metrics/pacifica-main/history?limit=5&since=0", None, "[metrics]"),
    ("/market/feeds", None, "feeds"),
    ("/market-data/status", None, "feeds"),
    ("/system/status", None, "system"),
]


def faults_of(value: Any, kind: str, at: str = "") -> list[str]:
    """Returns what of an answer is not as the chapter has it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    match kind:
        case "str" | "id" | "account" | "symbol":
            well = isinstance(value, str) and bool(value)
            well &= kind != "id" or re.fullmatch(r"[a-z-]+-\d{8}-\d{3,}", value) is not None
            well &= kind != "account" or value in (*PAIR, "binance-backup")
            well &= kind != "symbol" or value == "BTC-USD"
        case "text":  # of an alert of the system: it is of no account
            well = isinstance(value, str)
        case "bool" | "object":
            well = isinstance(value, bool if kind == "bool" else dict)
        case "num" | "share" | "ms":
            well = is_number and (kind == "num" or value >= 0) and (kind != "share" or value <= 1)
        case "count":
            well = is_number and isinstance(value, int) and value >= 0
        case "time":
            well = isinstance(value, int) and abs(value - time.time() * 1000) < 3_600_000
        case _ if kind.startswith("["):
            if isinstance(value, list):
                return [each for n, row in enumerate(value) for each in faults_of(row, kind[1:-1], f"{at}[{n}]")]
            well = False
        case _ if kind in REPLIES:
            if not isinstance(value, dict):
                return [f"{at} is no object: {value!r}"]
            found = []
            for field in REPLIES[kind].split():
                name, _, form = field.partition(":")
                if value.get(name.rstrip("?")) is None:
                    found += [] if name.endswith("?") else [f"{at}.{name} is not there"]
                else:
                    found += faults_of(value[name.rstrip("?")], form, f"{at}.{name.rstrip('?')}")
            return found
        case _:
            well = value in kind.split("|")
    return [] if well else [f"{at} is no {kind}: {value!r}"]


@pytest.mark.parametrize(("path", "body", "kind"), CALLS)
def test_every_reply_has_the_fields_of_the_chapter_with_their_types_and_units(
    pair: Pair, path: str, body: Any, kind: str
) -> None:
    """A market may be silent for a moment on a busy machine: then a call is refused, with a reply of its own."""

    def answered() -> tuple[int, Any] | None:
        status, answer = pair.get(path) if body is None else pair.post(path, body)
        return (status, answer) if status < 500 else None

    status, answer = wait_for(answered, lambda: pair.home.log())
    assert status == 200, answer
    assert faults_of(answer, kind) == []


@pytest.mark.parametrize(
    ("path", "keys"), [("/symbols", {"symbols"}), ("/delta/status", {"symbols"}), ("/caller", {"actor", "scopes"})]
)
def test_what_is_read_has_the_fields_of_the_interface(pair: Pair, path: str, keys: set[str]) -> None:
    status, answer = pair.get(path)
    assert status == 200 and answer.keys() >= keys, answer


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/risk/metrics/nobody", None, 404, 1001),
        ("/delta/control", {**CONTROL, "accounts": ["nobody"]}, 404, 1001),
        ("/account/sync", {"accounts": ["nobody"]}, 404, 1001),
        ("/delta/control", {**CONTROL, "targetDelta": 1e6}, 409, 1002),
        ("/delta/control", {**CONTROL, "maxDeviation": 7}, 400, 4501),
        ("/delta/control", {**CONTROL, "symbol": "NOT-USD"}, 400, 4503),
        ("/delta/control", {**CONTROL, "accounts": []}, 400, 4501),
        ("/delta/control", {**CONTROL, "typo": 1}, 400, 4501),
        ("/hedge/execute", {**HEDGE, "hedgeAmount": -0.1}, 400, 4501),
        ("/hedge/execute", {**HEDGE, "hedgeStrategy": "best"}, 400, 4501),
        ("/utilization/rebalance", {**REBALANCE, "targetUtilization": 1.5}, 400, 4501),
        ("/utilization/rebalance", {**REBALANCE, "maxRebalanceAmount": -1}, 400, 4501),
        ("/risk/history/pacifica-main?limit=0", None, 400, 4501),
        ("/risk/alerts?severity=LOUD", None, 400, 4501),
        ("/operations/nothing", None, 404, 4501),
    ],
)
def test_a_refusal_has_its_number_its_status_and_what_to_do(
    pair: Pair, path: str, body: Any, status: int, code: int
) -> None:
    got, answer = pair.get(path) if body is None else pair.post(path, body)
    assert (got, answer["code"], answer["success"]) == (status, code, False), answer
    assert answer["error"] and answer["solution"]


def test_a_feed_that_is_not_there_is_refused_and_the_active_one_stays(pair: Pair) -> None:
    before = pair.get("/market/feeds")[1]["activeFeed"]
    for path in ("/market/failover", "/market-data/failover"):
        status, answer = pair.post(path, {"targetFeed": "nowhere", "reason": "a test"})
        assert status in (400, 404, 503) and answer["code"] and answer["solution"]
    assert pair.get("/market/feeds")[1]["activeFeed"] == before


def test_an_account_whose_gateway_hangs_is_named_within_its_time(pair: Pair) -> None:
    with pair.home.frozen("gateway:aster-hedge"):
        status, answer = pair.post("/account/sync", {"accounts": ["binance-backup", "aster-hedge"], "timeout": 4000})
    assert (status, answer["syncedAccounts"], answer["failedAccounts"]) == (200, ["binance-backup"], ["aster-hedge"])
    assert [each.split(" ")[1] for each in answer["errors"]] == ["2001"]


def test_the_command_line_says_what_the_interface_says(pair: Pair) -> None:
    home, accounts = pair.home, ["--symbol", "BTC-USD", "--accounts", ",".join(PAIR)]
    plan = home.run("hedge", *accounts, "--amount", "0.1", "--side", "sell", "--dry-run")
    assert (plan["status"], plan["plan"]["legs"][0]["side"]) == ("planned", "sell")
    done = [home.run("hedge", *accounts, "--amount", "0.1", "--side", "sell", "--id", "cli-1") for _ in range(2)]
    assert done[0]["status"] == "completed" and done[1] == done[0]
    (held,) = home.run("delta", "status", "--symbol", "BTC-USD")["symbols"]
    assert held["netDelta"] == pytest.approx(-0.1, abs=0.001)
    code, text, _ = command_line(["delta", "control", *accounts, "--dry-run"], home.folder)
    assert code == 0 and re.search(r"plan, .*expected cost [\d.]+", text) and "passed" in text
    code, text, _ = command_line(["delta", "control", *accounts], home.folder)
    assert code == 0 and "executed:" in text and re.search(r"sequences \d+", text)
    assert home.run("delta", "control", "--symbol", "BTC-USD")["adjustmentNeeded"] is False
    refused = home.run("delta", "control", *accounts, "--max-deviation", "7", code=3)
    assert (refused["error"]["code"], refused["code"], refused["solution"] != "") == (4501, 4501, True)
    beyond = home.run("delta", "control", *accounts, "--target", "500", "--dry-run", code=5)
    assert beyond["error"]["code"] == beyond["plan"]["blocked"][0]["code"] == 1002
    assert home.run("delta", "control", *accounts, "--target", "1e400", code=2)["error"]["name"] == "BAD_CONFIG"
    assert home.run("hedge", "--symbol", "BTC-USX", "--amount", "1", code=3)["error"]["name"] == "UNKNOWN_SYMBOL"


def test_each_leg_has_stops_that_rest_at_its_venue(pair: Pair) -> None:
    legs = {"pacifica-main": "buy", "aster-hedge": "sell", "binance-backup": "buy"}
    for account, side in legs.items():
        hedge = {**HEDGE, "symbol": "ETH-USD", "targetAccounts": [account], "hedgeAmount": 0.3, "side": side}
        assert pair.post("/hedge/execute", hedge)[0] == 200

    def rows() -> list[dict[str, Any]]:
        return [row for row in pair.home.run("stops") if "ETH" in row["symbol"]]

    wait_for(lambda: len(found := rows()) == 3 and all(row["protected"] == 1 for row in found), rows)
    assert [len(row["levels"]) for row in rows()] == [3, 3, 3]
    assert pair.post("/delta/control", {**CONTROL, "symbol": "ETH-USD", "accounts": [*legs]})[0] == 200


def curls() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [command for block in blocks for command in re.findall(r"^curl .*?(?<!\\)$", block, re.M | re.S)]


def test_the_margin_in_use_is_looked_at_and_a_pair_is_held(pair: Pair) -> None:
    everybody = [*PAIR, "binance-backup"]
    status, plan = pair.post("/utilization/rebalance", {**REBALANCE, "accounts": everybody})
    assert (status, plan["success"], len(plan["utilizationMetrics"])) == (200, True, 3), plan
    shown = pair.home.run("rebalance", "--symbol", "BTC-USD", "--target", "0.75", "--dry-run")
    assert [each["accountId"] for each in shown["utilizationMetrics"]] == everybody
    held = pair.home.run("delta", "auto", "on", "--symbol", "BTC-USD", "--band", "0.01", "--every", "100ms")
    assert held["pairs"][0]["settings"]["interval"] == 100
    wait_for(lambda: pair.home.run("delta", "auto")["pairs"][0]["decisions"])
    code, text, _ = command_line(["delta", "auto"], pair.home.folder)
    assert code == 0 and "BTC-USD  on" in text
    off = pair.home.run("delta", "auto", "off", "--symbol", "BTC-USD")
    assert off["pairs"][0]["settings"]["enabled"] is False


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_session_of_the_tutorial_runs_as_it_stands(pair: Pair) -> None:
    commands = curls()
    assert len(commands) >= 5
    for command in commands:
        line = command.replace("http://localhost:3000", pair.url) + " --fail-with-body --silent"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert json.loads(done.stdout) is not None
    assert abs(pair.net()) <= 0.05


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)")
def test_the_page_shows_pairs_and_deltas_and_trades_the_plan_of_its_dry_run(pair: Pair, tmp_path: Path) -> None:
    def net() -> float:
        return float(pair.get("/delta/status?symbol=BTC-USD")[1]["symbols"][0]["netDelta"])

    before = net()
    with page_of(pair.home, tmp_path) as page:
        go(page, "delta")
        page.wait("document.querySelectorAll('#pairs tbody tr').length >= 6")
        for name in ("BTC-USD", "ETH-USD", *PAIR, "binance-backup"):
            assert name in text(page, "#pairs")
        page.wait("document.querySelector('#plan select')?.value === 'BTC-USD'")
        for target in (0.2, 0.0):
            fill_in(page, "#plan input", str(target))
            press(page, "Dry run", "#plan")
            page.wait("document.querySelectorAll('#plan tbody tr').length >= 1")
            shown = text(page, "#plan")
            assert "expected cost" in shown and ("buy" if target else "sell") in shown
            if target:
                assert net() == before and faults_of_access(page) == []
                if "ONETAPE_PICTURES" in os.environ:
                    page.picture(Path(os.environ["ONETAPE_PICTURES"]) / "pages-delta.png")
            press(page, "Trade it ...", "#plan")
            confirm(page, "Trade", "trade")
            page.wait("document.querySelector('#plan')?.innerText.includes('Done: net delta')")
            assert net() == pytest.approx(target, abs=0.11)
            page.wait("document.querySelector('#pairs h3').innerText.includes('net')")
            shown_net = "document.querySelector('#pairs h3 .num').innerText.replace('net ', '').replace('\u2212', '-')"
            page.wait(f"Math.abs(Number({shown_net}) - {net()}) < 1e-5")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)")
def test_the_market_page_has_venues_side_by_side_with_the_spread_between_them(pair: Pair, tmp_path: Path) -> None:
    with page_of(pair.home, tmp_path) as page:
        go(page, f"market/aster-hedge/{quote('aster:BTC/USDT:USDT', safe='')}/1s")
        page.wait("document.querySelectorAll('#beside tr.chosen').length === 1")
        rows = (
            "[...document.querySelectorAll('#beside tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
        )
        page.wait(
            f"{rows}.filter(row => row[0].includes(':BTC/') && /^[-+\u2212]?[\\d.]+ bp$/.test(row[7])).length === 2"
        )
        page.wait(f"{rows}.every(row => /^[\\d.]+$/.test(row[4]) && /bp$/.test(row[6]))")
        table = {row[1]: row for row in page.js(rows) if ":BTC/" in row[0]}
        middle = {name: (float(row[4]) + float(row[5])) / 2 for name, row in table.items()}
        apart = float(table["pacifica-main"][7].removesuffix(" bp").replace("\u2212", "-"))
        assert apart == pytest.approx(10_000 * (middle["pacifica-main"] / middle["aster-hedge"] - 1), abs=0.1)
        page.wait("document.querySelectorAll('#beside svg path').length >= 3")
        assert faults_of_access(page) == []
        if "ONETAPE_PICTURES" in os.environ:
            page.picture(Path(os.environ["ONETAPE_PICTURES"]) / "pages-beside.png")


def test_once_there_is_a_token_it_is_asked_for_and_agents_trade_by_it(pair: Pair, monkeypatch: Any) -> None:
    """The last one: it closes the door of this home."""
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    import asyncio
    import sys

    from mcp import StdioServerParameters
    from mcp.client.client import Client
    from mcp.client.stdio import stdio_client

    home = pair.home
    token = home.run("token", "create", "agent", "--scope", "read,trade")["token"]
    status, answer = pair.get("/system/status")
    assert (status, answer["code"]) == (401, 3001)
    shown = {"Authorization": f"Bearer {token}"}
    assert pair.get("/system/status", **shown)[0] == 200
    status, answer = pair.post("/system/stop", {}, **shown)
    assert (status, answer["code"]) == (403, 3001)
    assert home.run("delta", "status", code=5)["error"]["name"] == "PERMISSION_DENIED"
    file = home.folder / "token"
    file.write_text(token)
    file.chmod(0o600)
    assert home.run("delta", "status", "--token-file", str(file))["symbols"]
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "onetape", "mcp", "--token-file", "token"], cwd=home.folder
    )

    async def session() -> tuple[Any, Any]:
        async with Client(stdio_client(server)) as client:
            plan = (await client.call_tool("hedge_execute", HEDGE)).structured_content
            done = await client.call_tool("hedge_execute", {**HEDGE, "dryRunId": plan["dryRunId"]})
            return plan, done.structured_content

    plan, done = asyncio.run(session())
    assert (plan["status"], done["status"], len(done["executedOrders"])) == ("planned", "completed", 1)
    with ControlClient(pair.url, token) as client:
        operation = client.operation(done["operationId"])
        assert operation.actor == "agent/mcp"
        assert client.delta_control(target_delta=0.0, accounts=PAIR, max_deviation=0.1, symbol="BTC-USD").success
    assert token not in home.log()
    assert all(token not in path.read_text(errors="replace") for path in (home.home / "journal").rglob("*.tape"))
