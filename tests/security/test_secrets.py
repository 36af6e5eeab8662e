from __future__ import annotations

import os
import pickle

import pytest

from onetape.model.errors import BadConfig, OnetapeError, PermissionDenied
from onetape.security.secrets import Secret, read_secret

HUSH = "k3y-m4t3r14l"


def test_from_the_environment():
    assert read_secret("env:KEY", {"KEY": HUSH + "\n"}).reveal() == HUSH


def test_from_a_private_file_relative_to_the_folder(tmp_path):
    (tmp_path / "key").write_text(HUSH)
    (tmp_path / "key").chmod(0o600)
    assert read_secret("file:key", {}, folder=tmp_path).reveal() == HUSH
    assert read_secret(f"file:{tmp_path}/key", {}).reveal() == HUSH


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_file_that_others_may_touch_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    path.write_text(HUSH)
    path.chmod(mode)
    with pytest.raises(PermissionDenied, match="others may read") as caught:
        read_secret(f"file:{path}", {})
    assert "chmod 600" in caught.value.todo
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize(("mode", "is_taken"), [(0o777, False), (0o703, False), (0o1777, True), (0o775, True)])
def test_a_folder_in_which_everybody_may_put_another_file_is_refused(tmp_path, mode, is_taken):
    folder = tmp_path / "open" / "own"
    folder.mkdir(parents=True, mode=0o700)
    path = folder / "key"
    path.touch(0o600)
    path.write_text(HUSH)
    folder.parent.chmod(mode)
    try:
        if is_taken:
            assert read_secret(f"file:{path}", {}).reveal() == HUSH
        else:
            with pytest.raises(PermissionDenied, match="everybody may write there") as caught:
                read_secret(f"file:{path}", {})
            assert str(folder.parent) in str(caught.value) and HUSH not in str(caught.value)
    finally:
        folder.parent.chmod(0o700)


def test_from_a_descriptor_once():
    read, write = os.pipe()
    os.write(write, HUSH.encode())
    os.close(write)
    assert read_secret(f"fd:{read}", {}).reveal() == HUSH
    with pytest.raises(BadConfig):
        read_secret(f"fd:{read}", {})


@pytest.mark.parametrize("place", [HUSH, f"plain:{HUSH}", f"fd:{HUSH}", "", f"ENV{HUSH}"])
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(place):
    with pytest.raises(BadConfig) as caught:
        read_secret(place, {})
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe" + HUSH.encode(), b"x" * 70_000])
def test_what_cannot_be_a_secret_is_refused_without_showing_it(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadConfig) as caught:
        read_secret(f"file:{path}", {})
    assert HUSH not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("place", ["file:/nowhere/at/all", "env:NOT_SET", "fd:99999", "file:/"])
def test_a_missing_one_is_named_by_its_place(place):
    with pytest.raises(OnetapeError) as caught:
        read_secret(place, {})
    assert place.partition(":")[2] in str(caught.value)


def test_it_never_prints_and_is_never_pickled():
    secret = Secret(HUSH)
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.skipif(os.getuid() != 0, reason="root gives credentials")
def test_a_credential_of_a_service_shows_its_list_of_readers_as_the_groups_right(tmp_path):
    path = tmp_path / "main-key"
    path.write_text("hush")
    path.chmod(0o440)
    place, environ = f"file:{path}", {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_secret(place, environ).reveal() == "hush"
    with pytest.raises(PermissionDenied):  # a file like any other
        read_secret(place, {})
    with pytest.raises(PermissionDenied):
        read_secret(place, {"CREDENTIALS_DIRECTORY": str(tmp_path.parent)})
    path.chmod(0o444)
    with pytest.raises(PermissionDenied):
        read_secret(place, environ)
    path.chmod(0o440)
    os.chown(path, 12345, 12345)  # somebody else's
    with pytest.raises(PermissionDenied):
        read_secret(place, environ)


def test_a_link_is_not_followed_to_a_secret(tmp_path):
    (tmp_path / "real").write_text(HUSH)
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "key").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionDenied, match="may not be a link") as caught:
        read_secret(f"file:{tmp_path / 'key'}", {})
    assert HUSH not in str(caught.value)
    (tmp_path / "folder").symlink_to(tmp_path)  # above it a link is as good as a folder
    assert read_secret(f"file:{tmp_path / 'folder' / 'real'}", {}).reveal() == HUSH
