"""The Comprehensive SR: a network's numbers and answer, which network, of which frames; marked as research use.

Source: DICOM PS3.16 TID 1500 (measurement report), TID 1501 (measurement group), TID 4019 (algorithm).
"""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from alnus.serve.node.heading import Source, identified, uid_of
from alnus.serve.node.keys import derived_uid
from alnus.serve.node.statement import SOFTWARE, Statement

SCHEME = "99ALNUS"
_UNIT = CodedConcept("1", "UCUM", "no units")
_NUMBERS = {
    "probability": ("score", "Score for axillary lymph node metastasis, not calibrated"),
    "risk": ("risk", "Risk of axillary lymph node metastasis, calibrated"),
    "risk_low": ("risk-low", "Risk, lower end of the 95% interval"),
    "risk_high": ("risk-high", "Risk, upper end of the 95% interval"),
    "threshold": ("threshold", "Threshold of the score, frozen beforehand"),
}
_CATEGORIES = {
    "metastasis": "metastasis",
    "no metastasis": "no-metastasis",
    "not sure: examine": "not-sure",
    "at or above the threshold": "above-threshold",
    "below the threshold": "below-threshold",
}


def report(source: Source, statement: Statement, *, key: bytes) -> Dataset:
    """Return the report of a result."""
    evidence = Dataset()
    evidence.update(source.heading)
    evidence.SOPClassUID, evidence.SOPInstanceUID = source.sop_class, source.sop_instance
    evidence.SeriesInstanceUID = source.series
    content = MeasurementReport(
        observation_context=_observer(key),
        procedure_reported=codes.SCT.Ultrasonography,
        imaging_measurements=[_group(source, statement, key)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = ComprehensiveSR(
        evidence=[evidence],
        content=content[0],
        series_instance_uid=uid_of(source, statement, key=key, kind="report", level="series"),
        series_number=1,
        sop_instance_uid=uid_of(source, statement, key=key, kind="report"),
        instance_number=1,
        manufacturer=SOFTWARE,
        is_complete=True,
    )
    identified(made, source, statement, key=key, kind="report")
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _observer(key: bytes) -> ObservationContext:
    """Return this room as the device that observed; its UID is the secret's."""
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid(key, "device"), name=SOFTWARE, manufacturer_name=SOFTWARE, model_name="Alnus reading room"
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))


def _group(source: Source, statement: Statement, key: bytes) -> MeasurementsAndQualitativeEvaluations:
    tracking = TrackingIdentifier(
        uid=uid_of(source, statement, key=key, kind="report", level="tracking"), identifier="Alnus score of the cine"
    )
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        algorithm_id=_algorithm(statement),
        measurements=_measurements(source, statement),
        qualitative_evaluations=_evaluations(statement),
        source_images=[_keyframe(source, statement)],
    )


def _algorithm(statement: Statement) -> AlgorithmIdentification:
    said = [
        "research use only, not for diagnosis",
        f"engine: {statement.engine}",
        f"{SOFTWARE} {statement.software}",
        f"explanation: {statement.measure or 'none'}",
    ]
    said += [statement.warning] if statement.warning else []
    return AlgorithmIdentification(
        name=statement.name,
        version=statement.version,
        parameters=said,
    )


def _measurements(source: Source, statement: Statement) -> list[Measurement]:
    """Each number with the frames that the network was shown."""
    frames = None if source.all_frames_read else [source.number(frame) for frame in range(source.frames)]
    image = SourceImageForMeasurement(source.sop_class, source.sop_instance, frames)
    return [
        Measurement(_own(*_NUMBERS[name]), round(value, 6), _UNIT, referenced_images=[image])
        for name in _NUMBERS
        if (value := getattr(statement, name)) is not None
    ]


def _evaluations(statement: Statement) -> list[QualitativeEvaluation]:
    said = [
        (("use", "Intended use"), ("research", "Research use only, not for diagnosis")),
        *(
            (name, (_CATEGORIES[text], text))
            for name, text in (
                (("answer", "Answer, or not sure, by the conformal set"), statement.answer),
                (("call", "Score against the frozen threshold"), statement.call),
            )
            if text is not None
        ),
    ]
    return [QualitativeEvaluation(_own(*name), _own(*value)) for name, value in said]


def _keyframe(source: Source, statement: Statement) -> SourceImageForMeasurementGroup:
    """Return the frame that the network weighed most; of a single picture the picture."""
    is_named = statement.keyframe is not None and source.count > 1
    numbers = [source.number(statement.keyframe or 0)] if is_named else None
    return SourceImageForMeasurementGroup(source.sop_class, source.sop_instance, numbers)


def _own(value: str, meaning: str) -> CodedConcept:
    """Return a concept that no public scheme has; the scheme is private (PS3.16 8.2)."""
    return CodedConcept(value, SCHEME, meaning)
