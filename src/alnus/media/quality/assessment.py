"""The quality gate: every fault of one video, with the value measured and the limit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alnus.media.cine import Box
from alnus.media.colour import CELL_PX, Pixels
from alnus.media.quality.appearance import coloured_cells, flat_share, halves
from alnus.media.quality.calipers import count_calipers
from alnus.media.quality.findings import Finding, finding
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask
from alnus.media.quality.percentiles import percentile
from alnus.media.thresholds import Thresholds

if TYPE_CHECKING:
    from alnus.config import QualityConfig

FLAT_SHARE = 0.5
"""not_ultrasound: more of the picture's bright parts have no texture; in the 23 shared clips at most 0.23."""
TINTED, ONE_HUE = 24, 0.8
"""not_ultrasound: from this level on a cell of a film is coloured; its hues' mean as unit vectors is below this. Of
a tinted grey map it is 1, of nine photos and films it was 0.0 to 0.6."""
SWING, SWINGING_SHARE = 32, 0.002
"""frozen: grey levels that a pixel must change by over the whole cine, and the share of the pixels that must do so. A
frozen picture with noise had at most 0.0011 in four codecs, the 23 shared clips 0.28 and more."""
DIM = 4  # of a darker picture a quarter of its bright end is asked for
TISSUE_KINDS = ("tissue", "colour")


@dataclass(frozen=True)
class _Seen:
    """What there is to judge: samples within the crop (K, h, w), the tissue's mask (h, w), the coloured cells."""

    observed: Observed
    crop: Box
    samples: Pixels
    mask: Mask
    marks: Mask | None
    coloured: float
    tinted: float
    one_hue: float | None
    config: QualityConfig | Thresholds


def assess(
    observed: Observed,
    *,
    crop: Box,
    config: QualityConfig | Thresholds,
    frame_rate_hz: float | None = None,
    mask: Mask | None = None,
    marks: Mask | None = None,
    chroma: NDArray[np.uint8] | None = None,
    one_hue: float | None = None,
    is_ultrasound: bool | None = None,
    pane_kinds: Collection[str] = (),
) -> list[Finding]:
    """Return a video's findings, the excluding ones first; none for a clean one.

    crop: what is kept of the frame, in its pixels. mask: (crop.h, crop.w), True on tissue, None: all of it.
    marks: as static_marks returned it for the crop. chroma: Opened.chroma, of the whole frame. frame_rate_hz: None
    where the file states none. one_hue: 0 where hues are of all kinds, 1 where of one; None without any. is_ultrasound:
    what the file's header says, None where it does not. pane_kinds: the kind of each pane that a DICOM header states.
    """
    tissue = np.ones((crop.h, crop.w), bool) if mask is None else mask
    samples = observed.samples[:, crop.y : crop.y + crop.h, crop.x : crop.x + crop.w]
    coloured, tinted = (
        0.0 if chroma is None else coloured_cells(chroma, crop, tissue, marks, level)
        for level in (config.colour_level, TINTED)
    )
    seen = _Seen(observed, crop, samples, tissue, marks, coloured, tinted, one_hue, config)
    found = [
        _not_ultrasound(seen, is_ultrasound),
        _few_frames(seen),
        _frozen(seen),
        _black(seen),
        _saturated(seen),
        _small(seen),
        _slow(seen, frame_rate_hz),
        _coloured(seen, pane_kinds),
        _dual(seen, pane_kinds),
        _calipers(seen),
    ]
    return sorted((each for each in found if each), key=lambda each: each.severity != "exclude")


def _not_ultrasound(seen: _Seen, is_ultrasound: bool | None) -> Finding | None:
    """Take the header's word, else the pixels', which alone exclude only what is coloured nearly everywhere.

    A film is so in many hues, or without speckle; an ultrasound with a tinted grey map in one, and with speckle.
    """
    config = seen.config
    if is_ultrasound is not None:
        text = "the file's header states another modality than ultrasound"
        return None if is_ultrasound else finding("not_ultrasound", text, config)
    limit = f"(limit {config.natural_colour_share:.0%})"
    if seen.tinted > config.natural_colour_share and seen.one_hue is not None and seen.one_hue < ONE_HUE:
        return finding("not_ultrasound", f"{seen.tinted:.0%} of it is coloured in many hues {limit}", config)
    flat = flat_share(seen.samples[len(seen.samples) // 2], seen.mask)
    if flat <= FLAT_SHARE:
        return None
    text = f"{flat:.0%} of its bright parts have no speckle (limit {FLAT_SHARE:.0%})"
    if seen.coloured <= config.natural_colour_share:
        found = finding("not_ultrasound", f"{text}; look at it", config)
        return Finding(found.code, "warn", found.text)
    return finding("not_ultrasound", f"{text} and {seen.coloured:.0%} of it is coloured {limit}", config)


def _few_frames(seen: _Seen) -> Finding | None:
    frames, limit = seen.observed.frames, seen.config.min_frames
    return finding("too_few_frames", f"{frames} (limit {limit})", seen.config) if frames < limit else None


def _frozen(seen: _Seen) -> Finding | None:
    changed, config = seen.observed.changed, seen.config
    moving = int((changed > config.min_changed_share).sum())
    if len(changed) == 0:
        return None
    if moving >= config.min_moving_share * len(changed):
        return _pulsing(seen)
    text = f"{moving} of {len(changed) + 1} frames differ from the one before (limit {config.min_moving_share:.0%})"
    return finding("frozen", text, config)


def _pulsing(seen: _Seen) -> Finding | None:
    """Tell a frozen picture under noise or a codec's key frames: over the whole cine hardly any pixel goes far."""
    crop, observed = seen.crop, seen.observed
    rows, columns = slice(crop.y, crop.y + crop.h), slice(crop.x, crop.x + crop.w)
    low, high = observed.low[rows, columns], observed.high[rows, columns]
    swing = min(SWING, int(percentile(high, 99)) // DIM)
    swinging = _share(high - low >= swing, seen.mask)
    text = f"{swinging:.2%} of its pixels ever change by {swing} grey levels (limit {SWINGING_SHARE:.1%})"
    return finding("frozen", text, seen.config) if swinging < SWINGING_SHARE else None


def _share(found: Mask, mask: Mask) -> float:
    """Return the share of the mask's pixels that were found."""
    return int(np.count_nonzero(found & mask)) / max(1, int(np.count_nonzero(mask)))


def _black(seen: _Seen) -> Finding | None:
    config, crop = seen.config, seen.crop
    high = seen.observed.high[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w]
    share = _share(high <= config.black_level, seen.mask)
    text = f"{share:.1%} of the region never exceeds {config.black_level} of 255 (limit {config.black_share:.0%})"
    return finding("black", text, config) if share > config.black_share else None


def _saturated(seen: _Seen) -> Finding | None:
    config, crop = seen.config, seen.crop
    ever = seen.observed.high[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w] >= config.saturated_level
    if _share(ever, seen.mask) <= config.saturated_share:  # then no frame has more
        return None
    share = float(np.median([_share(frame >= config.saturated_level, seen.mask) for frame in seen.samples]))
    text = (
        f"{share:.0%} of the region is at {config.saturated_level} of 255 or more (limit {config.saturated_share:.0%})"
    )
    return finding("saturated", text, config) if share > config.saturated_share else None


def _small(seen: _Seen) -> Finding | None:
    config, crop = seen.config, seen.crop
    height, width = seen.observed.size
    share = crop.w * crop.h / (height * width)
    if min(crop.w, crop.h) < config.min_region_px:
        return finding("small_region", f"{crop.w}x{crop.h} pixels (limit {config.min_region_px})", config)
    text = f"{share:.2%} of the frame (limit {config.min_region_share:.2%})"
    return finding("small_region", text, config) if share < config.min_region_share else None


def _slow(seen: _Seen, frame_rate_hz: float | None) -> Finding | None:
    limit = seen.config.min_frame_rate_hz
    if frame_rate_hz is None or frame_rate_hz >= limit or seen.observed.frames < 2:
        return None
    return finding("low_frame_rate", f"{frame_rate_hz:.3g} frames/s (limit {limit:g})", seen.config)


def _coloured(seen: _Seen, pane_kinds: Collection[str]) -> Finding | None:
    config = seen.config
    if "colour" in pane_kinds:
        return finding("colour_doppler", "the file's header states a colour region", config)
    if seen.coloured <= config.colour_share:
        return None
    text = f"{seen.coloured:.1%} of the tissue's {CELL_PX}-pixel cells are coloured (limit {config.colour_share:.1%})"
    return finding("colour_doppler", text, config)


def _dual(seen: _Seen, pane_kinds: Collection[str]) -> Finding | None:
    tissue = sum(kind in TISSUE_KINDS for kind in pane_kinds)
    if tissue > 1:
        return finding("dual_pane", f"the file's header states {tissue} two-dimensional regions", seen.config)
    if pane_kinds:
        return None
    pair = halves(seen.observed)
    if pair is None:
        return None
    left, right = pair
    text = f"two moving areas side by side, {left.w}x{left.h} and {right.w}x{right.h} pixels, with a still gap between"
    return finding("dual_pane", text, seen.config)


def _calipers(seen: _Seen) -> Finding | None:
    count = 0 if seen.marks is None else count_calipers(seen.observed, seen.crop, seen.marks)
    if not count:
        return None
    text = f"{count} caliper{'' if count == 1 else 's'} or arrow{'' if count == 1 else 's'} burned into the tissue"
    return finding("calipers", text, seen.config)
