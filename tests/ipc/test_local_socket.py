"""Sockets of gateways in folders of any depth."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.ipc.local_socket import ADDRESS_MAX, bound, connect
from waiting import PATIENCE_S


@pytest.mark.parametrize("depth", [1, ADDRESS_MAX, 3 * ADDRESS_MAX])
def test_a_socket_is_reached_however_deep_its_folder_is(tmp_path: Path, depth: int):
    folder = tmp_path.joinpath(*["d" * 9] * (depth // 10 + 1))
    folder.mkdir(parents=True)
    path = folder / "gateway-main.sock"
    with bound(path) as server:
        server.listen()
        with connect(path, timeout_s=PATIENCE_S) as client, server.accept()[0] as other:
            client.sendall(b"ready")
            assert other.recv(5) == b"ready"
    with pytest.raises(OSError, match="refused"):
        connect(path, timeout_s=PATIENCE_S)
    with pytest.raises(FileNotFoundError):
        connect(folder / "nobody.sock", timeout_s=PATIENCE_S)
