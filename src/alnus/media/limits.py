"""How large a cine may be: checked against what the file declares before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from alnus.media.refusal import Refused


@dataclass(frozen=True)
class DecodeLimits:
    """The largest cine that is decoded. The defaults hold a minute of full-HD screen recording, and no bomb."""

    max_frames: int = 20_000
    max_side_px: int = 8_192
    max_pixels: int = 4_000_000_000
    """Frames x height x width."""
    max_inflated_bytes: int = 1 << 30
    """Size of a deflated DICOM data set once inflated."""

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


DEFAULT_LIMITS = DecodeLimits()
