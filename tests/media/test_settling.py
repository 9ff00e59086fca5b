"""Large frames files go to the disk at once, and the pages of the one before are let go of; nothing else is touched."""

import os
from pathlib import Path

import pytest

from alnus.media import settling
from alnus.media.settling import LARGE_BYTES, settle

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system takes no advice about files")


@pytest.fixture
def advised(monkeypatch):
    """Return what the system was advised of, by inode, while a list of this test's own stands for the module's."""
    found = []
    monkeypatch.setattr(settling, "_begun", [])
    monkeypatch.setattr(settling, "_at_work", [])
    monkeypatch.setattr(
        settling.os, "posix_fadvise", lambda each, start, length, advice: found.append((os.fstat(each).st_ino, advice))
    )
    yield found
    for each in settling._begun:
        os.close(each)


def settled(path, size):
    """Settle a file of a size, without content; wait until it is done. Return its inode."""
    with path.open("wb") as stream:
        stream.truncate(size)
        settle(stream.fileno())
    for thread in settling._at_work:
        thread.join()
    return path.stat().st_ino


def test_each_large_file_is_begun_and_the_one_before_let_go_of(advised, tmp_path):
    first, second, third = (settled(tmp_path / str(number), LARGE_BYTES) for number in range(3))
    assert [inode for inode, _ in advised] == [first, first, second, second, third]
    assert {advice for _, advice in advised} == {os.POSIX_FADV_DONTNEED}


def test_one_descriptor_is_held_however_many_files_there_were(advised, tmp_path):
    held = Path("/proc/self/fd")
    before = len(list(held.iterdir())) if held.is_dir() else 0
    for number in range(5):
        settled(tmp_path / str(number), LARGE_BYTES)
    assert len(settling._begun) == 1
    if before:
        assert len(list(held.iterdir())) == before + 1


def test_a_descriptor_whose_closing_fails_is_not_closed_again_when_it_may_be_anothers(advised, tmp_path, monkeypatch):
    closed, close = [], os.close

    def failing(descriptor):
        closed.append(descriptor)
        close(descriptor)
        raise OSError("over quota")

    settled(tmp_path / "first", LARGE_BYTES)
    (first,) = settling._begun
    with monkeypatch.context() as patched:
        patched.setattr(settling.os, "close", failing)
        settled(tmp_path / "second", LARGE_BYTES)
    assert closed == [first]
    assert first not in settling._begun


def test_a_small_file_is_left_to_the_system(advised, tmp_path):
    settled(tmp_path / "small", LARGE_BYTES - 1)
    assert advised == []
    assert settling._begun == []


def test_while_the_disk_is_busy_a_file_is_left_to_the_system(advised, tmp_path, monkeypatch):
    class Busy:
        def is_alive(self):
            return True

        def join(self):
            pass

    monkeypatch.setattr(settling, "_at_work", [Busy()])
    settled(tmp_path / "large", LARGE_BYTES)
    assert advised == []


def test_without_memory_for_a_thread_a_file_is_left_to_the_system(advised, tmp_path, monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(settling.Thread, "start", refused)
    settled(tmp_path / "large", LARGE_BYTES)
    assert advised == []
    assert settling._at_work == []
