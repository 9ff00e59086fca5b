"""Video files through PyAV: the luma plane as it is coded, every frame counted against what the file declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, nan
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from alnus.media.colour import LOOK_EVERY, Pixels
from alnus.media.containers import is_cut, stated_frames
from alnus.media.jpeg import CHECK_EVERY, MotionJpeg
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Colours, Opened
from alnus.media.planes import frame_pixels, look_for_colour, turned
from alnus.media.refusal import CONVERT, COPY_AGAIN, COPY_OR_CONVERT, Refused

PHANTOM_MARK = "Alnus phantom"  # in the container's comment, written by alnus.phantom

_LOST_SHARE = 0.05  # of the counted frames that may be missing (skipped B-frames, edit lists) in a file that is whole
_LOST_DURATION_SHARE = 0.25  # the same where the count is only a duration times an average rate
_HEADER_DURATION = ("matroska", "asf")  # demuxers whose header states a duration; for others FFmpeg estimates it
_FIELDS_APART = ("jpeg2000",)  # of which a packet may hold one field of a frame
_DAMAGED_SHARE = 0.05  # of the packets that may fail to decode


@dataclass
class _Tally:
    """What happened while decoding."""

    packets: int = 0
    damaged: int = 0
    frames: int = 0
    flagged: int = 0  # frames that the decoder itself calls damaged
    last_s: float = nan
    first_s: float = nan
    size: tuple[int, int] | None = None

    def count(self, width: int, height: int, time_s: float, limits: DecodeLimits) -> None:
        """Count a frame before it is converted. Raises Refused over its size, or one too many."""
        self.size = self.size or (width, height)
        if (width, height) != self.size:
            first = f"{self.size[0]}x{self.size[1]}"
            raise Refused(f"frame {self.frames + 1} is {width}x{height} pixels, the first {first}; cut the video there")
        limits.check_size(width, height)
        limits.check_count(self.frames + 1, width, height)
        self.frames += 1
        self.last_s = time_s
        self.first_s = time_s if self.frames == 1 else self.first_s


@dataclass(frozen=True)
class _Declared:
    """What the container says before anything is decoded."""

    frames: int  # 0: it does not say
    rate_hz: float | None
    is_cut: bool
    tolerated: float  # share of the declared frames that may be missing from a file that is not cut


def open_video(
    path: Path,
    container: str,
    *,
    limits: DecodeLimits,
    colours: Colours,
    threads: int,
    only: frozenset[int] | None = None,
) -> Opened:
    """Open a video file whose container was sniffed. Raises Refused; its frames raise Refused and Coloured.

    threads: of the decoder; 0 lets FFmpeg choose. only: the numbers of the frames that are to come; what is behind the
    last of them is not read, so neither a cut nor damage there is found.
    """
    with path.open("rb") as stream:
        cut = is_cut(stream, container)
        least_frames = stated_frames(stream, container)
    # "file:" keeps FFmpeg from reading a protocol into the name; the whitelist keeps it from following one
    source = f"file:{path.absolute()}"
    return open_stream(
        source,
        container,
        cut=cut,
        least_frames=least_frames,
        limits=limits,
        colours=colours,
        threads=threads,
        only=only,
    )


def open_stream(
    source: str | BinaryIO,
    container: str,
    *,
    limits: DecodeLimits,
    colours: Colours,
    threads: int,
    cut: bool = False,
    least_frames: int = 0,
    only: frozenset[int] | None = None,
) -> Opened:
    """Open the first video stream of a file name or a binary stream with the named FFmpeg demuxer. Raises Refused.

    cut: the file is known to be shorter than it should be. least_frames: as its header states, 0 where it does not.
    """
    try:
        media = av.open(
            source,
            mode="r",
            format=container,
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file" if isinstance(source, str) else "none"},
        )
    except MemoryError:  # FFmpeg's is an FFmpegError too
        raise
    except av.FFmpegError as error:
        unread = f"its {container} container cannot be read ({type(error).__name__}"
        if cut or container == "mov":
            raise Refused(f"{unread}): it is cut or was never finished; {COPY_AGAIN}") from None
        raise Refused(f"{unread}); {COPY_OR_CONVERT}") from None
    try:
        return _opened(media, least_frames, cut, limits, colours, threads, only)
    except BaseException:
        media.close()
        raise


def _opened(
    media: InputContainer,
    least_frames: int,
    cut: bool,
    limits: DecodeLimits,
    colours: Colours,
    threads: int,
    only: frozenset[int] | None,
) -> Opened:
    stream = _video_stream(media)
    context = stream.codec_context
    limits.check_size(context.width, context.height)
    _check_rows(media, stream)
    declared = _declared(media, stream, least_frames, cut)
    limits.check_count(declared.frames, context.width, context.height)
    context.thread_count = threads
    context.thread_type = "AUTO"
    context.options = {"max_pixels": str(limits.max_side_px**2)}
    opened = Opened("video", iter(()), frame_rate_hz=declared.rate_hz)
    opened.phantom = any(PHANTOM_MARK in str(value) for value in media.metadata.values())
    opened.is_chosen = only is not None
    if only is None:
        opened.frames = _frames(media, stream, declared, limits, colours, opened)
    elif context.codec.intra_only and context.name not in _FIELDS_APART:
        context.thread_type = "NONE"  # one packet in, its frame out
        opened.frames = _apart(media, stream, limits, colours, only, opened)
    else:
        opened.frames = _up_to_the_last(media, stream, limits, colours, only, opened)
    if media.format.name == "mjpeg":  # pictures without times: FFmpeg's are its own
        opened.frame_rate_hz, opened.frames = None, ((nan, pixels) for _, pixels in opened.frames)
    return opened


def _video_stream(media: InputContainer) -> VideoStream:
    """Return the first stream that is a video and no cover picture, with a decoder for its codec."""
    for stream in media.streams.video:
        if "attached_pic" not in str(stream.disposition):
            if stream.codec_context is None:
                raise Refused(f"there is no decoder for its video codec; {CONVERT}")
            return stream
    raise Refused("it holds no video stream; export it again with its pictures, or leave it out")


def _check_rows(media: InputContainer, stream: VideoStream) -> None:
    """Refuse a QuickTime film whose uncompressed rows are an odd number of bytes: FFmpeg shears it.

    QuickTime pads each row to an even number, FFmpeg's decoder takes them as unpadded.
    """
    context = stream.codec_context
    if context.name != "rawvideo" or not media.format.name.startswith("mov") or context.format is None:
        return
    if context.format.is_rgb and context.width * context.format.padded_bits_per_pixel // 8 % 2:
        raise Refused("its uncompressed rows have an odd number of bytes, which is not read; export it compressed")


def _declared(media: InputContainer, stream: VideoStream, least_frames: int, cut: bool) -> _Declared:
    rate_hz = next(
        (float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate is not None and rate > 0), None
    )
    frames = 0 if media.format.name == "gif" else stream.frames  # of a GIF FFmpeg counts what is there
    if frames and rate_hz and stream.duration and stream.time_base:  # an edit list may show less than is stored
        frames = min(frames, round(stream.duration * stream.time_base * Fraction(rate_hz)) + 1)
    if frames or least_frames:  # of a cut file FFmpeg states what it thinks is left, not what the header says
        return _Declared(max(frames, least_frames), rate_hz, cut, _LOST_SHARE)
    if media.duration and rate_hz and len(media.streams) == 1 and media.format.name.startswith(_HEADER_DURATION):
        return _Declared(round(media.duration / av.time_base * rate_hz), rate_hz, cut, _LOST_DURATION_SHARE)
    return _Declared(0, rate_hz, cut, 0.0)


def _frames(
    media: InputContainer,
    stream: VideoStream,
    declared: _Declared,
    limits: DecodeLimits,
    colours: Colours,
    opened: Opened,
) -> Iterator[tuple[float, Pixels]]:
    tally, jpegs = _Tally(), MotionJpeg(stream, opened) if colours == "luma" else None
    with media:
        for packet in _packets(media, stream, tally):
            luma = None if jpegs is None else jpegs.luma(packet, tally.frames)
            if luma is not None and tally.frames % CHECK_EVERY:
                tally.count(luma.shape[1], luma.shape[0], _time_s(packet), limits)
                yield tally.last_s, luma
                continue
            for frame in _frames_of(packet, tally):
                tally.count(frame.width, frame.height, _time_s(frame), limits)
                tally.flagged += frame.is_corrupt
                if colours == "luma" and (tally.frames - 1) % LOOK_EVERY == 0:
                    look_for_colour(frame, opened)
                pixels = turned(frame_pixels(frame, colours, opened), frame.rotation)
                is_agreed = jpegs is not None and luma is not None and jpegs.agrees(luma, packet, frame, pixels)
                yield tally.last_s, luma if luma is not None and is_agreed else pixels
        ratio = stream.sample_aspect_ratio
    _check_whole(tally, declared, opened.notes)
    if ratio and ratio != 1:
        opened.notes.append(f"pixels are not square: {ratio.numerator}:{ratio.denominator}, left as they are")


def _apart(
    media: InputContainer,
    stream: VideoStream,
    limits: DecodeLimits,
    colours: Colours,
    only: frozenset[int],
    opened: Opened,
) -> Iterator[tuple[float, Pixels]]:
    """Decode the packets that hold the frames of these numbers, and no others."""
    with media:
        packets = (packet for packet in media.demux(stream) if packet.size)
        for number, packet in zip(range(max(only) + 1), packets, strict=False):
            if number in only:
                frames = packet.decode()
                if len(frames) != 1:
                    raise Refused(f"frame {number + 1} cannot be decoded; {COPY_AGAIN}")
                limits.check_size(frames[0].width, frames[0].height)
                yield nan, turned(frame_pixels(frames[0], colours, opened), frames[0].rotation)


def _up_to_the_last(
    media: InputContainer,
    stream: VideoStream,
    limits: DecodeLimits,
    colours: Colours,
    only: frozenset[int],
    opened: Opened,
) -> Iterator[tuple[float, Pixels]]:
    """Decode frames up to the last of these numbers, and convert those that have one."""
    last = max(only)
    with media:
        for number, frame in enumerate(_decoded(media, stream, _Tally())):
            limits.check_size(frame.width, frame.height)
            limits.check_count(number + 1, frame.width, frame.height)
            if number in only:
                yield nan, turned(frame_pixels(frame, colours, opened), frame.rotation)
            if number == last:
                return


def _decoded(media: InputContainer, stream: VideoStream, tally: _Tally) -> Iterator[av.VideoFrame]:
    """Yield every frame that can be decoded; a damaged packet is counted, a damaged container ends the frames."""
    for packet in _packets(media, stream, tally):
        yield from _frames_of(packet, tally)


def _packets(media: InputContainer, stream: VideoStream, tally: _Tally) -> Iterator[av.Packet[VideoStream]]:
    packets = media.demux(stream)
    while (packet := _next_packet(packets)) is not None:
        tally.packets += 1
        yield packet


def _frames_of(packet: av.Packet[VideoStream], tally: _Tally) -> Sequence[av.VideoFrame]:
    try:
        return packet.decode()
    except MemoryError:  # FFmpeg's is an FFmpegError too
        raise
    except av.FFmpegError:
        tally.damaged += 1
        return ()


def _time_s(timed: av.VideoFrame | av.Packet[VideoStream]) -> float:
    base = timed.time_base
    return nan if timed.pts is None or base is None else timed.pts * base.numerator / base.denominator


def _next_packet(packets: Iterator[av.Packet[VideoStream]]) -> av.Packet[VideoStream] | None:
    try:
        return next(packets, None)
    except MemoryError:
        raise
    except av.FFmpegError:
        return None


def _check_whole(tally: _Tally, declared: _Declared, notes: list[str]) -> None:
    """Refuse a video that is cut or damaged; note what is slightly so."""
    if tally.frames == 0:
        raise Refused(f"no frame of its video can be decoded; {COPY_OR_CONVERT}")
    covered = tally.frames
    if declared.rate_hz and isfinite(tally.last_s - tally.first_s):  # a repeated frame may be stored as no frame at all
        covered = max(covered, round((tally.last_s - tally.first_s) * declared.rate_hz) + 1)
    lost = declared.frames - covered
    if declared.is_cut and (lost > 0 or not declared.frames):
        of = f" of {declared.frames}" if declared.frames else ""
        raise Refused(f"the file is cut: only {tally.frames}{of} frames are there; {COPY_AGAIN}")
    if declared.frames and lost > max(2, declared.tolerated * declared.frames):
        found = f"{tally.frames} of its {declared.frames} declared frames"
        raise Refused(f"the file is damaged: {found} can be decoded; {COPY_AGAIN}")
    if tally.damaged > max(1, _DAMAGED_SHARE * tally.packets):
        found = f"{tally.damaged} of its {tally.packets} packets"
        raise Refused(f"the file is damaged: {found} cannot be decoded; {COPY_AGAIN}")
    if lost > 0 and declared.tolerated == _LOST_SHARE:
        notes.append(f"{lost} of the {declared.frames} declared frames are missing")
    if tally.damaged or tally.flagged:
        notes.append(damage_note(tally.damaged, tally.flagged))
    if declared.is_cut:
        notes.append("the file is shorter than its container states, yet every declared frame is there")


def damage_note(packets: int, frames: int) -> str:
    """Return how many packets cannot be decoded and how many frames are damaged; what is none is not named."""
    lost = f"{packets} packet{'' if packets == 1 else 's'} cannot be decoded"
    damaged = f"{frames} frame{' is' if frames == 1 else 's are'} damaged"
    return " and ".join(part for part, number in ((lost, packets), (damaged, frames)) if number)
