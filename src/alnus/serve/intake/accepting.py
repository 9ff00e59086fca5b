"""A received file, or the files of a received archive, into cases: the one way in for browsers and programs."""

from __future__ import annotations

from alnus.errors import MediaError
from alnus.serve.intake.archives import BrokenArchiveError, is_archive, members
from alnus.serve.intake.receiving import Received
from alnus.serve.intake.submission import Origin, Submitted, pseudonym, submit, submit_failed
from alnus.serve.intake.whose import Whose
from alnus.serve.room import Room

MOST_CODE = 64  # characters of a patient's code


class EmptyError(MediaError):
    """Nothing came."""


def accept(
    room: Room, file: Received, *, origin: Origin, actor: str, patient_code: str = "", batch: str = ""
) -> list[Submitted]:
    """Submit a file, or each video of an archive; return where they went.

    patient_code: the patient's id as the sender types it, kept as a pseudonym only; a DICOM header's own goes before.
    batch: what the sender calls the files that are of one examination. Files of an archive are one examination unless
    their headers say otherwise; an archive that is damaged or holds nothing of use becomes a failed video beside what
    could be unpacked, so that there is a record of it. Raises EmptyError, TooLargeError, NoSpaceError, QueueFullError.
    """
    try:
        if not file.size_bytes:
            raise EmptyError("the file is empty")
        patient = patient_of_code(room, patient_code)
        if not is_archive(file.path):
            return [_submitted(room, file, Whose(patient, _study(room, actor, batch, patient)), origin, actor)]
        told = Whose(patient, _study(room, actor, batch or file.sha256, patient))
        return _unpacked(room, file, told, origin, actor)
    finally:
        file.path.unlink(missing_ok=True)


def patient_of_code(room: Room, code: str) -> str | None:
    """Return the pseudonym of a patient whose id somebody typed: that of a DICOM header with this id and no issuer."""
    code = code.strip()[:MOST_CODE]
    return pseudonym(room, "patient", f"id\n{code}\n") if code else None


def _unpacked(room: Room, file: Received, told: Whose, origin: Origin, actor: str) -> list[Submitted]:
    """Submit an archive's videos; the archive itself is not kept."""
    made: list[Submitted] = []
    reason = "the ZIP file holds no video, image or DICOM file"
    try:
        for member in members(room, file.path):
            made.append(_submitted(room, member, told, origin, actor))
            reason = ""
    except BrokenArchiveError as error:
        reason = str(error)
    if reason:
        made.append(submit_failed(room, file, reason, origin=origin, actor=actor, whose=told))
    return made


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
