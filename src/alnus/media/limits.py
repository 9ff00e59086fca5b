"""How large a cine may be, how much it may grow in decoding, and what memory and time that may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from alnus.media.colour import Pixels
from alnus.media.refusal import Refused

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class DecodeLimits:
    """The largest cine that is decoded. The defaults hold a minute of full-HD screen recording, and no bomb.

    Sizes hold wherever a file is decoded. Memory and time hold in a process of its own (`alnus.media.budget`): in
    ingestion and in `open_guarded`.
    """

    max_frames: int = 20_000
    max_side_px: int = 8_192
    max_pixels: int = 4_000_000_000
    """Frames x height x width."""
    max_inflated_bytes: int = 1 << 30
    """Size of a deflated DICOM data set once inflated."""
    max_pixels_a_byte: int = 10_000
    """Decoded pixels for each byte of the file. Frozen full-HD recordings with a keyframe in 250 frames have 8,000."""
    free_pixels: int = 50_000_000
    """So many are decoded of a file of any size before that ratio is asked for."""
    memory_mb: int = 800
    """MiB beyond what the process holds already and four times the file; with the process's own 150, below 1 GiB."""
    start_s: float = 2.0
    """Processor seconds until the first frame, and one more for each MiB of the file."""
    max_s: float = 900.0
    """Seconds that any file may take, whatever its size."""
    pulse: Callable[[int], None] | None = field(default=None, compare=False, repr=False)
    """Called with the pixels of each frame that was decoded: the decoding process's budget grows with them."""

    def check_size(self, width: int, height: int) -> None:
        """Refuse a frame that is empty or too large. Raises Refused."""
        if width < 1 or height < 1:
            raise Refused(f"its frames are {width}x{height} pixels")
        if max(width, height) > self.max_side_px:
            raise Refused(f"its frames are {width}x{height} pixels; at most {self.max_side_px} a side are read")

    def check_count(self, frames: int, width: int, height: int) -> None:
        """Refuse too many frames, or too many pixels in all. Raises Refused."""
        if frames > self.max_frames:
            raise Refused(f"it has {frames} frames or more; at most {self.max_frames} are read")
        if frames * width * height > self.max_pixels:
            raise Refused(
                f"{frames} frames of {width}x{height} are more than the {self.max_pixels} pixels that are read"
            )

    def metered(self, frames: Iterator[tuple[float, Pixels]], file_bytes: int) -> Iterator[tuple[float, Pixels]]:
        """Pass frames on while their number and pixels are within bounds for a file of that size. Raises Refused."""
        pixels = 0
        for count, (time_s, frame) in enumerate(frames, start=1):
            height, width = frame.shape[:2]
            pixels += height * width
            self.check_count(count, width, height)
            if pixels > self.free_pixels and pixels > self.max_pixels_a_byte * file_bytes:
                raise Refused(
                    f"its {file_bytes} bytes hold {pixels} pixels or more; at most {self.max_pixels_a_byte} a byte"
                    " are read: a file made to fill memory or disk, or a picture that never changes"
                )
            if self.pulse is not None:
                self.pulse(height * width)
            yield time_s, frame


DEFAULT_LIMITS = DecodeLimits()
