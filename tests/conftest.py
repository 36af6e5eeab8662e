"""For all tests: options of the suite, and nothing of the user's is read or written."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from long_form import LONG, examples

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
        "--golden-update",
        action="store_true",
        help="keep what the golden runs give now, in tests/services/golden.toml",
    )


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled strategies are kept for this session, not in the user's home."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
