"""Whether the headers of DICOM files agree with the table on who is one patient.

Headers are read in a decoding process, which tells keyed pseudonyms; the key is drawn for one audit and thrown away.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from alnus.cohort.audit.duplicates import Owners
from alnus.cohort.audit.findings import AuditFinding
from alnus.cohort.reading import first_few, quoted
from alnus.media.containers import first_bytes, sniffed
from alnus.media.identity.asking import identify_task
from alnus.media.pool import Worker
from alnus.media.refusal import Refused

TIMEOUT_S = 30.0
MOST_SHARED = 3
"""Patients with one header id above which that is no patient's, but what a de-identification left in all files."""

Groups = dict[str, list[str]]


def header_patients(paths: Mapping[str, Path], *, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Return for each DICOM file that states a patient id a pseudonym of it, the same for the same id and issuer."""
    key, found = secrets.token_bytes(32), {}
    worker = Worker(timeout_s=TIMEOUT_S)
    try:
        for done, (video, path) in enumerate(paths.items(), start=1):
            patient = worker.ask(identify_task(path, key)).get("patient") if _is_dicom(path) else None
            if patient is not None:
                found[video] = str(patient)
            if progress is not None:
                progress(done, len(paths))
    finally:
        worker.close()
    return found


def _is_dicom(path: Path) -> bool:
    try:
        return sniffed(first_bytes(path)) == "dicom"
    except Refused:
        return False


def audit_headers(named: Mapping[str, str], owners: Owners, center: Mapping[str, str]) -> list[AuditFinding]:
    """Return where headers and table disagree on who is one patient.

    named: what `header_patients` returns. center: by video; two hospitals may give one number to two patients.
    """
    by_header: Groups = defaultdict(list)
    by_patient: Groups = defaultdict(list)
    for video, name in named.items():
        by_header[f"{name} {center.get(video, '')}"].append(video)
        by_patient[owners.patient[video]].append(video)
    return [*_under_two_ids(by_header, owners), *_of_two_persons(by_patient, named)]


def _under_two_ids(by_header: Groups, owners: Owners) -> Iterator[AuditFinding]:
    for videos in by_header.values():
        patients = tuple(dict.fromkeys(owners.patient[video] for video in videos))
        if len(patients) < 2:
            continue
        named = first_few([quoted(patient) for patient in patients])
        if len(patients) > MOST_SHARED:
            text = f"the DICOM headers of {len(patients)} patients state one and the same patient id: it tells nothing"
            yield AuditFinding("header_id_of_all", "note", text)
            continue
        splits = sorted({owners.split[video] for video in videos if video in owners.split})
        across = f" and stand in {' and '.join(splits)}" if len(splits) > 1 else ""
        text = f"patients {named} have one patient id in their DICOM headers{across}; if they are one, give them one id"
        code = "one_person_across_splits" if across else "one_person"
        yield AuditFinding(code, "error" if across else "warning", text, patients, tuple(videos))


def _of_two_persons(by_patient: Groups, named: Mapping[str, str]) -> Iterator[AuditFinding]:
    for patient, videos in by_patient.items():
        firsts = {named[video]: video for video in reversed(videos)}
        if len(firsts) > 1:
            those = first_few([quoted(video) for video in sorted(firsts.values())])
            text = (
                f"patient {quoted(patient)}: the DICOM headers of {those} state {len(firsts)} different patient ids; a"
                " video may be another patient's"
            )
            yield AuditFinding("two_persons", "warning", text, (patient,), tuple(videos))
