"""What an object takes over from its source: patient and study, as they are; and what it says of the source.

Source: DICOM PS3.3 C.7.1.1 (patient), C.7.2.1 (general study), C.7.2.2 (patient study), C.12.1 (SOP common).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime

from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.valuerep import validate_value

from alnus.media.dicom.header import number_of
from alnus.media.dicom.times import trimmed
from alnus.media.identity.header import IMPLEMENTATION
from alnus.media.limits import DecodeLimits
from alnus.media.refusal import Refused
from alnus.serve.node.keys import Level, derived_uid, is_uid
from alnus.serve.node.statement import RESEARCH, SOFTWARE, Statement

_IDENTITY = ("PatientName", "PatientID")  # go back as they came, or the archive takes them for another patient's
_REQUIRED = (  # Type 2: there, if need be empty
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
_OPTIONAL = (
    "SpecificCharacterSet",
    "IssuerOfPatientID",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
_TERMS = {"PatientSex": ("M", "F", "O", "")}
SERIES_NUMBERS = {"report": 9701, "heatmap": 9702}  # behind a scanner's own


@dataclass(frozen=True)
class Source:
    """The instance that a result is of.

    heading: patient and study. first, frames: where the frames that were read begin, from 0, and how many they are, of
    `count`. is_clean: the source states that no text in its pixels names the patient.
    """

    sop_class: str
    sop_instance: str
    series: str
    heading: Dataset
    first: int
    frames: int
    count: int
    is_clean: bool

    @property
    def all_frames_read(self) -> bool:
        """Whether nothing was trimmed."""
        return self.frames == self.count

    def number(self, frame: int) -> int:
        """Return the number, from 1, of a frame of the room's cine in the source."""
        return self.first + frame + 1

    @property
    def reference(self) -> Dataset:
        """An item that refers to the source."""
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = self.sop_class, self.sop_instance
        return item


def source_of(header: Dataset, limits: DecodeLimits) -> Source:
    """Return what is needed of a source's header. Raises Refused where it does not say which instance it is of."""
    uids = [str(header.get(name, "")) for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")]
    if not all(is_uid(uid) for uid in uids):
        raise Refused("its header states no valid UID of instance, series and study: nothing can refer to it")
    if header.file_meta.get("MediaStorageSOPInstanceUID") != uids[0]:
        raise Refused("it came under another UID than its header states")
    count = min(number_of(header, "NumberOfFrames", default=1) or 1, limits.max_frames)
    kept = trimmed(header, count, [])
    return Source(
        sop_class=str(header.SOPClassUID),
        sop_instance=uids[0],
        series=uids[2],
        heading=heading(header),
        first=kept.start,
        frames=len(kept),
        count=count,
        is_clean=header.get("BurnedInAnnotation") == "NO",
    )


def heading(header: Dataset) -> Dataset:
    """Return patient and study: identity as it came, the rest where it is valid."""
    made = Dataset()
    for name in _IDENTITY:
        made[name] = header[name] if name in header else DataElement(name, "PN" if name == "PatientName" else "LO", "")
    for name in _REQUIRED:
        setattr(made, name, header[name].value if name in header and _is_valid(header[name]) else "")
    for name in _OPTIONAL:
        if name in header and header[name].value not in (None, "") and _is_valid(header[name]):
            made[name] = header[name]
    made.StudyInstanceUID = header.StudyInstanceUID
    return made


def _is_valid(element: DataElement) -> bool:
    """Tell whether a value is one of its kind, so that what goes back is no worse than the standard."""
    values = element.value if element.VM > 1 else [element.value]
    if element.VM > 1 and element.keyword != "SpecificCharacterSet":
        return False
    terms = _TERMS.get(element.keyword)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for value in values:
                validate_value(element.VR, str(value) if element.VR == "PN" else value, RAISE)
                if terms is not None and value not in terms:
                    return False
    except (ValueError, TypeError, Warning):
        return False
    return True


def identified(made: Dataset, source: Source, statement: Statement, *, key: bytes, kind: str) -> Dataset:
    """State whose, what and of which series an object is, in the same words each time it is made."""
    made.update(source.heading)
    made.SOPInstanceUID = uid_of(source, statement, key=key, kind=kind)
    made.SeriesInstanceUID = uid_of(source, statement, key=key, kind=kind, level="series")
    made.SeriesNumber, made.InstanceNumber = SERIES_NUMBERS[kind], 1
    made.SeriesDescription = f"{RESEARCH}: {kind}"
    made.Manufacturer, made.ManufacturerModelName = SOFTWARE, f"{statement.name} {statement.version}"[:64]
    made.SoftwareVersions = statement.software
    dated(made, statement.made_at)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.ImplementationClassUID = IMPLEMENTATION
    made.file_meta.ImplementationVersionName = "ALNUS"
    return made


def dated(made: Dataset, moment: datetime) -> None:
    """Date an object by its result: one that is made again is the same."""
    made.ContentDate = made.SeriesDate = made.InstanceCreationDate = moment.strftime("%Y%m%d")
    made.ContentTime = made.SeriesTime = made.InstanceCreationTime = moment.strftime("%H%M%S")
    for item in made.get("ContributingEquipmentSequence", []):  # highdicom's note of itself
        item.ContributionDateTime = moment.strftime("%Y%m%d%H%M%S")


def uid_of(source: Source, statement: Statement, *, key: bytes, kind: str, level: Level = "instance") -> str:
    """Return an object's UID of a level."""
    return derived_uid(key, level, source=source.sop_instance, model=statement.model, kind=kind)
