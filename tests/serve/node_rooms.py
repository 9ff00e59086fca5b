"""A DICOM node for tests: a room with a node on a free port, a scanner that sends, an archive that keeps objects."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from pynetdicom import AE, evt
from reading_rooms import opened, settings_for
from sqlmodel import select

from alnus.serve.node.node import Node
from alnus.serve.node.settings import NodeSettings
from alnus.serve.node.tables import Kept, NodeInstance, Outbound, Sending
from alnus.serve.work.worker import Workers
from cohorts import spot_cine

NAME, NUMBER = "Vorobyova^Anastasia", "HOSP-7781234"
STUDY = "1.2.826.0.1.3680043.10.999.1"


def us_cine(*, number: int = 1, frames: int = 8, seed: int = 0, **changes) -> Dataset:
    """A phantom ultrasound cine of a patient with a name."""
    pixels = np.stack(
        [
            frame[..., 0] if frame.ndim == 3 else frame
            for frame in spot_cine(grows=True, frames=frames, side_px=48, seed=seed)
        ]
    )
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = UltrasoundMultiFrameImageStorage, f"{STUDY}.1.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = NAME, NUMBER, "19710203", "F"
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "20260102", "101112", "7", "ACC-55"
    made.ReferringPhysicianName, made.Modality, made.Manufacturer = "Brandt^Ute", "US", "Test"
    made.SeriesNumber, made.InstanceNumber, made.ImageType = 1, number, ["ORIGINAL", "PRIMARY"]
    made.FrameTime, made.FrameIncrementPointer = "40", 0x00181063
    made.NumberOfFrames, (made.Rows, made.Columns) = len(pixels), pixels.shape[1:3]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = pixels.astype(np.uint8).tobytes()
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def send(port: int, *instances: Dataset, calling: str = "SCANNER", called: str = "ALNUS") -> list[int] | None:
    """Send instances over one association; their statuses, or None where it was refused."""
    entity = AE(ae_title=calling)
    for one in instances:
        entity.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
    if not instances:
        entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return None
    statuses = [association.send_c_store(one).get("Status") for one in instances]
    if not instances:
        statuses = [association.send_c_echo().get("Status")]
    association.release()
    return statuses


class Archive:
    """A C-STORE receiver. answers: statuses for the next objects; then success. refuses: takes no association."""

    def __init__(self, answers: list[int] | None = None, syntaxes: list[str] | None = None) -> None:
        self.got: list[Dataset] = []
        self.answers = answers or []
        self._syntaxes = syntaxes

    def _stored(self, event) -> int:
        status = self.answers.pop(0) if self.answers else 0x0000
        if status == 0x0000:
            got = event.dataset
            got.file_meta = event.file_meta
            self.got.append(got)
        return status

    def of_class(self, name: str) -> list[Dataset]:
        return [one for one in self.got if name in one.SOPClassUID.name]

    @contextmanager
    def listening(self):
        entity = AE(ae_title="ARCHIVE")
        for name in ("1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7.4"):
            entity.add_supported_context(name, self._syntaxes or ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"])
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._stored)])
        try:
            yield f"ARCHIVE@127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()


def node_settings(run_model: Path, data: Path, return_to: str | None = None, *, room: dict | None = None, **node):
    told = {"port": 0, "callers": ("SCANNER",), "complete_after_s": 0, "first_wait_s": 0.02, "return_to": return_to}
    return settings_for(run_model, data, node=NodeSettings(**(told | node)), **(room or {}))


@contextmanager
def running(settings, *, workers: bool = True):
    """(room, node): started, with the workers that score."""
    room, _ = opened(settings)
    node = Node(room)
    services = [room.registrar, node, *([Workers(room)] if workers else [])]
    for service in services:
        service.start()
    try:
        yield room, node
    finally:
        for service in reversed(services):
            service.stop()


def rows(room, table):
    with room.database.reading() as session:
        return list(session.exec(select(table)))


def wait_until(is_true, *, within_s: float = 200):
    until = time.monotonic() + within_s
    while not (found := is_true()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)
    return found


def is_all_done(room, instances: int = 1) -> bool:
    """Whether so many instances came, and all that goes back for them has gone."""
    found = rows(room, NodeInstance)
    return len(found) == instances and all(one.state == Kept.DONE for one in found) and is_all_sent(room)


def is_all_sent(room) -> bool:
    found = rows(room, Outbound)
    return bool(found) and all(one.state == Sending.SENT for one in found)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


__all__ = [
    "Archive",
    "dcmread",
    "files_below",
    "is_all_done",
    "is_all_sent",
    "node_settings",
    "rows",
    "running",
    "send",
    "us_cine",
    "wait_until",
]
