"""A strategy runs with its user's rights and keys: a file that anybody may write is not run."""

from __future__ import annotations

import pytest

from onetape.engine.loader import load_strategy
from onetape.model.errors import PermissionDenied

TEXT = "from onetape import Strategy\n\n\nclass Mine(Strategy):\n    pass\n"


@pytest.fixture
def strategy(tmp_path):
    folder = tmp_path / "strategies"
    folder.mkdir()
    path = folder / "mine.py"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o640])
def test_the_owners_and_a_groups_files_run(strategy, mode):
    strategy.chmod(mode)
    assert load_strategy(f"{strategy}:Mine").__name__ == "Mine"


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o777])
def test_a_file_that_anybody_may_write_is_refused(strategy, mode):
    strategy.chmod(mode)
    with pytest.raises(PermissionDenied, match=f"anybody may write it \\(mode {mode:04o}\\)") as no:
        load_strategy(f"{strategy}:Mine")
    assert f"chmod o-w {strategy}" in no.value.todo


def test_so_is_one_in_a_folder_where_anybody_may_put_another(strategy):
    strategy.parent.chmod(0o777)
    with pytest.raises(PermissionDenied, match="anybody may write it"):
        load_strategy(f"{strategy}:Mine")
    strategy.parent.chmod(0o1777)  # as /tmp
    assert load_strategy(f"{strategy}:Mine").__name__ == "Mine"


def test_a_link_is_judged_by_what_it_leads_to(strategy, tmp_path):
    link = tmp_path / "link.py"
    link.symlink_to(strategy)
    strategy.chmod(0o666)
    with pytest.raises(PermissionDenied):
        load_strategy(f"{link}:Mine")
