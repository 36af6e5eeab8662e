"""The core that is loaded here has what its build promises: read from the file itself."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys

import pytest

from onetape import _core

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("readelf") is None, reason="an ELF file and readelf"
)


def readelf(*what: str) -> str:
    command = ["readelf", "--wide", *what, str(_core.__file__)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_all_addresses_are_bound_at_the_start_and_then_read_only() -> None:
    assert re.search(r"\(FLAGS\).*BIND_NOW", readelf("--dynamic"))
    assert re.search(r"GNU_RELRO\s.* R\s", readelf("--segments"))


def test_nothing_on_the_stack_is_executed() -> None:
    (flags,) = re.findall(r"GNU_STACK(?:\s+0x\w+){5}\s+([RWE ]+?)\s+0x", readelf("--segments"))
    assert flags == "RW"


def test_stacks_and_copies_are_checked() -> None:
    wanted = set(re.findall(r"UND (__\w+)@", readelf("--dyn-syms")))
    assert "__stack_chk_fail" in wanted
    assert {name for name in wanted if name.endswith("_chk")}, "FORTIFY needs an optimizing build"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="shadow stacks are of x86-64")
def test_returns_may_be_kept_to_a_shadow_stack() -> None:
    assert re.search(r"x86 feature:.*SHSTK", readelf("--notes"))
