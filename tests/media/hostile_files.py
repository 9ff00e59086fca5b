"""Small files that try to crash, stall, fill or mislead a reader of videos and images, each written from code.

`written(folder)` writes them all and returns their paths by name; each must be refused. What cannot be refused
because it is sound apart from what it asks a reader to follow is made by the functions that the tests call.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image

Maker = Callable[[], bytes]
BOX_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl")


def scene(frames: int = 8, height: int = 64, width: int = 96) -> np.ndarray:
    """(frames, height, width): a bright bar that moves over a gradient."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([20 + rows + (np.abs(columns - 10 - 6 * t) < 5) * 120 for t in range(frames)]).astype(np.uint8)


def video(container: str, codec: str, pixel_format: str, *, frames: int = 8) -> bytes:
    content = BytesIO()
    with av.open(content, "w", format=container) as media:
        stream = media.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel_format
        for pixels in scene(frames):
            media.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=pixel_format)))
        media.mux(stream.encode())
    return content.getvalue()


# --- playlists and scripts: text that FFmpeg would follow to other files --------------------------------------------

PLAYLISTS = {
    "hls.avi": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    "hls-key.mp4": b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:9/k"\n#EXTINF:1,\na.ts\n',
    "dash.mp4": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    b"<Representation><BaseURL>file:///etc/hostname</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "concat.avi": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "session.mov": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "redirector.asf": b'<ASX VERSION="3.0"><ENTRY><REF HREF="http://127.0.0.1:9/x"/></ENTRY></ASX>',
    "reference.asf": b"[Reference]\r\nRef1=http://127.0.0.1:9/x\r\n",
    "realmedia.mpg": b"rtsp://127.0.0.1:9/x\n",
    "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname"/></svg>',
    "bom-hls.avi": b"\xef\xbb\xbf#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
    "subtitles.avi": b"1\n00:00:01,000 --> 00:00:02,000\ntext\n",
}


# --- MP4 and MOV ----------------------------------------------------------------------------------------------------


def box(kind: bytes, payload: bytes) -> bytes:
    """ISO/IEC 14496-12, 4.2."""
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, data[at + 8 : at + size]
        at += size


def with_box(data: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return the file with a box's payload changed, and the sizes of those around it. The media data stay in place."""
    parts = []
    for name, payload in boxes(data):
        if name == kind:
            payload = change(payload)
        elif name in BOX_PARENTS:
            payload = with_box(payload, kind, change)
        parts.append(box(name, payload))
    return b"".join(parts)


def alias(path: str) -> bytes:
    """A Macintosh alias record with an absolute path, as FFmpeg's mov demuxer reads it; a dref entry."""
    name = path.encode()
    record = bytes(10) + b"\x04disk" + bytes(27 - 4) + bytes(12) + b"\x04file" + bytes(63 - 4) + bytes(16)
    record += struct.pack(">hh", 1, 1) + bytes(16)
    record += struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2)
    record += struct.pack(">Hh", 0xFFFF, 0)
    return struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record


def mov_with_reference(path: str) -> bytes:
    """A QuickTime movie whose samples lie in another file (dref of kind alis)."""
    return with_box(video("mov", "mjpeg", "yuvj420p"), b"dref", lambda _: bytes(4) + struct.pack(">I", 1) + alias(path))


def reference_movie() -> bytes:
    url = b"file:///etc/hostname\0"
    rdrf = box(b"rdrf", bytes(4) + b"url " + struct.pack(">I", len(url)) + url)
    return box(b"ftyp", b"qt  " + bytes(4) + b"qt  ") + box(b"moov", box(b"rmra", box(b"rmda", rdrf)))


def mp4_with(kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return with_box(video("mp4", "mpeg4", "yuv420p"), kind, change)


def sizes_from_nowhere(payload: bytes) -> bytes:
    """stsz: 2^32-1 samples of their own sizes, which are not there."""
    return bytes(4) + struct.pack(">II", 0, 0xFFFFFFFF) + payload[12:]


# --- other containers -----------------------------------------------------------------------------------------------


def matroska_of_enormous_elements() -> bytes:
    header = b"\x1a\x45\xdf\xa3\x88\x42\x82\x85webm\0"
    enormous = b"\x01" + b"\xff" * 6 + b"\xfe"
    tracks = b"\x16\x54\xae\x6b" + enormous + b"\xae" + enormous + b"\x63\xa2" + enormous
    return header + b"\x18\x53\x80\x67" + enormous + tracks


def matroska_nested() -> bytes:
    """Tags inside tags, 20,000 deep."""
    return (
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01"
        + b"\xff" * 7
        + b"\x12\x54\xc3\x67\x01"
        + b"\xff" * 7
        + (b"\x67\xc8\x01" + b"\xff" * 7) * 20_000
    )


def avi_with(mark: bytes, at: int, value: bytes, *, codec: str = "mjpeg") -> bytes:
    """An AVI with bytes written so far behind the end of a mark."""
    data = bytearray(video("avi", codec, "yuvj420p" if codec == "mjpeg" else "gray"))
    start = data.index(mark) + len(mark) + at
    data[start : start + len(value)] = value
    return bytes(data)


def avi_whose_frames_grow() -> bytes:
    """MJPEG whose frames say 8,000x8,000 in a container that says 96x64."""
    return avi_of_frames_of(8_000, 8_000)


def avi_of_frames_of(width: int, height: int) -> bytes:
    data, at = bytearray(video("avi", "mjpeg", "yuvj420p")), 0
    while (at := data.find(b"\xff\xc0\x00\x11\x08", at + 1)) > 0:
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def avi_whose_fourth_frame_is_another_size() -> bytes:
    data, at = bytearray(video("avi", "mjpeg", "yuvj420p")), 0
    for _ in range(4):
        at = data.index(b"\xff\xc0\x00\x11\x08", at + 1)
    data[at + 5 : at + 9] = struct.pack(">HH", 48, 64)
    return bytes(data)


def h264_of_16384_squared() -> bytes:
    """H.264 in AVI whose sequence parameter set states 1024x1024 macroblocks (ITU-T H.264, 7.3.2.1.1)."""
    numbers = [0, 0, 2, 1]  # id, log2_max_frame_num - 4, pic_order_cnt_type, max_num_ref_frames
    bits = "".join(map(_exp_golomb, numbers)) + "0" + _exp_golomb(1023) * 2 + "1100" + "1"
    bits += "0" * (-len(bits) % 8)
    body = bytes((0x67, 66, 0, 52)) + int(bits, 2).to_bytes(len(bits) // 8, "big")
    data = bytearray(video("avi", "h264", "yuv420p"))
    at = data.index(b"\x00\x00\x01\x67") + 3
    end = data.index(b"\x00\x00\x01\x68", at)
    data[at:end] = body.ljust(end - at, b"\0")
    return bytes(data)


def _exp_golomb(number: int) -> str:
    code = f"{number + 1:b}"
    return "0" * (len(code) - 1) + code


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF whose frames are single pixels on a canvas of that size (GIF89a, sections 18 to 22)."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    frame = b"\x21\xf9\x04\0\x04\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b";"


# --- stills ---------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros_deflated(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)) + packer.flush()


def png_with_text_bomb(kind: bytes) -> bytes:
    prefix = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"iCCP": b"profile\0\0"}[kind]
    rows = zlib.compress(bytes(65 * 64))
    return png(64, 64, *[chunk(kind, prefix + zeros_deflated(64))] * 40, data=rows[:-8])


def tiff(*pages: dict[int, int], cyclic: bool = False) -> bytes:
    """Little-endian pages of LONG entries (TIFF 6.0, section 2)."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    for number, page in enumerate(pages):
        out += struct.pack("<H", len(page))
        for tag, value in sorted(page.items()):
            out += struct.pack("<HHII", tag, 4, 1, value)
        is_last = number == len(pages) - 1
        out += struct.pack("<I", (8 if cyclic else 0) if is_last else len(out) + 4)
    return bytes(out)


def page(width: int, height: int, **more: int) -> dict[int, int]:
    entries = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 0x7FFFFFFF}
    return entries | {int(tag[1:]): value for tag, value in more.items()}


def bmp(width: int, height: int, bits: int = 24, *, compression: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, 54) + info + bytes(100)


def jpeg_of_many_scans(side: int = 8_000, scans: int = 2_000) -> bytes:
    """A progressive JPEG of few bytes, each of whose scans goes over the whole picture: minutes of work."""
    content = BytesIO()
    Image.fromarray(scene(1)[0]).save(content, "JPEG", progressive=True)
    data = bytearray(content.getvalue())
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    last = data.rindex(b"\xff\xda")
    return bytes(data[:-2]) + bytes(data[last:-2]) * scans + b"\xff\xd9"


def jpeg_of(width: int, height: int) -> bytes:
    content = BytesIO()
    Image.fromarray(scene(1)[0]).save(content, "JPEG")
    data = bytearray(content.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _random(head: bytes) -> Maker:
    return lambda: head + np.random.default_rng(len(head)).bytes(20_000)


FILES: dict[str, Maker] = {
    **{name: (lambda content=content: content) for name, content in PLAYLISTS.items()},
    "reference-movie.mov": reference_movie,
    "stsz.mp4": lambda: mp4_with(b"stsz", sizes_from_nowhere),
    "stsz-equal.mp4": lambda: mp4_with(b"stsz", lambda _: bytes(4) + struct.pack(">II", 1, 0x7FFFFFFF)),
    "stts.mp4": lambda: mp4_with(b"stts", lambda _: bytes(4) + struct.pack(">III", 1, 0x7FFFFFFF, 1)),
    "stco.mp4": lambda: mp4_with(b"stco", lambda _: bytes(4) + struct.pack(">II", 0xFFFFFFFF, 48)),
    "elst.mp4": lambda: mp4_with(b"stsd", lambda payload: payload[:4] + b"\xff" * 4 + payload[8:]),
    "nested.mp4": lambda: box(b"ftyp", b"isom" + bytes(4)) + (b"\x7f\xff\xff\xffmoov" * 20_000),
    "enormous.mkv": matroska_of_enormous_elements,
    "nested.mkv": matroska_nested,
    "frames-2-31.avi": lambda: avi_with(b"avih", 4 + 16, b"\xff\xff\xff\x7f"),
    "raw-65535.avi": lambda: avi_with(b"strf", 8, struct.pack("<II", 65535, 65535), codec="rawvideo"),
    "grow.avi": avi_whose_frames_grow,
    "fourth.avi": avi_whose_fourth_frame_is_another_size,
    "h264-16384.avi": h264_of_16384_squared,
    "canvas-65535.gif": lambda: gif(65535, 65535, 1),
    "frames-20500.gif": lambda: gif(4, 4, 20_500),
    "canvas-4000.gif": lambda: gif(4_000, 4_000, 200),
    "ihdr.png": lambda: png(0x7FFFFFFF, 0x7FFFFFFF),
    "ihdr-65535.png": lambda: png(65535, 65535, data=zlib.compress(bytes(100))),
    "text.png": lambda: png_with_text_bomb(b"zTXt"),
    "international.png": lambda: png_with_text_bomb(b"iTXt"),
    "profile.png": lambda: png_with_text_bomb(b"iCCP"),
    "animated.png": lambda: png(64, 64, chunk(b"acTL", struct.pack(">II", 0x7FFFFFFF, 0)), data=b"x"),
    "cut.png": lambda: png(8_000, 8_000, data=zeros_deflated(1)),
    "size.tiff": lambda: tiff(page(0x7FFFFFFF, 0x7FFFFFFF)),
    "strip.tiff": lambda: tiff(page(8_000, 8_000)),
    "pages.tiff": lambda: tiff(*[page(8, 8)] * 25_000),
    "samples.tiff": lambda: tiff(page(4_000, 4_000, t277=65535)),
    "lzw.tiff": lambda: tiff(page(8_000, 8_000, t259=5, t279=50)),
    "size.bmp": lambda: bmp(65535, 65535),
    "negative.bmp": lambda: bmp(-8_000, -2_147_483_648),
    "cut.bmp": lambda: bmp(8_000, 8_000),
    "runs.bmp": lambda: bmp(8_000, 8_000, 8, compression=1),
    "scans.jpg": jpeg_of_many_scans,
    "size.jpg": lambda: jpeg_of(65500, 65500),
    "random.avi": _random(b"RIFF\x00\x10\x00\x00AVI "),
    "random.mp4": _random(b"\x00\x00\x00\x18ftypisom"),
    "random.mpg": _random(b"\x00\x00\x01\xba"),
    "random.mkv": _random(b"\x1a\x45\xdf\xa3"),
    "random.wmv": _random(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    "random.dcm": _random(bytes(128) + b"DICM"),
    "sync.ts": lambda: (b"\x47" + bytes(187)) * 200,
}


# What lies in a place that does not matter, so that the frames are all there.
HARMLESS: dict[str, Maker] = {
    "stsc.mp4": lambda: mp4_with(b"stsc", lambda _: bytes(4) + struct.pack(">IIII", 1, 1, 0x7FFFFFFF, 1)),
    "chunk-size.avi": lambda: avi_with(b"00dc", 0, b"\xff\xff\xff\x7f"),
    "cycle.tiff": lambda: tiff(page(8, 8), page(8, 8), cyclic=True),
}


def written(folder: Path) -> dict[str, Path]:
    """Write every file of FILES; return their paths by name."""
    for name, make in FILES.items():
        (folder / name).write_bytes(make())
    return {name: folder / name for name in FILES}
