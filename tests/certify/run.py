"""Plays sessions of clients that others wrote against the simulated exchanges.

    python tests/certify/run.py [--setup] [--page FILE] [--json FILE] [NAME...]

--setup makes the environments that are missing, each under build/certify; without it a client whose
environment is not there is passed over and named. --page writes the table of what passed. Exit code
1 where a call failed, 0 else.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PLACE = ROOT / "build" / "certify"
SESSION_TIMEOUT_S = 300
READY_TIMEOUT_S = 60
SEED = 11
UNUSABLE = FOLDER / "unusable.md"  # what the page says of clients that were looked at, and are in no session
CLIENTS: dict[str, dict] = tomllib.loads((FOLDER / "environments.toml").read_text())


def stamp_of(name: str) -> Path:
    """Holds what was installed: another version in the table makes the environment anew."""
    return PLACE / CLIENTS[name]["environment"] / "installed.json"


def environment(name: str) -> Path | None:
    """The Python of a client's environment, None where it is missing or of other versions."""
    stamp = stamp_of(name)
    if not stamp.exists() or json.loads(stamp.read_text()) != CLIENTS[name]["packages"]:
        return None
    return stamp.parent / "bin" / "python"


def set_up(name: str) -> Path:
    """Makes the environment. Raises subprocess.CalledProcessError where pip cannot."""
    if found := environment(name):
        return found
    stamp = stamp_of(name)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(stamp.parent)], check=True)
    python = stamp.parent / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, *CLIENTS[name]["packages"]], check=True)
    stamp.write_text(json.dumps(CLIENTS[name]["packages"]))
    return python


@contextmanager
def exchange(venue: str, options: list[str]):
    """`onetape sim` as a process; gives the line that it printed, read."""
    command = [
        str(Path(sys.executable).parent / "onetape"),
        "sim",
        venue,
        "--port",
        "0",
        "--seed",
        str(SEED),
        "--control",
        "0",
        *options,
        "--json",
    ]
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "ONETAPE_HOME": home})
        try:
            ready, _, _ = select.select([process.stdout], [], [], READY_TIMEOUT_S)
            line = process.stdout.readline() if ready else ""
            if not line:
                raise RuntimeError(f"onetape sim {venue} did not start")
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def play(name: str, python: Path) -> list[dict]:
    """The calls of one session: [{call, passed, seen}]. A script that ends badly is a failed call
    named `session`."""
    script = FOLDER / "sessions" / CLIENTS[name]["session"]
    row = CLIENTS[name]
    with exchange(row["venue"], row.get("options", [])) as reported:
        try:
            done = subprocess.run(
                [str(python), str(script), json.dumps(reported)],
                capture_output=True,
                text=True,
                timeout=SESSION_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [{"call": "session", "passed": False, "seen": f"over {SESSION_TIMEOUT_S} s"}]
    try:
        calls = json.loads(done.stdout.splitlines()[-1])["calls"]
    except (ValueError, IndexError, KeyError):
        calls = []
    if done.returncode or not calls:
        last = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
        calls.append({"call": "session", "passed": False, "seen": last[:400]})
    return calls


def page(results: dict[str, list[dict]]) -> str:
    """Markdown: which client passed on which exchange, what failed, and the calls of each session."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [
        "# Certification by outside clients",
        "",
        "Look up here whether a client that you know works with a",
        "[simulated exchange](../concepts/simulated-exchanges.md), in which version, and with which calls.",
        "To repeat all sessions and write this page again, or to repeat one session:",
        "",
        "```sh",
        "make certify",
        ".venv/bin/python tests/certify/run.py ccxt-kraken --setup",
        "```",
        "",
        "`make certify` installs each client in an environment of its own under `build/certify`. One session",
        "starts `onetape sim EXCHANGE` with the options below and calls market data, orders, amendments,",
        "triggers, fills, balances, settings, refusals and streams. A call passes when the client understood",
        "the answer and the session's check of it held. A call `... as the ledger's` compares the client's own",
        "figures with the exchange's ledger after two minutes of trading.",
        "",
        "Words after a call name a variant (`set_leverage 900`) or an expected refusal (`wrong key`, `too small`).",
        "A call that is not listed was not part of that session.",
        "",
        "The sessions prove that these clients work with the simulated exchanges. [Conformance](conformance.md) covers",
        "how close the simulation is to the venue.",
        "",
        "| client | version | exchange | passed | date | options of `onetape sim` | session |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, calls in results.items():
        row = CLIENTS[name]
        passed = sum(call["passed"] for call in calls)
        options = " ".join(f"`{each}`" for each in row.get("options", []))
        cells = [row["client"], row["version"], row["venue"], f"{passed} of {len(calls)}", day, options, f"`{name}`"]
        lines.append(f"| {' | '.join(cells)} |")
    if missing := [name for name in CLIENTS if name not in results]:
        lines += ["", "Not run: " + ", ".join(missing) + "."]
    failed = [(name, call) for name, calls in results.items() for call in calls if not call["passed"]]
    for name in dict.fromkeys(name for name, _ in failed):
        lines += ["", f"## Failed: {name}", "", "| call | passed |", "| --- | --- |"]
        for _, call in (each for each in failed if each[0] == name):
            lines.append(f"| {call['call']} | **no**: " + call["seen"].replace("|", "\\|") + " |")
    by_client: dict[str, list[str]] = {}
    for name in results:
        by_client.setdefault(CLIENTS[name]["client"], []).append(name)
    for names in (each for each in by_client.values() if len(each) > 1):
        lines += _on_several(CLIENTS[names[0]]["client"], {CLIENTS[each]["venue"]: results[each] for each in names})
    alone = [names[0] for names in by_client.values() if len(names) == 1]
    for venue in dict.fromkeys(CLIENTS[name]["venue"] for name in alone):
        lines += ["", f"## Other clients on {venue}", "", "| client | calls that passed |", "| --- | --- |"]
        for name in (each for each in alone if CLIENTS[each]["venue"] == venue):
            lines.append(f"| {CLIENTS[name]['client']} | {_passed(results[name])} |")
    if notes := [(CLIENTS[name], CLIENTS[name]["note"]) for name in results if "note" in CLIENTS[name]]:
        lines += ["", "## Notes", "", "| client | exchange | note |", "| --- | --- | --- |"]
        lines += [f"| {row['client']} {row['version']} | {row['venue']} | {note} |" for row, note in notes]
    return "\n".join(lines) + "\n\n" + UNUSABLE.read_text()


def _on_several(client: str, calls: dict[str, list[dict]]) -> list[str]:
    """The calls of one client by the exchanges where they passed, most exchanges first."""
    passed = {venue: {each["call"]: None for each in rows if each["passed"]} for venue, rows in calls.items()}
    groups: dict[tuple[str, ...], list[str]] = {}
    for call in dict.fromkeys(call for rows in passed.values() for call in rows):
        groups.setdefault(tuple(venue for venue in passed if call in passed[venue]), []).append(call)
    lines = ["", f"## {client} on each exchange", "", "| exchanges | calls that passed |", "| --- | --- |"]
    for venues, names in sorted(groups.items(), key=lambda each: -len(each[0])):
        on = "all of them" if len(venues) == len(calls) else ", ".join(venues)
        lines.append(f"| {on} | {'; '.join(names)} |")
    return lines


def _passed(calls: list[dict]) -> str:
    return "; ".join(each["call"] for each in calls if each["passed"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Outside clients against the simulated exchanges.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CLIENTS)}; all without")
    parser.add_argument("--setup", action="store_true", help="make environments that are missing")
    parser.add_argument("--page", type=Path, help="write the table here")
    parser.add_argument("--json", type=Path, help="write every call's result here")
    options = parser.parse_args()
    if unknown := set(options.names) - set(CLIENTS):
        parser.error(f"no client {', '.join(sorted(unknown))}")
    results: dict[str, list[dict]] = {}
    failed = False
    for name in options.names or CLIENTS:
        try:
            python = set_up(name) if options.setup else environment(name)
        except (subprocess.SubprocessError, OSError) as problem:
            print(f"{name}: its environment cannot be made: {problem}", file=sys.stderr)
            failed = True
            continue
        if python is None:
            print(f"{name}: no environment; `make certify` makes it", file=sys.stderr)
            continue
        results[name] = calls = play(name, python)
        wrong = [call for call in calls if not call["passed"]]
        failed = failed or bool(wrong)
        print(f"{name}: {len(calls) - len(wrong)} of {len(calls)} passed")
        for call in wrong:
            print(f"  {call['call']}: {call['seen']}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.page and results:
        options.page.write_text(page(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
