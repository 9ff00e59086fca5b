"""The key of pseudonyms: made once, the owner's alone, never inside what is handed on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alnus.errors import UsageError
from alnus.media.identity import default_key_path, load_or_make_key


def test_a_missing_key_is_made_for_its_owner_alone_and_found_again(tmp_path):
    path = tmp_path / "config" / "identity.key"
    key = load_or_make_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_make_key(path) == key
    assert list(path.parent.iterdir()) == [path]


def test_two_keys_differ(tmp_path):
    assert load_or_make_key(tmp_path / "a.key") != load_or_make_key(tmp_path / "b.key")


def test_the_default_place_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_key_path() == tmp_path / "alnus" / "identity.key"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert default_key_path() == Path.home() / ".config" / "alnus" / "identity.key"


@pytest.mark.parametrize("place", ["store/identity.key", "store/deep/identity.key", "link/identity.key"])
def test_a_key_inside_what_is_handed_on_is_refused(place, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with pytest.raises(UsageError, match=r"lies inside .*store, which may be handed on"):
        load_or_make_key(tmp_path / place, outside=[tmp_path / "out", tmp_path / "store"])
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("content", ["", "00" * 31, "00" * 33, "zz" * 32, "\xff" * 64])
def test_a_malformed_key_is_refused_and_left_as_it_is(content, tmp_path):
    path = tmp_path / "identity.key"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(UsageError, match="is no identity key: it must hold 64 hexadecimal digits"):
        load_or_make_key(path)
    assert path.read_bytes() == content.encode("latin-1")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_key_that_others_can_read_is_refused(mode, tmp_path):
    path = tmp_path / "identity.key"
    load_or_make_key(path)
    path.chmod(mode)
    with pytest.raises(UsageError, match="others can read or change the identity key; run `chmod 600`"):
        load_or_make_key(path)


def test_a_key_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no file"):
        load_or_make_key(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot be written"):
        load_or_make_key(tmp_path / "new" / "identity.key")


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="the identity key cannot be written"):
        load_or_make_key(tmp_path / "file" / "identity.key")
