"""Whose a DICOM file is, without its header's text."""

from __future__ import annotations

import json

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from alnus.media.identity.asking import identify_task, pseudonym
from alnus.media.pool import Worker

KEY = bytes(range(32))


def write(path, **elements):
    dataset = Dataset()
    dataset.PatientName = "Doe^Jane"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout_s=60) as one:
        yield one


def test_the_same_patient_and_study_have_the_same_pseudonyms_and_another_has_others(tmp_path, worker):
    files = [
        write(tmp_path / "a", PatientID="123", StudyInstanceUID="1.2.3"),
        write(tmp_path / "b", PatientID="123 ", StudyInstanceUID="1.2.4"),
        write(tmp_path / "c", PatientID="124", StudyInstanceUID="1.2.4"),
    ]
    one, two, three = (worker.ask(identify_task(path, KEY)) for path in files)
    assert one["patient"] == two["patient"] == pseudonym(KEY, "patient", "id\n123\n")
    assert two["patient"] != three["patient"]
    assert two["study"] == three["study"] == pseudonym(KEY, "study", "1.2.4")
    assert "Doe" not in json.dumps([one, two, three])


def test_what_does_not_state_a_patient_has_no_pseudonym(tmp_path, worker):
    path = write(tmp_path / "a", StudyInstanceUID="1.2.3")
    assert worker.ask(identify_task(path, KEY))["patient"] is None
    (tmp_path / "b.avi").write_bytes(b"RIFF0000AVI LIST")
    assert worker.ask(identify_task(tmp_path / "b.avi", KEY)) == {"patient": None, "study": None}


def test_another_key_gives_other_pseudonyms(tmp_path, worker):
    path = write(tmp_path / "a", PatientID="123")
    assert worker.ask(identify_task(path, KEY)) != worker.ask(identify_task(path, bytes(32)))
