"""A simulated cine as an Ultrasound Multi-frame Image (PS3.3 A.7) in JPEG Baseline, its header full of inventions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage

from alnus.phantom.identity import HOSPITALS, Identity, uid
from alnus.phantom.scanner import Scanner
from alnus.phantom.screen import Grey

MANUFACTURER = "Alnus phantom"
JPEG_QUALITY = 88


def encode_jpeg(picture: Grey) -> bytes:
    """Return a picture as baseline JPEG; colour as YCbCr with 4:2:2 subsampling."""
    buffer = io.BytesIO()
    options = {"subsampling": "4:2:2"} if picture.ndim == 3 else {}
    Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY, **options)
    return buffer.getvalue()


def _patient_and_study(dataset: Dataset, identity: Identity, center: str) -> None:
    """Fill the patient, general study and equipment modules with what de-identification must find."""
    hospital, address = HOSPITALS[center]
    day = identity.study_date.strftime("%Y%m%d")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = identity.name, identity.hospital_id
    dataset.OtherPatientIDs = f"{identity.hospital_id}-OLD"
    dataset.PatientBirthDate, dataset.PatientSex = identity.birth_date.strftime("%Y%m%d"), "F"
    dataset.PatientAge = f"{identity.age_years:03d}Y"
    dataset.PatientAddress, dataset.PatientTelephoneNumbers = identity.address, identity.phone
    dataset.PatientComments = f"Invented patient {identity.name.replace('^', ' ')}"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = day
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = identity.study_time
    dataset.AccessionNumber, dataset.StudyID = identity.accession, identity.accession[-6:]
    dataset.ReferringPhysicianName, dataset.OperatorsName = identity.physician, identity.operator
    dataset.PerformingPhysicianName = identity.operator
    dataset.InstitutionName, dataset.InstitutionAddress = hospital, address
    dataset.InstitutionalDepartmentName = "Department of Simulated Ultrasound"
    dataset.StationName, dataset.DeviceSerialNumber = f"USROOM{center}", f"SN-{center}-0001"
    dataset.StudyDescription, dataset.SeriesDescription = "US breast (simulated)", "Lesion sweep and compression"
    dataset.ImageComments = f"Simulated for {identity.name.replace('^', ' ')}, {identity.hospital_id}"


def _private(dataset: Dataset, identity: Identity) -> None:
    """Hide the patient in a private block, as scanners do."""
    block = dataset.private_block(0x0099, "ALNUS PHANTOM 1", create=True)
    block.add_new(0x01, "LO", f"Owner: {identity.name.replace('^', ' ')}")
    block.add_new(0x02, "LO", "simulated")


def _region(scanner: Scanner) -> Dataset:
    """Return the ultrasound region of the tissue (PS3.3 C.8.5.5); its last row and column belong to it."""
    top, left = scanner.origin_px
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 2  # 2D, tissue, opaque
    region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = left + scanner.columns - 1, top + scanner.rows - 1
    region.ReferencePixelX0, region.ReferencePixelY0 = scanner.columns // 2, 0
    region.ReferencePixelPhysicalValueX = region.ReferencePixelPhysicalValueY = 0.0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX = region.PhysicalDeltaY = scanner.spacing_mm / 10
    region.TransducerFrequency = round(scanner.frequency_mhz * 1000)  # kHz
    return region


def _image(dataset: Dataset, scanner: Scanner, frames: int) -> None:
    """Fill the image pixel, multi-frame, cine and US image modules."""
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    dataset.SamplesPerPixel = 3 if scanner.color else 1
    dataset.PhotometricInterpretation = "YBR_FULL_422" if scanner.color else "MONOCHROME2"
    if scanner.color:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = scanner.canvas_px
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.NumberOfFrames = frames
    dataset.FrameIncrementPointer = 0x00181063  # Frame Time
    dataset.FrameTime = f"{1000 / scanner.frame_rate_hz:.6f}"  # ms
    dataset.CineRate = dataset.RecommendedDisplayFrameRate = round(scanner.frame_rate_hz)
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "YES", "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.SequenceOfUltrasoundRegions = DicomSequence([_region(scanner)])


def _file_meta(instance: str) -> FileMetaDataset:
    """Return the file meta information (PS3.10 7.1), the same for every version of the DICOM library."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    meta.ImplementationClassUID = UID(uid("alnus", "phantom"))
    meta.ImplementationVersionName = "ALNUS_PHANTOM"
    return meta


def write_dicom(
    path: Path, pictures: Sequence[Grey], scanner: Scanner, identity: Identity, *, key: tuple[object, ...]
) -> None:
    """Write a cine. pictures: whole frames with burned-in text. key: what the UIDs are derived from."""
    dataset = Dataset()
    dataset.file_meta = _file_meta(uid(*key, "instance"))
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundMultiFrameImageStorage, uid(*key, "instance")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(*key, "study"), uid(*key, "series")
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "US", 1, 1
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, scanner.model
    dataset.SoftwareVersions = "phantom 1"
    _patient_and_study(dataset, identity, scanner.center)
    _private(dataset, identity)
    _image(dataset, scanner, len(pictures))
    encoded = [encode_jpeg(picture) for picture in pictures]
    raw = pictures[0].nbytes * len(pictures)
    dataset.LossyImageCompressionRatio = f"{raw / sum(map(len, encoded)):.2f}"
    dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
