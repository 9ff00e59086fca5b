"""Findings of the same video twice: one file, the same bytes, the same frames, or frames in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alnus.cohort.audit.crew import store_copies
from alnus.cohort.audit.files import grouped, same_bytes, same_file
from alnus.cohort.audit.findings import AuditFinding
from alnus.cohort.reading import first_few, quoted
from alnus.media.store import CineStore


@dataclass(frozen=True)
class Owners:
    """Whose each video is. patient, split: by video; split is empty where no partition is known."""

    patient: Mapping[str, str]
    split: Mapping[str, str]


def audit_files(paths: Mapping[str, Path], store: CineStore | None, owners: Owners) -> list[AuditFinding]:
    """Return the groups of videos that are one file, hold the same bytes, or decode to the same frames."""
    entries = {} if store is None else {video: store.entry(video) for video in store.videos() if video in paths}
    kinds = {
        "are one file": same_file(paths),
        "hold the same bytes": same_bytes(paths, known={video: row.source_sha256 for video, row in entries.items()}),
        "decode to the same frames": grouped(entries, lambda video: entries[video].checksum),
    }
    told: set[tuple[str, ...]] = set()
    findings = []
    for what, groups in kinds.items():
        for group in groups:
            if tuple(sorted(group)) not in told:
                told.add(tuple(sorted(group)))
                findings.append(_found("same_file", group, what, owners))
    return findings


def audit_content(
    store: CineStore, videos: list[str], owners: Owners, *, workers: int, progress: Callable[[str, int, int], None]
) -> list[AuditFinding]:
    """Return the pairs of videos of a store that show the same recording, found by their fingerprints.

    Of videos with the same frames only the first is compared: the others have been found by their checksum.
    """
    firsts = list({store.entry(video).checksum: video for video in reversed(videos)}.values())[::-1]
    found = store_copies(store, firsts, workers=workers, progress=progress)
    return [
        _found("same_recording", (firsts[c.first], firsts[c.second]), f"show the same recording ({c.words()})", owners)
        for c in found
    ]


def _found(code: str, videos: tuple[str, ...], what: str, owners: Owners) -> AuditFinding:
    patients = tuple(dict.fromkeys(owners.patient[video] for video in videos))
    splits = sorted({owners.split[video] for video in videos if video in owners.split})
    named = f"videos {first_few([quoted(video) for video in videos])} {what}"
    if len(patients) == 1:
        text = f"patient {quoted(patients[0])}: {named}; keep one"
        return AuditFinding(code, "warning", text, patients, videos)
    whose = f"of patients {first_few([quoted(name) for name in patients])}"
    if len(splits) > 1:
        text = f"{named}, {whose}, and stand in {' and '.join(splits)}: the test knows what was trained on; remove one"
        return AuditFinding(f"{code}_across_splits", "error", text, patients, videos)
    text = f"{named}, {whose}; find out whose they are, and remove or join them"
    return AuditFinding(code, "error", text, patients, videos)
