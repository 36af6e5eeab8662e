"""For all tests: options of the suite, and nothing of the user's is read or written."""

from __future__ import annotations

import gc
import json
import os
import secrets
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from long_form import LONG, examples
from recorded import LACKING, RECORDED
from skips import summed_up

# How fast a machine is says nothing of what is tested on it.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(100),
    derandomize=not LONG,  # every change is asked the same; the long form looks further
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update", action="store_true", help="keep what the golden runs give now, in tests/research/golden.toml"
    )


def pytest_configure() -> None:
    """Workers have it of the process that begins them, so that all draw the same."""
    os.environ.setdefault("SIMULATION_SEED", str(secrets.randbelow(10**9)))
    # Servers of tests are on this machine: a proxy of the user's does not reach them.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"


def pytest_sessionstart(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        seed = os.environ["SIMULATION_SEED"]
        reporter.write_line(f"SIMULATION_SEED={seed} repeats what simulations draw in this run")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Below the reasons for skipping, which are many. What failed comes last: a log is often read from its end."""
    yield
    stats = terminalreporter.stats
    lines = summed_up(str(report.longrepr[2]) for report in stats.get("skipped", []))
    if lines:
        terminalreporter.section("what skipped tests need")
        for line in lines:
            terminalreporter.write_line(line)
    failed = [*stats.get("failed", []), *stats.get("error", [])]
    if failed:
        terminalreporter.section("what failed")
    for report in failed[:8]:
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.write_line(report.nodeid)
        if crash is not None:
            message = " ".join(str(crash.message).split())
            terminalreporter.write_line(f"  {Path(crash.path).name}:{crash.lineno}: {message[:240]}")


def pytest_collection_finish() -> None:
    """What is there now stays: looking for garbage among 17,000 tests took a seventh of all processor time. Looking for
    it less often takes an eighth off a simulation."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.recorded)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The recorded market data, kept outside the repository."""
    if not RECORDED.is_dir():
        pytest.skip(LACKING)
    return RECORDED


@pytest.fixture(scope="session")
def facts(shared: Path) -> dict[str, Any]:
    """What an independent script found out about it."""
    found: dict[str, Any] = json.loads((shared / "facts.json").read_text())
    return found


@pytest.fixture(scope="module", autouse=True)
def _sessions_end() -> Generator[None]:
    """Each has a journal with a thread of its own, and thousands are played in one process."""
    yield
    if (tapes := sys.modules.get("worlds.tapes")) is not None:
        tapes.close_sessions()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled strategies are kept for this session, not in the user's home."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A generated market of 20,000 events: quotes, trades, depth, bars and marks."""
    from onetape.data.sample import write_sample

    path = tmp_path_factory.mktemp("sample") / "sample.tape"
    write_sample(path, events=20_000, seed=3)
    return path
