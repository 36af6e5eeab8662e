"""Calls that would open a door, and the few files that may have them: each is a reader of what its user wrote, or says
why. Strategies are their user's code and are not looked at."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import onetape
from onetape.model.config import parse_config
from onetape.venues.hosts import is_loopback

SOURCE = Path(onetape.__file__).parent
UNPICKLERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "torch", "yaml"}


def imports(node: ast.AST) -> set[str]:
    match node:
        case ast.Import(names=names):
            return {each.name.partition(".")[0] for each in names}
        case ast.ImportFrom(module=str(module)):
            return {module.partition(".")[0]}
    return set()


def is_unchecked(node: ast.AST) -> bool:
    """Returns True for what switches the check of certificates or names off."""
    match node:
        case ast.Attribute(attr="CERT_NONE" | "_create_unverified_context"):
            return True
        case ast.keyword(arg="verify" | "verify_ssl" | "ssl" | "check_hostname", value=ast.Constant(value=False)):
            return True
        case ast.Assign(targets=[ast.Attribute(attr="check_hostname")], value=ast.Constant(value=False)):
            return True
    return False


def is_shell(node: ast.AST) -> bool:
    match node:
        case ast.keyword(arg="shell", value=ast.Constant(value=True)):
            return True
        case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen"):
            return True
        case ast.Attribute(attr="create_subprocess_shell"):
            return True
    return False


def is_evaluated(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")


GATES: dict[str, tuple[Callable[[ast.AST], bool], set[str]]] = {
    # The state of a strategy, kept behind a key of its user; machine code in a folder that its user alone may write.
    "unpickles": (
        lambda node: bool(imports(node) & UNPICKLERS),
        {"engine/kept_state.py", "engine/jit/machine_code.py"},
    ),
    # Annotations and signatures of a strategy's own source.
    "evaluates": (is_evaluated, {"engine/parameters.py", "engine/jit/build.py"}),
    # The pages call the control plane of their home by its address, and trust its one certificate.
    "trusts without a check": (is_unchecked, {"dashboard/hedging.py"}),
    "runs a shell": (is_shell, set()),
}


def test_what_opens_a_door_stands_in_the_files_that_are_named():
    found: dict[str, set[str]] = {name: set() for name in GATES}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name, (opens, _) in GATES.items():
                if opens(node):
                    found[name].add(str(path.relative_to(SOURCE)))
    assert found == {name: files for name, (_, files) in GATES.items()}


@pytest.mark.parametrize("section", ["control", "dashboard"])
def test_a_server_listens_on_this_machine_unless_a_host_is_written(section: str):
    assert is_loopback(getattr(parse_config(f"[{section}]\n"), section).host)


def test_an_account_without_a_mode_is_simulated_and_may_not_withdraw():
    config = parse_config('[venues.v]\nkind = "binance-usdm"\n[accounts.a]\nvenue = "v"\n')
    assert (config.venues["v"].mode, config.accounts["a"].allow_withdraw) == ("sim", False)
    assert not config.trades_at_venues
