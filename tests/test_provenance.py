"""Files are written whole or not at all."""

import pytest

from alnus.provenance import atomic_path, file_sha256, versions, write_atomic, write_json


def _write_half(target):
    with atomic_path(target) as temporary:
        temporary.write_text("half of the sec")
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_the_earlier_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    write_atomic(target, "first")
    with pytest.raises(KeyboardInterrupt):
        _write_half(target)
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"auc": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_the_hash_is_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_versions_name_what_can_change_a_result():
    assert {"python", "torch", "numpy", "alnus"} <= set(versions())
