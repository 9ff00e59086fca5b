"""A received file, or the files of a received archive, into cases: the one way in for browsers and programs."""

from __future__ import annotations

from alnus.errors import MediaError
from alnus.serve.intake.archives import is_archive, members
from alnus.serve.intake.receiving import Received
from alnus.serve.intake.submission import Origin, Submitted, pseudonym, submit
from alnus.serve.intake.whose import Whose
from alnus.serve.room import Room

MOST_CODE = 64  # characters of a patient's code


def accept(
    room: Room, file: Received, *, origin: Origin, actor: str, patient_code: str = "", batch: str = ""
) -> list[Submitted]:
    """Submit a file, or each video of an archive; return where they went.

    patient_code: the patient's id as the sender types it, kept as a pseudonym only; a DICOM header's own goes before.
    batch: what the sender calls the files that are of one examination. Files of an archive are one examination unless
    their headers say otherwise. Raises MediaError for an archive that cannot be unpacked or holds nothing of use,
    QueueFullError.
    """
    patient = patient_of_code(room, patient_code)
    if not is_archive(file.path):
        return [_submitted(room, file, Whose(patient, _study(room, actor, batch, patient)), origin, actor)]
    try:
        study = _study(room, actor, batch or file.sha256, patient)
        made = [_submitted(room, member, Whose(patient, study), origin, actor) for member in members(room, file.path)]
    finally:
        file.path.unlink(missing_ok=True)
    if not made:
        raise MediaError("the ZIP file holds no video, image or DICOM file")
    return made


def patient_of_code(room: Room, code: str) -> str | None:
    """Return the pseudonym of a patient whose id somebody typed: that of a DICOM header with this id and no issuer."""
    code = code.strip()[:MOST_CODE]
    return pseudonym(room, "patient", f"id\n{code}\n") if code else None


def _study(room: Room, actor: str, batch: str, patient: str | None) -> str | None:
    return pseudonym(room, "study", f"batch\n{actor}\n{batch}\n{patient}") if batch else None


def _submitted(room: Room, file: Received, told: Whose, origin: Origin, actor: str) -> Submitted:
    found = room.registrar.whose(file.path)
    return submit(
        room,
        file,
        origin=origin,
        actor=actor,
        patient_key=found.patient or told.patient,
        study_key=found.study or told.study,
    )
