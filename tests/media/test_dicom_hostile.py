"""Hostile DICOM is refused for what it is, within 5 s and 1 GB, whatever it claims."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames

MOST_SECONDS = 5.0
MOST_BYTES = 1_000_000_000

# Opens each file of the list in one process whose memory may grow by MOST_BYTES; prints what became of it.
JUDGE = f"""
import json, resource, sys, time
import numpy, av, pydicom, openjpeg, libjpeg, jpeg_ls
from PIL import Image
from alnus.errors import MediaError
from alnus.media import open_cine
import alnus.media.dicom.reading
Image.init()

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

limit = status("VmSize") + {MOST_BYTES}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in json.load(sys.stdin):
    before, started = status("VmRSS"), time.process_time()
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    try:
        told = "opened " + str(open_cine(path).frames.shape)
    except MediaError as error:
        told = str(error)
    print(json.dumps([path, told, time.process_time() - started, status("VmHWM") - before]), flush=True)
"""

Build = Callable[[SimpleNamespace, np.ndarray], bytes]
CASES: dict[str, tuple[Build, str]] = {}


def case(reason: str) -> Callable[[Build], Build]:
    """Register a builder of a hostile file and the reason for which it must be refused."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = (build, reason)
        return build

    return register


def written(dataset: Any) -> bytes:
    content = BytesIO()
    dataset.save_as(content, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return content.getvalue()


def coded(make, frames, syntax: str, streams: list[bytes], **changes: Any) -> bytes:
    """A data set whose header says what `changes` say and whose pixel data are what `streams` are."""
    dataset = make.ultrasound(frames)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].is_undefined_length = True
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return written(dataset)


def real_stream(make, frames, syntax: str) -> bytes:
    dataset = make.ultrasound(frames[:1])
    dataset.compress(syntax, generate_instance_uid=False)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def resized_jpeg(stream: bytes, marker: bytes, side: int = 65000) -> bytes:
    at = stream.index(marker) + 5
    return stream[:at] + side.to_bytes(2, "big") * 2 + stream[at + 4 :]


def resized_j2k(stream: bytes, side: int = 65000, tile: int | None = None) -> bytes:
    at = stream.index(b"\xff\x4f\xff\x51") + 8
    sizes = side.to_bytes(4, "big") * 2 + bytes(8)
    if tile is not None:
        sizes += tile.to_bytes(4, "big") * 2
    return stream[:at] + sizes + stream[at + len(sizes) :]


HUGE = {"Rows": 65000, "Columns": 65000}
TOO_LARGE = r"65000x65000 pixels; at most 8192"
DISAGREES = r"frame 1 is coded as 65000x65000 pixels, but the header states 96x64"


@case(TOO_LARGE)
def jpeg_and_header_of_65000(make, scene):
    return coded(make, scene[:1], uid.JPEGBaseline8Bit, [resized_jpeg(make.jpeg(scene[0]), b"\xff\xc0")], **HUGE)


@case(DISAGREES)
def jpeg_alone_of_65000(make, scene):
    return coded(make, scene[:1], uid.JPEGBaseline8Bit, [resized_jpeg(make.jpeg(scene[0]), b"\xff\xc0")])


@case(DISAGREES)
def jpeg_lossless_alone_of_65000(make, scene):
    stream = resized_jpeg(make.jpeg(scene[0]), b"\xff\xc0").replace(b"\xff\xc0", b"\xff\xc3")
    return coded(make, scene[:1], uid.JPEGLosslessSV1, [stream])


@case(r"frame 1 (cannot be decoded|is coded)")
def jpeg_with_a_second_frame_header_of_65000(make, scene):
    stream = make.jpeg(scene[0])
    at = stream.index(b"\xff\xc0")
    length = int.from_bytes(stream[at + 2 : at + 4], "big") + 2
    second = resized_jpeg(stream[at : at + length], b"\xff\xc0")
    return coded(make, scene[:1], uid.JPEGExtended12Bit, [stream[: at + length] + second + stream[at + length :]])


@case(DISAGREES)
def jpeg_ls_alone_of_65000(make, scene):
    stream = resized_jpeg(real_stream(make, scene, uid.JPEGLSLossless), b"\xff\xf7")
    return coded(make, scene[:1], uid.JPEGLSLossless, [stream])


@case(TOO_LARGE)
def jpeg_ls_and_header_of_65000(make, scene):
    stream = resized_jpeg(real_stream(make, scene, uid.JPEGLSLossless), b"\xff\xf7")
    return coded(make, scene[:1], uid.JPEGLSLossless, [stream], **HUGE)


@case(r"frame 1 states 67108864 pixels in 100 bytes")
def jpeg_ls_of_8192_with_64_bytes(make, scene):
    stream = resized_jpeg(real_stream(make, scene, uid.JPEGLSLossless), b"\xff\xf7", 8192)
    return coded(make, scene[:1], uid.JPEGLSLossless, [stream[:100]], Rows=8192, Columns=8192)


@case(r"frame 1 is cut: the end of its code stream is not there")
def jpeg_ls_that_ends_early(make, scene):
    return coded(make, scene[:1], uid.JPEGLSLossless, [real_stream(make, scene, uid.JPEGLSLossless)[:60]])


@case(DISAGREES)
def jpeg_2000_alone_of_65000(make, scene):
    return coded(make, scene[:1], uid.JPEG2000, [resized_j2k(real_stream(make, scene, uid.JPEG2000Lossless))])


@case(TOO_LARGE)
def jpeg_2000_and_header_of_65000(make, scene):
    stream = resized_j2k(real_stream(make, scene, uid.JPEG2000Lossless))
    return coded(make, scene[:1], uid.JPEG2000, [stream], **HUGE)


@case(r"frame 1 states 67108864 pixels in \d+ bytes")
def jpeg_2000_and_header_of_8192(make, scene):
    stream = resized_j2k(real_stream(make, scene, uid.JPEG2000Lossless), 8192, 8192)
    return coded(make, scene[:1], uid.JPEG2000, [stream], Rows=8192, Columns=8192)


@case(r"coded in 262144 tiles")
def jpeg_2000_of_single_pixel_tiles(make, scene):
    stream = resized_j2k(real_stream(make, scene, uid.JPEG2000Lossless), 512, 1)
    return coded(make, scene[:1], uid.JPEG2000, [stream], Rows=512, Columns=512)


@case(r"coded with 16384 samples")
def jpeg_2000_of_16384_components(make, scene):
    stream = bytearray(real_stream(make, scene, uid.JPEG2000Lossless))
    stream[40:42] = (16384).to_bytes(2, "big")
    return coded(make, scene[:1], uid.JPEG2000, [bytes(stream)])


@case(TOO_LARGE)
def rle_and_header_of_65000(make, scene):
    return coded(make, scene[:1], uid.RLELossless, [real_stream(make, scene, uid.RLELossless)], **HUGE)


@case(r"an RLE segment holds less than its 67108864 bytes")
def rle_and_header_of_8192(make, scene):
    stream = real_stream(make, scene, uid.RLELossless)
    return coded(make, scene[:1], uid.RLELossless, [stream], Rows=8192, Columns=8192)


@case(r"opened \(1, 64, 96\)")
def rle_of_runs_without_end(make, scene):
    stream = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x81\x07" * 10_000_000
    return coded(make, scene[:1], uid.RLELossless, [stream])


@case(r"its RLE segments lie outside it")
def rle_of_offsets_that_lie(make, scene):
    stream = bytearray(real_stream(make, scene, uid.RLELossless))
    stream[4:8] = (0xFFFFFFF0).to_bytes(4, "little")
    return coded(make, scene[:1], uid.RLELossless, [bytes(stream)])


@case(r"it has 4294967295 RLE segments, not 1")
def rle_of_four_billion_segments(make, scene):
    stream = b"\xff" * 4 + real_stream(make, scene, uid.RLELossless)[4:]
    return coded(make, scene[:1], uid.RLELossless, [stream])


def deflated(make, scene, body: Callable[[Any], bytes | None]) -> bytes:
    """A deflated file; body: what is compressed in place of the data set."""
    dataset = make.ultrasound(scene)
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    plain = written(dataset)
    start = 144 + int.from_bytes(plain[140:144], "little")
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    dataset.file_meta.FileMetaInformationGroupLength = 0
    whole = BytesIO()
    dataset.save_as(whole, enforce_file_format=True)
    content = whole.getvalue()
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    squeezer = zlib.compressobj(9, wbits=-15)
    return content[:meta_end] + squeezer.compress(body(plain[start:])) + squeezer.flush()


@case(r"it inflates to more than 1073741824 bytes")
def deflate_of_two_gigabytes_before_the_pixels(make, scene):
    content = deflated(make, scene, lambda _: b"")
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    squeezer = zlib.compressobj(wbits=-15)
    head = squeezer.compress(b"\x09\x00\x01\x10OB\x00\x00" + (1 << 31).to_bytes(4, "little"))
    head += squeezer.flush(zlib.Z_FULL_FLUSH)
    block = squeezer.compress(bytes(1 << 24)) + squeezer.flush(zlib.Z_FULL_FLUSH)  # as good as often repeated
    return content[:meta_end] + head + block * 128 + squeezer.flush()


@case(TOO_LARGE)
def deflate_of_65000(make, scene):
    rows, columns = b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"
    side = (65000).to_bytes(2, "little")
    return deflated(
        make,
        scene,
        lambda plain: plain.replace(rows + b"\x40\x00", rows + side).replace(columns + b"\x60\x00", columns + side),
    )


@case(r"NumberOfFrames is 12, but its pixel data hold \S+ frames")
def deflate_of_four_gigabytes_of_pixels(make, scene):
    def body(plain: bytes) -> bytes:
        at = plain.index(b"\xe0\x7f\x10\x00OB\x00\x00") + 8
        return plain[:at] + b"\xfe\xff\xff\xff" + bytes(1 << 26)

    return deflated(make, scene, body)


def with_frames(make, scene, text: bytes) -> bytes:
    dataset = make.ultrasound(scene)
    dataset.NumberOfFrames = "99"
    padded = text + b" " * (len(text) % 2)
    return written(dataset).replace(b"IS\x02\x0099", b"IS" + len(padded).to_bytes(2, "little") + padded)


for name, text, reason in [
    ("huge", b"2147483647", r"2147483647 frames or more; at most 20000"),
    ("zero", b"0", r"NumberOfFrames is 0"),
    ("negative", b"-12", r"NumberOfFrames is -12"),
    ("text", b"many", r"NumberOfFrames is absent or not a number"),
    ("nine_too_many", b"21", r"NumberOfFrames is 21, but its pixel data hold 12 frames"),
    ("long", b"1\\" * 30_000, r"NumberOfFrames is absent or not a number"),
]:
    CASES[f"frames_{name}"] = (lambda make, scene, text=text: with_frames(make, scene, text), reason)


def with_time(make, scene, text: bytes) -> bytes:
    dataset = make.ultrasound(scene)
    dataset.FrameTime = "99"
    padded = text + b" " * (len(text) % 2)
    return written(dataset).replace(b"DS\x02\x0099", b"DS" + len(padded).to_bytes(2, "little") + padded)


for name, text, reason in [
    ("zero", b"0.0", r"FrameTime is 0; it must be finite and positive"),
    ("nan", b"NaN", r"FrameTime is nan"),
    ("infinite", b"inf", r"FrameTime is inf"),
    ("negative", b"-40", r"FrameTime is -40"),
    ("huge", b"1e300", r"FrameTime is 1e\+300 ms, which no cine has"),
    ("tiny", b"1e-300", r"FrameTime is 1e-300 ms, which no cine has"),
]:
    CASES[f"frame_time_{name}"] = (lambda make, scene, text=text: with_time(make, scene, text), reason)


def inserted(make, scene, elements: bytes) -> bytes:
    """Put elements before group 0010 of an uncompressed cine."""
    content = written(make.ultrasound(scene))
    at = content.index(b"\x10\x00\x10\x00PN")
    return content[:at] + elements + content[at:]


DEPTH = 20_000
_ITEM, _ITEM_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\x00\x00\x00\x00"
_END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
_UNDEFINED = b"\xff\xff\xff\xff"


def nested(head: bytes, *, defined: bool) -> bytes:
    """A sequence of one item that holds a sequence of one item, and so on; head: tag, VR and reserved bytes."""
    if not defined:
        return (head + _UNDEFINED + _ITEM + _UNDEFINED) * DEPTH + (_ITEM_END + _END) * DEPTH
    wraps = []
    length = 0
    for _ in range(DEPTH):
        wraps.append(head + (length + 8).to_bytes(4, "little") + _ITEM + length.to_bytes(4, "little"))
        length += len(head) + 12
    return b"".join(reversed(wraps))


_REGIONS = b"\x18\x00\x11\x60SQ\x00\x00"


@case(r"its sequences are nested too deeply")
def nested_sequences_of_undefined_length(make, scene):
    return inserted(make, scene, nested(b"\x08\x00\x15\x11SQ\x00\x00", defined=False))


@case(r"opened \(12, 64, 96\)")
def nested_sequences_of_defined_length(make, scene):
    return inserted(make, scene, nested(b"\x08\x00\x15\x11SQ\x00\x00", defined=True))


@case(r"its sequences are nested too deeply")
def nested_private_sequences_of_unknown_vr(make, scene):
    return inserted(make, scene, nested(b"\x09\x00\x01\x10UN\x00\x00", defined=False))


@case(r"opened \(12, 64, 96\)")
def nested_regions_of_defined_length(make, scene):
    content = written(make.ultrasound(scene))
    at = content.index(b"\x18\x00\x63\x10DS") + 10
    return content[:at] + nested(_REGIONS, defined=True) + content[at:]


@case(r"its sequences are nested too deeply")
def nested_sequences_deflated(make, scene):
    return deflated(make, scene, lambda plain: nested(b"\x08\x00\x15\x11SQ\x00\x00", defined=False) + plain)


@case(r"the file is cut: it ends inside its header")
def element_of_four_gigabytes(make, scene):
    return inserted(make, scene, b"\x09\x00\x01\x10OB\x00\x00\xfe\xff\xff\xff")


@case(r"the file is cut: it ends inside its header")
def private_sequence_without_end(make, scene):
    return inserted(make, scene, b"\x09\x00\x01\x10UN\x00\x00" + _UNDEFINED + _ITEM + b"\xf0\xff\xff\x7f")


@case(r"its header has more than 200000 elements")
def a_million_elements(make, scene):
    return inserted(make, scene, b"\x09\x00\x01\x10LO\x00\x00" * 1_000_000)


@case(r"its pixel data have more than 200000 fragments")
def hundreds_of_thousands_of_empty_fragments(make, scene):
    content = coded(make, scene[:1], uid.RLELossless, [b"ab"])
    at = content.index(_ITEM + b"\x02\x00\x00\x00ab")
    return content[:at] + (_ITEM + bytes(4)) * 300_000 + content[at:]


@case(r"opened \(12, 64, 96\)")
def extended_offset_table_that_lies(make, scene):
    streams = [make.jpeg(frame) for frame in scene]
    lies = np.full(12, 2**63, "<u8").tobytes()
    return coded(make, scene, uid.JPEGBaseline8Bit, streams, ExtendedOffsetTable=lies, ExtendedOffsetTableLengths=lies)


@case(r"pixel data hold 24 frames")
def offset_tables_that_lie_over_rle(make, scene):
    stream = real_stream(make, scene, uid.RLELossless)
    lies = (np.arange(12, dtype="<u8") * 7).tobytes()
    return coded(make, scene, uid.RLELossless, [stream] * 24, ExtendedOffsetTable=lies, ExtendedOffsetTableLengths=lies)


def palette(make, scene, **changes: Any) -> bytes:
    dataset = make.ultrasound(scene, photometric="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", bytes(512))
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return written(dataset)


PALETTE_LIES = r"its colour palette is not what its descriptor says"
for name, changes in {
    "short": {"RedPaletteColorLookupTableData": bytes(100)},
    "missing": {"GreenPaletteColorLookupTableData": None},
    "of_no_bits": {"RedPaletteColorLookupTableDescriptor": [256, 0, 0]},
    "of_a_megabyte": {"RedPaletteColorLookupTableData": bytes(1 << 20)},
}.items():
    CASES[f"palette_{name}"] = (lambda make, scene, changes=changes: palette(make, scene, **changes), PALETTE_LIES)


@case(PALETTE_LIES)
def palette_of_segments_without_end(make, scene):
    segment = np.array([1, 65535, 7] * 10_000, "<u2").tobytes()
    changes: dict[str, Any] = {}
    for colour in ("Red", "Green", "Blue"):
        changes[f"{colour}PaletteColorLookupTableData"] = None
        changes[f"Segmented{colour}PaletteColorLookupTableData"] = segment
    return palette(make, scene, **changes)


@case(r"its FrameTimeVector is not a number")
def frame_time_vector_of_ten_million_numbers(make, scene):
    content = written(make.ultrasound(scene)).replace(b"\x18\x00\x63\x10DS\x02\x0040", b"")
    at = content.index(b"\x28\x00\x02\x00US")
    vector = b"\x18\x00\x65\x10UN\x00\x00" + (20_000_000).to_bytes(4, "little") + b"1\\" * 10_000_000
    return content[:at] + vector + content[at:]


@case(r"(65000x65000|\d+x\d+ pixels|cannot be decoded|cannot be read|no frame)")
def encapsulated_video_of_huge_frames(make, scene):
    # an MPEG-2 sequence header and its extension: 16383x16383 pixels
    head = b"\x00\x00\x01\xb3\xff\xff\xff\x13\xff\xff\xe0\x18" + b"\x00\x00\x01\xb5\x14\x8a\x00\x01\x00\x00"
    return coded(make, scene, uid.MPEG2MPML, [head + bytes(2000)], PhotometricInterpretation="YBR_PARTIAL_420")


@case(r"cannot be (decoded|read)|no frame|0x0|more frames|NumberOfFrames")
def encapsulated_video_of_noise(make, scene):
    noise = b"\x00\x00\x00\x01\x67" + np.random.default_rng(0).bytes(200_000)
    return coded(make, scene, uid.MPEG4HP41, [noise], PhotometricInterpretation="YBR_PARTIAL_420")


@case(r"its transfer syntax says uncompressed, but its pixel data are not")
def encapsulated_yet_uncompressed(make, scene):
    return coded(make, scene, uid.ExplicitVRLittleEndian, [bytes(96 * 64)] * 12)


@case(r"not encapsulated, as its transfer syntax says")
def compressed_yet_not_encapsulated(make, scene):
    dataset = make.ultrasound(scene)
    content = written(dataset)
    return content.replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.5\x00")


@case(r"photometric|holds no image|cannot be decoded|cut")
def random_bytes_behind_the_preamble(make, scene):
    return bytes(128) + b"DICM" + np.random.default_rng(3).bytes(300_000)


@case(r"holds no image|cut")
def zeros_behind_the_preamble(make, scene):
    return bytes(128) + b"DICM" + bytes(2_000_000)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured through Linux's /proc")
def test_each_hostile_file_is_refused_for_its_reason_within_5_s_and_1_gb(tmp_path, make, scene):
    paths = {}
    for name, (build, _) in CASES.items():
        paths[name] = tmp_path / f"{name}.dcm"
        paths[name].write_bytes(build(make, scene))
    judged = subprocess.run(
        [sys.executable, "-c", JUDGE],
        input=json.dumps([str(path) for path in paths.values()]),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    rows = [json.loads(line) for line in judged.stdout.splitlines()]
    told = {Path(path).stem: (text, seconds, grown) for path, text, seconds, grown in rows}
    assert set(told) == set(CASES), judged.stderr[-2000:]
    for name, (_, reason) in CASES.items():
        text, seconds, grown = told[name]
        assert_refused(name, text, reason)
        assert seconds < MOST_SECONDS, f"{name} took {seconds:.1f} s"
        assert grown < MOST_BYTES, f"{name} took {grown} bytes"


def assert_refused(name: str, text: str, reason: str) -> None:
    assert re.search(reason, text), f"{name}: {text}"
    assert "eaked" not in text
    assert "\n" not in text
