"""Runs the conformance cases of orders against a venue's address, and says what held.

    python tools/conform.py --rest https://demo-fapi.binance.com
    python tools/conform.py --simulated [--page docs/reference/conformance.md]

Key and secret come from the environment, ONETAPE_CONFORM_KEY and ONETAPE_CONFORM_SECRET; without
them nothing is sent. The account must be one that nobody else uses meanwhile: in one-way mode, flat
in BTC/USDT, without open orders. Cases trade: on an
account with real money they cost fees and spread, so an address that is neither this machine's nor
a demo's needs --live as well.

Results are kept with --keep in tests/certify/conformance_runs.json, by place (demo, live) with the
date; --simulated runs the cases in this process and --page writes the table of all of them.

Exit code: 0 all held, 1 one did not, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from certify.conformance import CASES, Desk  # noqa: E402
from certify.desks import http_desk  # noqa: E402

KEPT = ROOT / "tests" / "certify" / "conformance_runs.json"
DEMO = ("demo-fapi.binance.com", "testnet.binancefuture.com")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> int:
    parser = argparse.ArgumentParser(description="Conformance cases of orders at a venue.")
    parser.add_argument("--rest", help="address of Binance USD-M's REST interface")
    parser.add_argument("--simulated", action="store_true", help="a simulated exchange, made here")
    parser.add_argument("--live", action="store_true", help="trade with real money")
    parser.add_argument("--keep", action="store_true", help="write the results down, with the date")
    parser.add_argument("--page", type=Path, help="write the table of all that is known")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="C-01 ...; all without")
    options = parser.parse_args()
    if bool(options.rest) == options.simulated:
        parser.error("one of --rest URL and --simulated")
    if unknown := set(options.cases) - {case.id for case in CASES}:
        parser.error(f"no case {', '.join(sorted(unknown))}: C-01 to {CASES[-1].id}")
    if options.simulated:
        results = simulated(options.cases, "binance-usdm")
    else:
        venue = place_of(options.rest)
        if venue == "live" and not options.live:
            parser.error(f"{options.rest} is neither a demo nor this machine: --live is needed")
        key = os.environ.get("ONETAPE_CONFORM_KEY", "")
        secret = os.environ.get("ONETAPE_CONFORM_SECRET", "")
        if not (key and secret):
            parser.error("ONETAPE_CONFORM_KEY and ONETAPE_CONFORM_SECRET are not set")
        try:
            desk = http_desk(options.rest, key, secret)
            listed = desk.ask(desk.protocol.open_orders(desk.now())[0])
            if desk.position() or listed.reports:
                print("the account is not flat, or has open orders", file=sys.stderr)
                return 2
        except (OSError, ValueError, AssertionError) as error:
            print(f"{options.rest}: {error}", file=sys.stderr)
            return 1
        results = run(desk, options.cases, with_bans=venue == "here")
        if options.keep:
            keep(venue, results)
    if options.page:
        aster = simulated([], "aster") if options.simulated else {}
        options.page.write_text(page(results if options.simulated else {}, aster))
    return 1 if any(not row["held"] for row in results.values()) else 0


def place_of(rest: str) -> str:
    host = urlsplit(rest).hostname or ""
    return "here" if host in LOOPBACK else "demo" if host in DEMO else "live"


def run(desk: Desk, wanted: list[str], *, with_bans: bool) -> dict[str, dict]:
    """What each case gave. After one that failed, what it left open is cleaned up."""
    results = {}
    for case in CASES:
        if (wanted and case.id not in wanted) or (case.simulated_only and not with_bans):
            continue
        desk.rest()
        try:
            results[case.id] = {"held": True, "note": case.run(desk)}
        except (AssertionError, OSError, StopIteration) as error:
            results[case.id] = {"held": False, "note": " ".join(str(error).split())[:300]}
            tidy(desk)
        row = results[case.id]
        print(f"{case.id} {'held' if row['held'] else 'FAILED'} {case.name}{': ' + row['note'] if row['note'] else ''}")
    return results


def tidy(desk: Desk) -> None:
    try:
        for name in desk.open_ids():
            desk.cancel(name)
            desk.cancel(name, conditional=True)
        desk.flat()
    except (AssertionError, OSError) as error:
        print(f"left behind, look at the account: {error}", file=sys.stderr)


def simulated(wanted: list[str], kind: str) -> dict[str, dict]:
    """Each case against an exchange of its own, behind a socket."""
    from exchange.venue_client import served

    results: dict[str, dict] = {}
    for case in CASES:
        if wanted and case.id not in wanted:
            continue
        with served(kind) as (dialect, port):
            account = dialect.exchange.accounts[0]
            desk = http_desk(f"http://127.0.0.1:{port}", account.key, account.secret, kind)
            results |= run(desk, [case.id], with_bans=True)
    return results


def keep(venue: str, results: dict[str, dict]) -> None:
    recorded = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    day = time.strftime("%Y-%m-%d", time.gmtime())
    for number, row in results.items():
        recorded.setdefault("binance-usdm", {}).setdefault(venue, {})[number] = {**row, "date": day}
    KEPT.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


def page(results: dict[str, dict], aster: dict[str, dict]) -> str:
    """aster: what the cases gave there, simulated; nobody has tried them by hand."""
    recorded = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    day = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [
        "# Conformance of orders",
        "",
        "Run these numbered cases of order behavior against a venue's demo account. Every run of the tests runs",
        "them on the [simulated exchange](../concepts/simulated-exchanges.md), too.",
        "",
        "```sh",
        "export ONETAPE_CONFORM_KEY=... ONETAPE_CONFORM_SECRET=...",
        "python tools/conform.py --rest https://demo-fapi.binance.com --keep",
        "python tools/conform.py --simulated --page docs/reference/conformance.md",
        "```",
        "",
        "The account must be flat in BTC/USDT, in one-way mode, without open orders, and used by nobody else. The",
        "cases trade and cost fees: an address that is neither a demo nor this machine needs `--live`. `--keep`",
        "stores the results with their date in `tests/certify/conformance_runs.json`. Exit code: 0 all cases held,",
        "1 one did not, 2 wrong usage.",
        "",
        "**No case has run on demo or live**, because nobody here had keys. *Not run* means: the venue's behavior",
        "is known from its documentation only. Kraken, BitMEX and Pacifica are missing: no case covers their order",
        "protocols.",
        "",
        "## Binance USD-M",
        "",
        "| case | what holds | simulated | demo | live |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case in CASES:
        local = results.get(case.id)
        cells = ["not run" if local is None else said({**local, "date": day})]
        for venue in ("demo", "live"):
            row = recorded.get("binance-usdm", {}).get(venue, {}).get(case.id)
            never = "never: it provokes a ban" if case.simulated_only else "not run"
            cells.append(said(row) if row else never)
        lines.append(f"| {case.id} | {case.name} | {' | '.join(cells)} |")
    lines += ["", "## Aster", "", "[Aster](aster.md) gives the source of each fact.", ""]
    lines += ["| case | what holds | simulated |", "| --- | --- | --- |"]
    for case in CASES:
        local = aster.get(case.id)
        lines.append(f"| {case.id} | {case.name} | {said({**local, 'date': day}) if local else 'not run'} |")
    return "\n".join(lines) + "\n"


def said(row: dict) -> str:
    note = row["note"].replace("|", "\\|")
    word = "held" if row["held"] else "**failed**"
    return f"{word} {row['date']}" + (f" ({note})" if note else "")


if __name__ == "__main__":
    sys.exit(main())
