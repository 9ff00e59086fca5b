"""A DICOM header into one that may be handed on: what the allowlist names, and nothing else.

Source: DICOM PS3.15 E.1.1 (de-identifier), E.2 (basic profile), E.3.1 (clean pixel data), E.3.6 (modified dates);
PS3.3 C.12.1 (SOP common), C.7.1.1 (PatientIdentityRemoved), PS3.10 7.1 (preamble and file meta information).
"""

from __future__ import annotations

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from alnus.media.identity.allowlist import ALLOWLIST, EMPTIED, METHOD, PROFILE, UNPAIRED
from alnus.media.identity.mapping import Mapping
from alnus.media.identity.rules import code_item, surviving, values_of

IMPLEMENTATION = UID("2.25.254373018019326998224700116643899670411")  # made once, at random
PIXEL_DATA_CLEANED = "113101"
_RETIRED = ("1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3")
_ULTRASOUND = (UltrasoundImageStorage, UltrasoundMultiFrameImageStorage, *_RETIRED, "1.2.840.10008.5.1.4.1.1.6.2")
_ONE_TO_ONE = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def deidentified(dataset: Dataset, *, key: bytes, patient: str | None = None, fallback: str = "") -> Dataset:
    """Return a new data set of the listed elements alone, with new file meta information and without pixel data.

    Pixels identify too until they are cleaned: `write_deidentified` adds them. The input is not changed.
    patient: whose the file is, in the study's words; else the header's patient id with its issuer, else its study.
    fallback: stands for a UID, or for the patient, that the header does not state; a hash of the file's content.
    """
    mapping = Mapping(key, patient_of(dataset, fallback) if patient is None else f"study\n{patient}")
    clean = surviving(dataset, ALLOWLIST, mapping)
    for keyword in _ONE_TO_ONE:
        if keyword not in clean:
            setattr(clean, keyword, mapping.uid(f"{keyword}\n{fallback}"))
    clean.PatientName = clean.PatientID = mapping.pseudonym()
    for keyword in (*EMPTIED, "StudyDate", "Manufacturer", "SeriesNumber", "InstanceNumber"):  # Type 2, PS3.5 7.4.3
        if keyword not in clean:
            setattr(clean, keyword, None)
    _settle_laterality(clean)
    clean.Modality = clean.get("Modality") or ("OT" if dataset else "US")
    _settle_class(clean)
    state_method(clean, pixels_cleaned=False)
    clean.file_meta = _file_meta(clean)
    clean.preamble = bytes(128)
    return clean


def _settle_laterality(clean: Dataset) -> None:
    """State Laterality, empty where unknown, of a paired organ only, and not beside ImageLaterality (PS3.3 C.7.3.1)."""
    if "ImageLaterality" in clean or clean.get("BodyPartExamined") in UNPAIRED:
        clean.pop("Laterality", None)
    elif "Laterality" not in clean:
        clean.Laterality = None


def patient_of(dataset: Dataset, fallback: str = "") -> str:
    """Return what tells this patient from others: id and issuer, else the study, else `fallback`. Never to be shown."""
    identity = _text(dataset, "PatientID")
    if identity:
        return f"id\n{identity}\n{_text(dataset, 'IssuerOfPatientID')}"
    return f"study uid\n{_text(dataset, 'StudyInstanceUID') or fallback}"


def _text(dataset: Dataset, keyword: str) -> str:
    return "\\".join(map(str, values_of(dataset, keyword) or [])).strip()


def state_method(clean: Dataset, *, pixels_cleaned: bool) -> None:
    """State how identity was removed (PS3.3 C.12.1, PS3.15 E.1.1 step 7); of the pixels only where it was done."""
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = METHOD
    clean.LongitudinalTemporalInformationModified = "MODIFIED"
    codes = {code: meaning for code, meaning in PROFILE.items() if pixels_cleaned or code != PIXEL_DATA_CLEANED}
    clean.DeidentificationMethodCodeSequence = DicomSequence(
        code_item(code, "DCM", meaning) for code, meaning in codes.items()
    )
    clean.BurnedInAnnotation = "NO" if pixels_cleaned else "YES"


def _settle_class(clean: Dataset) -> None:
    """Leave a class of ultrasound that is in use; everything else is Secondary Capture until its pixels are known."""
    stated = clean.get("SOPClassUID", "")
    if stated not in _ULTRASOUND:
        clean.SOPClassUID = SecondaryCaptureImageStorage
    elif stated not in _ULTRASOUND[:2]:
        clean.SOPClassUID = UltrasoundMultiFrameImageStorage
    if "ImageType" not in clean:
        clean.ImageType = ["DERIVED", "SECONDARY"]


def settle_frames(clean: Dataset, *, frames: int, coloured: bool) -> None:
    """Choose the class that can hold these frames (PS3.3 A.6 to A.8.4), in the data set and its file meta."""
    if clean.SOPClassUID in _ULTRASOUND:
        several = frames > 1 or clean.SOPClassUID == UltrasoundMultiFrameImageStorage
        clean.SOPClassUID = UltrasoundMultiFrameImageStorage if several else UltrasoundImageStorage
    elif frames > 1 and coloured:
        clean.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    elif frames > 1:
        clean.SOPClassUID = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    clean.file_meta.MediaStorageSOPClassUID = clean.SOPClassUID


def _file_meta(clean: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = clean.SOPClassUID
    meta.MediaStorageSOPInstanceUID = clean.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "ALNUS"
    return meta
