"""The same file under two names: by where it lies on the disk and by its bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from alnus.media.sources import source_sha256

Groups = list[tuple[str, ...]]


def same_file(paths: Mapping[str, Path]) -> Groups:
    """Return groups of videos whose paths lead to one file: links, `./` and other spellings. Missing files are none."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for video, path in paths.items():
        try:
            state = path.stat()
        except (OSError, ValueError):
            continue
        found[state.st_dev, state.st_ino].append(video)
    return _groups(found.values())


def same_bytes(paths: Mapping[str, Path], *, known: Mapping[str, str]) -> Groups:
    """Return groups of videos whose files hold the same bytes.

    known: SHA-256 of those that a store has read. Of the rest only regular files of one size are read.
    """
    sizes: dict[int, list[str]] = defaultdict(list)
    for video, path in paths.items():
        try:
            if path.is_file():
                sizes[path.stat().st_size].append(video)
        except (OSError, ValueError):
            continue
    twice = [video for videos in sizes.values() if len(videos) > 1 for video in videos]
    hashes = dict(known)
    for video in twice:
        if video not in hashes:
            try:
                hashes[video] = source_sha256(paths[video])
            except OSError:
                continue
    return grouped(hashes, hashes.__getitem__)


def grouped(videos: Iterable[str], key: Callable[[str], str]) -> Groups:
    """Return groups of videos that share a key."""
    found: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        found[key(video)].append(video)
    return _groups(found.values())


def _groups(found: Iterable[list[str]]) -> Groups:
    return [tuple(videos) for videos in found if len(videos) > 1]
