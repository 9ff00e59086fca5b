"""A received file, or the files of a received archive, into cases: the one way in for browsers and programs."""

from __future__ import annotations

from alnus.errors import MediaError
from alnus.media.containers import first_bytes, sniffed
from alnus.serve.intake.archives import BrokenArchiveError, is_archive, members
from alnus.serve.intake.heads import read_head
from alnus.serve.intake.receiving import Received
from alnus.serve.intake.submission import Origin, Submitted, pseudonym, submit, submit_failed
from alnus.serve.intake.whose import Whose
from alnus.serve.node.inbox import is_own
from alnus.serve.node.keys import sop_key
from alnus.serve.room import Room

MOST_CODE = 64  # characters of a patient's code


class EmptyError(MediaError):
    """Nothing came."""


class NoVideoError(MediaError):
    """By its first bytes it cannot become a video: no case is made of what a person dropped along with others.

    A program is answered with a case that failed: what it sent was no accident.
    """


class OwnObjectError(MediaError):
    """One of the room's own reports or heatmaps came back, which is no video of a patient."""


def accept(
    room: Room, file: Received, *, origin: Origin, actor: str, patient_code: str = "", batch: str = ""
) -> list[Submitted]:
    """Submit a file, or each video of an archive; return where they went.

    patient_code: the patient's id as the sender types it, kept as a pseudonym only; a DICOM header's own goes before.
    batch: what the sender calls the files that are of one examination. Files of an archive are one examination unless
    their headers say otherwise; an archive that is damaged or holds nothing of use becomes a failed video beside what
    could be unpacked, so that there is a record of it. Raises EmptyError, NoVideoError and OwnObjectError (for a file
    that came alone), TooLargeError, NoSpaceError, QueueFullError.
    """
    try:
        if not file.size_bytes:
            raise EmptyError("the file is empty")
        patient = next(iter(patients_of_code(room, patient_code)), None)
        if not is_archive(file.path):
            if origin == "upload":
                _check_kind(file)
            return [_submitted(room, file, Whose(patient, _study(room, actor, batch, patient)), origin, actor)]
        told = Whose(patient, _study(room, actor, batch or file.sha256, patient))
        return _unpacked(room, file, told, origin, actor)
    finally:
        file.path.unlink(missing_ok=True)


def _check_kind(file: Received) -> None:
    """Refuse what ingestion would refuse by its first bytes. Raises NoVideoError."""
    head = first_bytes(file.path)
    if sniffed(head) is None:
        raise NoVideoError("it is not a DICOM or video file, nor an image")
    if read_head(head).has_no_pictures:
        raise NoVideoError("it holds no image: a report, a directory or another object without pixels")


def patients_of_code(room: Room, code: str) -> list[str]:
    """Return the pseudonyms of a patient whose id somebody typed; none for a blank.

    First that of a DICOM header with this id and the room's issuer, then of one that states no issuer.
    """
    code = code.strip()[:MOST_CODE]
    issuers = dict.fromkeys((room.settings.patient_issuer.strip(), ""))
    return [pseudonym(room, "patient", f"id\n{code}\n{issuer}") for issuer in issuers] if code else []


def _unpacked(room: Room, file: Received, told: Whose, origin: Origin, actor: str) -> list[Submitted]:
    """Submit an archive's videos; the archive itself is not kept."""
    made: list[Submitted] = []
    reason = "the ZIP file holds no video, image or DICOM file"
    try:
        for member in members(room, file.path):
            try:
                made.append(_submitted(room, member, told, origin, actor))
            except OwnObjectError as error:
                reason = str(error)
        reason = "" if made else reason
    except BrokenArchiveError as error:
        reason = str(error)
    if reason:
        made.append(submit_failed(room, file, reason, origin=origin, actor=actor, whose=told))
    return made


def _study(room: Room, actor: str, batch: str, patient: str | None) -> str | None:
    return pseudonym(room, "study", f"batch\n{actor}\n{batch}\n{patient}") if batch else None


def _submitted(room: Room, file: Received, told: Whose, origin: Origin, actor: str) -> Submitted:
    uid = read_head(first_bytes(file.path)).instance
    key = sop_key(room.secret, uid) if uid else None
    with room.database.reading() as session:
        if key is not None and is_own(session, key):
            file.path.unlink(missing_ok=True)
            raise OwnObjectError("this is the room's own report or heatmap, which is not scored again")
    found = room.registrar.whose(file.path)
    return submit(
        room,
        file,
        origin=origin,
        actor=actor,
        patient_key=found.patient or told.patient,
        study_key=found.study or told.study,
        sop_key=key,
    )
