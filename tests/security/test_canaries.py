"""A simulated world leaves its venues' secrets and its tokens in no file but the tokens' own, and prints none."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from onetape.security.redaction import Redactor
from onetape.simulation.gateway_life import Home
from onetape.simulation.system_world import System


def test_a_world_with_crashes_leaves_no_secret_in_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(Home, "lasting", tmp_path)  # its homes outlive it
    system = System(3).play(20)
    assert system.seen["crash"] and system.seen["command applied"]
    secrets: dict[str, Redactor] = {}
    holders: dict[str, str] = {}
    for account in system.accounts():
        for name in ("key", "secret"):
            secrets[f"{name} of {account.name}"] = Redactor(getattr(account, name))
        for name, token in account.home.tokens.items():
            file = str(account.home.path.relative_to(tmp_path) / "run" / "tokens" / name)
            secrets[file], holders[file] = Redactor(token), file
    assert len(secrets) - len(holders) >= 4 and all(each.longest for each in secrets.values())

    def found() -> dict[str, str]:
        texts = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        texts["output"] = "".join(capfd.readouterr()).encode()
        return {text: name for text, data in texts.items() for name, each in secrets.items() if each.finds(data)}

    assert found() == holders
    secret = base64.b64encode(next(system.accounts()).secret.encode())
    (tmp_path / "planted").write_bytes(b"\0" + secret + b"\xff")
    assert found().keys() == {*holders, "planted"}, "what is there is found"
