"""ZIP files as disks of images hold them, and as somebody makes them who wants to fill the memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from reading_rooms import URL, Browser, cine_bytes, opened, settings_for
from starlette.testclient import TestClient

from alnus.serve.intake.heads import Head, read_head

AVI = b"RIFF\0\0\0\0AVI "


@pytest.fixture(scope="module")
def admin(run_model, tmp_path_factory):
    """A browser that has signed in to a room whose workers do not run."""
    _, app = opened(settings_for(run_model, tmp_path_factory.mktemp("archives") / "room"))
    browser = Browser(TestClient(app, base_url=URL))
    browser.sign_in()
    return browser


def packed(packing: int, **members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_zipfile_would_unpack_at_once_is_not_unpacked(admin, packing):
    """50 MB in some hundred bytes of bzip2: zipfile decompresses all that a piece holds, whatever was asked for."""
    bomb = packed(packing, bomb=AVI + bytes(50_000_000))
    assert len(bomb) < 20_000
    tracemalloc.start()
    answer = admin.upload(bomb)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 201
    case = admin.get(f"/cases/{answer.json()['case']}").text
    assert "not packed by deflate" in case
    assert most_bytes < 20_000_000


def test_a_list_of_members_that_would_fill_the_memory_is_not_read(admin):
    """A directory of 12 MB; it would be read whole, and become some 260,000 objects, before they can be counted."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    directory = entry * (12_000_000 // len(entry))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), 4, 0)
    answer = admin.upload(b"PK\x03\x04" + directory + end)
    assert answer.status_code == 413
    assert "list of members is larger" in answer.json()["detail"]


def dicom(sop_class: str, uid: str = "1.2.3.4") -> bytes:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = sop_class, uid, "US"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = sop_class, uid
    out = io.BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def test_the_directory_and_the_reports_of_an_exported_disk_are_passed_over(admin, tmp_path):
    disk = packed(
        zipfile.ZIP_DEFLATED,
        DICOMDIR=dicom("1.2.840.10008.1.3.10"),
        SR=dicom("1.2.840.10008.5.1.4.1.1.88.33"),
        KEY=dicom("1.2.840.10008.5.1.4.1.1.88.59"),
        PRESENTATION=dicom("1.2.840.10008.5.1.4.1.1.11.1"),
        CINE=cine_bytes(tmp_path, seed=1),
    )
    assert len(admin.upload(disk).json()["videos"]) == 1


def test_a_head_states_class_and_instance():
    assert read_head(dicom("1.2.840.10008.5.1.4.1.1.3.1", "1.2.99")[:512]) == ("1.2.840.10008.5.1.4.1.1.3.1", "1.2.99")


@pytest.mark.parametrize(
    "first", [b"", AVI, bytes(128) + b"DICM", bytes(128) + b"DICM\x02\x00", bytes(128) + b"DICM" + b"\x02\x00" * 190]
)
def test_of_what_is_no_head_nothing_is_told_and_it_ends(first):
    assert read_head(first) == Head("", "")
