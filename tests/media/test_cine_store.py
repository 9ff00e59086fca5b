"""The store is read by memory map, and says when it is not what it should be."""

from __future__ import annotations

import hashlib
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from xxhash import xxh3_128_hexdigest

from alnus.errors import MediaError
from alnus.media import CineStore, IngestItem, ingest, ingestion
from alnus.media.rules import Rules
from alnus.media.stored import stored_meta


@pytest.fixture
def store(tmp_path, scene, make) -> CineStore:
    path = make.video(tmp_path / "a.mkv", scene, container="matroska", codec="ffv1", pix_fmt="gray")
    ingest([IngestItem("a.mkv", path)], tmp_path / "store", workers=1)
    return CineStore(tmp_path / "store")


def _frames_file(store):
    return store.root / store.entry("a.mkv").key / "frames.npy"


def test_frames_are_mapped_and_not_loaded(store, scene):
    frames = store.frames("a.mkv")
    assert isinstance(frames, np.memmap)
    assert not frames.flags.writeable
    np.testing.assert_array_equal(frames[[3, 9]], scene[[3, 9]])


def test_frames_that_are_read_are_those_of_the_map_in_any_order(store, scene):
    chosen = [9, 3, 3, 0, -1]
    read = store.read("a.mkv", np.array(chosen))
    np.testing.assert_array_equal(read, scene[chosen])
    assert read.flags.writeable
    assert store.read("a.mkv", []).shape == (0, *scene.shape[1:])
    with pytest.raises(IndexError):
        store.read("a.mkv", [12])


def test_the_frames_file_is_what_numpy_itself_would_save(store, scene, tmp_path):
    np.save(tmp_path / "own.npy", scene)
    assert _frames_file(store).read_bytes() == (tmp_path / "own.npy").read_bytes()


def test_an_entry_states_size_times_and_checksum(store):
    entry = store.entry("a.mkv")
    assert (entry.frames, entry.height, entry.width) == (12, 64, 96)
    assert entry.frame_rate_hz == pytest.approx(25)
    assert entry.duration_s == pytest.approx(12 / 25)
    assert (entry.spacing_row_mm, entry.has_image, entry.phantom, entry.notes) == (None, False, False, "")
    assert len(entry.checksum) == len("xxh3-128:") + 32


def test_an_entry_states_the_checksums_of_its_frames_its_source_and_its_still(store, tmp_path, scene):
    entry = store.entry("a.mkv")
    assert entry.checksum == f"xxh3-128:{xxh3_128_hexdigest(_frames_file(store).read_bytes())}"
    assert entry.source_sha256 == _sha256((tmp_path / "a.mkv").read_bytes())
    assert entry.image_sha256 is None
    Image.fromarray(scene[3]).save(tmp_path / "still.png")
    ingest([IngestItem("a.mkv", tmp_path / "a.mkv", image=tmp_path / "still.png")], store.root, workers=1)
    assert CineStore(store.root).entry("a.mkv").image_sha256 == _sha256((tmp_path / "still.png").read_bytes())
    meta = json.loads((_frames_file(store).parent / "meta.json").read_text())
    assert (meta["source_sha256"], meta["checksum"]) == (entry.source_sha256, entry.checksum)


def test_the_checksum_of_a_folder_is_of_its_frames_names_and_contents(tmp_path, scene):
    folder = tmp_path / "frames"
    folder.mkdir()
    for name, frame in (("10.png", scene[1]), ("2.png", scene[0])):
        Image.fromarray(frame).save(folder / name)
    lines = "".join(f"{_sha256((folder / name).read_bytes())}  {name}\n" for name in ("10.png", "2.png"))
    assert _checksum_of(folder, tmp_path) == _sha256(lines.encode())
    (folder / ".hidden").write_text("as a desktop leaves it")
    assert _checksum_of(folder, tmp_path) == _sha256(lines.encode())
    (folder / "2.png").rename(folder / "3.png")
    assert _checksum_of(folder, tmp_path) != _sha256(lines.encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checksum_of(folder, tmp_path) -> str:
    ingest([IngestItem("a", folder)], tmp_path / "folders", workers=1)
    return CineStore(tmp_path / "folders").entry("a").source_sha256


def test_a_store_survives_being_sent_to_a_loaders_worker(store, scene):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).frames("a.mkv"), scene)


def test_one_flipped_bit_is_found(store):
    assert store.verify() == []
    content = bytearray(_frames_file(store).read_bytes())
    content[-1] ^= 1
    _frames_file(store).write_bytes(bytes(content))
    assert store.verify() == ["a.mkv"]


def test_a_video_that_is_not_in_the_store_is_refused_by_name(store):
    with pytest.raises(MediaError, match=r"other\.avi: is not in the cine store"):
        store.frames("other.avi")


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"is no cine store, index\.csv is missing"):
        CineStore(tmp_path).videos()


def test_missing_cut_and_foreign_frames_are_refused(store):
    path = _frames_file(store)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    with pytest.raises(MediaError, match=r"frames\.npy: is missing or damaged"):
        store.frames("a.mkv")
    np.save(path, np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(MediaError, match="is not what the index states"):
        store.frames("a.mkv")
    path.unlink()
    with pytest.raises(MediaError, match="is missing or damaged"):
        store.frames("a.mkv")


def test_a_damaged_index_is_refused_and_ingestion_mends_it(store, tmp_path):
    (store.root / "index.csv").write_text("video,key\na.mkv,0\n")
    with pytest.raises(MediaError, match=r"index\.csv: cannot be read"):
        CineStore(store.root).videos()
    ingest([IngestItem("a.mkv", tmp_path / "a.mkv")], store.root, workers=1)
    assert CineStore(store.root).videos() == ["a.mkv"]


def test_frames_whose_bytes_changed_are_decoded_again_and_whole_ones_are_not(store, tmp_path):
    whole = _frames_file(store).read_bytes()
    _frames_file(store).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert _again(store, tmp_path).ingested == ["a.mkv"]
    assert _frames_file(store).read_bytes() == whole
    assert _again(store, tmp_path).skipped == ["a.mkv"]


NEEDED = ["format", "video", "frames", "height", "width", "duration_s", "frame_rate_hz", "spacing_mm", "phantom"]
CHECKSUMS_AND_NOTES = ["checksum", "still_checksum", "source_sha256", "image_sha256", "notes", "source"]


def test_a_meta_file_that_is_damaged_or_lacks_anything_is_decoded_again(store):
    """Asked of the entry itself: a decoding for each damage would take long."""
    path = _frames_file(store).parent / "meta.json"
    whole = json.loads(path.read_text())
    item = IngestItem("a.mkv", store.root.parent / "a.mkv")
    rules = Rules().fingerprint()
    assert stored_meta(store.root, item, rules=rules) == whole
    assert stored_meta(store.root, item, rules="others") is None
    lacking = [{key: value for key, value in whole.items() if key != lost} for lost in NEEDED + CHECKSUMS_AND_NOTES]
    wrong = [{"frames": "many"}, {"frames": 11}, {"video": None}, {"video": "b"}, {"notes": 3}, {"spacing_mm": "ab"}]
    texts = ["{", "[]", "null", "3", '"text"', "[" * 100_000, *map(json.dumps, lacking)]
    for text in [*texts, *(json.dumps(whole | change) for change in wrong)]:
        path.write_text(text)
        assert stored_meta(store.root, item, rules=rules) is None, text[:80]


def test_ingestion_mends_a_damaged_meta_file(store, tmp_path):
    key = store.entry("a.mkv").key
    (store.root / key / "meta.json").write_text("[]")
    assert _again(store, tmp_path).ingested == ["a.mkv"]
    assert CineStore(store.root).entry("a.mkv").key == key


def test_a_damaged_entry_that_the_table_does_not_name_is_listed_as_excluded(store, tmp_path):
    path = _frames_file(store).parent / "meta.json"
    meta = json.loads(path.read_text())
    del meta["notes"]
    path.write_text(json.dumps(meta))
    report = ingest([IngestItem("b.mkv", tmp_path / "a.mkv")], store.root, workers=1)
    assert CineStore(store.root).videos() == report.ingested == ["b.mkv"]
    assert "a.mkv,its entry in the store is damaged" in (store.root / "excluded.csv").read_text()
    assert _again(store, tmp_path).ingested == ["a.mkv"]
    assert CineStore(store.root).videos() == ["a.mkv", "b.mkv"]


def test_an_entry_that_cannot_be_read_back_is_excluded_with_the_reason(store, tmp_path, monkeypatch):
    monkeypatch.setattr(ingestion, "stored_row", lambda folder: None)
    report = _again(store, tmp_path)
    assert (report.ingested, report.skipped) == ([], [])
    assert [exclusion.video for exclusion in report.excluded] == ["a.mkv"]
    assert "a.mkv,its entry in the store is damaged" in (store.root / "excluded.csv").read_text()


def _again(store, tmp_path):
    return ingest([IngestItem("a.mkv", tmp_path / "a.mkv")], store.root, workers=1)
