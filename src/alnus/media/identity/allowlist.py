"""Every DICOM element that survives de-identification, and by which rule. What is not here is gone.

Source: DICOM PS3.15 E.2 (Basic Application Level Confidentiality Profile) and Table E.1-1; PS3.3 A.6, A.7, A.8 and
C.8.5 for the terms of ultrasound. Options (PS3.16 CID 7050): Clean Pixel Data, Modified Dates.
docs/how-to/de-identify.md shows this list to users, and a test holds the two together.
"""

from __future__ import annotations

from alnus.media.identity.rules import (
    Allowlist,
    class_uid,
    coded,
    day,
    image_type,
    items,
    maker,
    measured,
    numbers,
    pseudonym,
    tags,
    terms,
    uid,
    written,
)

PROFILE = {  # PS3.16 CID 7050, scheme DCM
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
}
METHOD = "Alnus: PS3.15 Annex E allowlist, keyed UIDs and dates"

EMPTIED = (  # Type 2: must be there, may be empty (PS3.5 7.4.3)
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "PatientOrientation",
)

_MAKERS = {
    "alnus": "Alnus phantom",
    "philips": "Philips",
    "ge": "GE",
    "siemens": "Siemens",
    "acuson": "Siemens",
    "canon": "Canon",
    "toshiba": "Canon",
    "samsung": "Samsung",
    "medison": "Samsung",
    "mindray": "Mindray",
    "esaote": "Esaote",
    "hitachi": "Hitachi",
    "aloka": "Hitachi",
    "supersonic": "SuperSonic Imagine",
    "hologic": "Hologic",
    "sonosite": "SonoSite",
    "sonoscape": "SonoScape",
    "butterfly": "Butterfly",
    "clarius": "Clarius",
}
_US_VIEWS = (  # C.8.5.6.1.1, value 3
    "ABDOMINAL",
    "BREAST",
    "CHEST",
    "ENDOCAVITARY",
    "ENDORECTAL",
    "ENDOVAGINAL",
    "EPICARDIAL",
    "FETAL HEART",
    "GYNECOLOGY",
    "INTRAOPERATIVE",
    "INTRAVASCULAR",
    "MUSCULOSKELETAL",
    "NEONATAL HEAD",
    "OBSTETRICAL",
    "OPHTHALMIC",
    "PELVIC",
    "RETROPERITONEAL",
    "SCROTAL",
    "SMALL PARTS",
    "TEE",
    "THYROID",
    "TRANSCRANIAL",
    "TTE",
    "VASCULAR",
)
UNPAIRED = ("ABDOMEN", "CHEST", "HEART", "NECK", "PELVIS", "THYROID")
_PAIRED = ("AXILLA", "BREAST", "LUNG", "LYMPHNODE")
_ANATOMY = {
    "76752008": "Breast",
    "80248007": "Left breast",
    "73056007": "Right breast",
    "91470000": "Axilla",
    "68171009": "Axillary lymph node",
}

REGION: Allowlist = {  # C.8.5.5
    "RegionSpatialFormat": numbers(0, 5, whole=True),
    "RegionDataType": numbers(0, 18, whole=True),
    "RegionFlags": numbers(0, 31, whole=True),
    "RegionLocationMinX0": numbers(0, 65535, whole=True),
    "RegionLocationMinY0": numbers(0, 65535, whole=True),
    "RegionLocationMaxX1": numbers(0, 65535, whole=True),
    "RegionLocationMaxY1": numbers(0, 65535, whole=True),
    "ReferencePixelX0": numbers(-65535, 65535, whole=True),
    "ReferencePixelY0": numbers(-65535, 65535, whole=True),
    "ReferencePixelPhysicalValueX": numbers(-1e5, 1e5),
    "ReferencePixelPhysicalValueY": numbers(-1e5, 1e5),
    "PhysicalUnitsXDirection": numbers(0, 12, whole=True),
    "PhysicalUnitsYDirection": numbers(0, 12, whole=True),
    "PhysicalDeltaX": numbers(-1e5, 1e5),
    "PhysicalDeltaY": numbers(-1e5, 1e5),
    "TransducerFrequency": numbers(0, 60_000, whole=True),
    "PulseRepetitionFrequency": numbers(0, 60_000, whole=True),
    "DopplerCorrectionAngle": numbers(-180, 180),
    "SteeringAngle": numbers(-180, 180),
}
REGION_REQUIRED = (  # Type 1
    *list(REGION)[:7],
    "PhysicalUnitsXDirection",
    "PhysicalUnitsYDirection",
    "PhysicalDeltaX",
    "PhysicalDeltaY",
)
_REFERENCE: Allowlist = {"ReferencedSOPClassUID": class_uid(), "ReferencedSOPInstanceUID": uid()}

ALLOWLIST: Allowlist = {
    # SOP common, study, series
    "SOPClassUID": class_uid(),
    "SOPInstanceUID": uid(),
    "StudyInstanceUID": uid(),
    "SeriesInstanceUID": uid(),
    "StudyDate": day(),
    "SeriesDate": day(),
    "AcquisitionDate": day(),
    "ContentDate": day(),
    "AcquisitionDateTime": day(with_time=True),
    "Modality": terms("US", "IVUS", "OT"),
    "SeriesNumber": numbers(0, 9999, whole=True),
    "AcquisitionNumber": numbers(0, 9999, whole=True),
    "InstanceNumber": numbers(0, 9999, whole=True),
    # patient
    "PatientName": pseudonym(),
    "PatientID": pseudonym(),
    **dict.fromkeys(EMPTIED, written()),
    "PatientIdentityRemoved": written("YES"),
    "DeidentificationMethod": written(METHOD),
    "DeidentificationMethodCodeSequence": coded("DCM", PROFILE),
    "LongitudinalTemporalInformationModified": written("MODIFIED"),
    # equipment and anatomy
    "Manufacturer": maker(_MAKERS),
    "TransducerType": terms(
        "SECTOR_PHASED",
        "SECTOR_MECH",
        "SECTOR_ANNULAR",
        "LINEAR",
        "CURVED LINEAR",
        "SINGLE CRYSTAL",
        "SPLIT XTAL CWD",
        "IV_PHASED",
        "IV_ROT XTAL",
        "IV_ROT MIRROR",
        "ENDOCAV_PA",
        "ENDOCAV_MECH",
        "ENDOCAV_CLA",
        "ENDOCAV_AA",
        "ENDOCAV_LINEAR",
        "VECTOR_PHASED",
    ),
    "DepthOfScanField": numbers(0, 1000, whole=True),
    "BodyPartExamined": terms(*_PAIRED, *UNPAIRED),
    "AnatomicRegionSequence": coded("SCT", _ANATOMY),
    "Laterality": terms("R", "L"),
    "ImageLaterality": terms("R", "L", "B", "U"),
    # image
    "ImageType": image_type(*_US_VIEWS),
    "ConversionType": written("DV", "DI", "WSD", kept="WSD for video files, else DI"),
    "UltrasoundColorDataPresent": numbers(0, 1, whole=True),
    "SequenceOfUltrasoundRegions": items(REGION, required=REGION_REQUIRED),
    "PixelSpacing": numbers(1e-4, 100, count=2),
    "ReferencedImageSequence": items(_REFERENCE, required=tuple(_REFERENCE)),
    "SourceImageSequence": items(_REFERENCE, required=tuple(_REFERENCE)),
    "LossyImageCompression": terms("00", "01"),
    "LossyImageCompressionRatio": numbers(1, 1000, count=None),
    "LossyImageCompressionMethod": terms(
        "ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_13818_2", "ISO_14496_10", "ISO_23008_2"
    ),
    "BurnedInAnnotation": written("NO", "YES", kept="NO where pixels were cleaned, else YES"),
    "PresentationLUTShape": written("IDENTITY"),
    "RescaleIntercept": measured(0, 0),
    "RescaleSlope": measured(1, 1),
    "RescaleType": written("US"),
    # cine and pixels, stated anew
    "FrameTime": numbers(1e-3, 1e5),
    "FrameTimeVector": numbers(0, 1e5, count=None),
    "CineRate": numbers(1, 1000, whole=True),
    "RecommendedDisplayFrameRate": numbers(1, 1000, whole=True),
    "PreferredPlaybackSequencing": numbers(0, 1, whole=True),
    "FrameIncrementPointer": tags("FrameTime", "FrameTimeVector"),
    "NumberOfFrames": measured(1, 10**7),
    "SamplesPerPixel": measured(1, 3),
    "PhotometricInterpretation": written("MONOCHROME2", "RGB"),
    "PlanarConfiguration": measured(0, 0),
    "Rows": measured(1, 65535),
    "Columns": measured(1, 65535),
    "BitsAllocated": measured(8, 8),
    "BitsStored": measured(8, 8),
    "HighBit": measured(7, 7),
    "PixelRepresentation": measured(0, 0),
}
