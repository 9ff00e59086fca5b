"""What is kept of a frame: the region that the file states or the pixels show, within it the table's ROI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alnus.media.cine import Box
from alnus.media.frames_file import Mask
from alnus.media.opened import Opened
from alnus.media.quality import Finding, Observed, Sector, assess, find_sector, finding, static_marks
from alnus.media.sources import Excluded
from alnus.media.thresholds import Thresholds

BoolMask = NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """A box of the whole frame and what is blackened in it. keep: (box.h, box.w), None where nothing is."""

    box: Box
    keep: Mask | None = None


@dataclass(frozen=True)
class Seen:
    """The view of one video and how it was found.

    tissue, marks: (view.box.h, view.box.w), True on tissue (None: everywhere) and on burned-in marks (None: nowhere).
    facts: for the entry's meta file. has_region: False where the whole frame is kept for want of anything better.
    """

    view: View
    tissue: BoolMask | None
    marks: BoolMask | None
    facts: dict[str, Any]
    has_region: bool


def stated_region(opened: Opened) -> Box | None:
    """Return the region that the file states, None where it states none or one that does not fit its frames."""
    if opened.facts is not None and opened.facts.region_doubtful:
        return None
    return opened.region


def written_box(size: tuple[int, int], region: Box | None, roi: Box | None, notes: list[str]) -> Box:
    """Return what is written of the frames at first: all, where the region is still to be found. Raises Excluded."""
    if region is not None:
        return crop_box(size, region, roi, notes)
    if roi is not None:
        check_roi(size, roi)
    return Box(0, 0, *size)


def look(opened: Opened, observed: Observed, roi: Box | None, written: Box) -> Seen:
    """Return what is kept of a video that was watched to its end.

    A region that the file states is kept as it is, but for burned-in marks. Where it states none, what lies outside the
    sector that moves is blackened; an ROI that the found sector does not hold is believed more than the sector.
    """
    stated = stated_region(opened) is not None
    sector = None if stated else find_sector(observed)
    box, tissue = written if roi is None or stated else roi, None
    if sector is not None and (roi is None or common(roi, sector.box) == roi):
        box = roi or sector.box
        tissue = _cut(sector.mask, sector.box, box)
    elif sector is not None:
        opened.notes.append("the ROI reaches beyond the sector that was found in the pixels; the ROI is kept")
    if sector is not None and sector.note:
        opened.notes.append(sector.note)
    marks = static_marks(observed, box)
    facts = _facts(stated, sector, tissue, marks)
    return Seen(View(box, _keep(tissue, marks)), tissue, marks, facts, stated or sector is not None or roi is not None)


def _facts(stated: bool, sector: Sector | None, tissue: BoolMask | None, marks: BoolMask | None) -> dict[str, Any]:
    return {
        "from": "file" if stated else "pixels" if sector is not None else "whole frame",
        "confidence": None if sector is None else round(sector.confidence, 3),
        "outside_share": None if tissue is None else round(1 - float(tissue.mean()), 4),
        "marks_share": None if marks is None else round(float(marks.mean()), 6),
    }


def _cut(mask: BoolMask | None, inside: Box, box: Box) -> BoolMask | None:
    """Return the part of a mask of a box that a smaller box within it covers; None where all of that is True."""
    if mask is None:
        return None
    x, y = box.x - inside.x, box.y - inside.y
    cut = mask[y : y + box.h, x : x + box.w]
    return None if cut.all() else cut


def _keep(tissue: BoolMask | None, marks: BoolMask | None) -> Mask | None:
    if tissue is None and marks is None:
        return None
    kept = np.ones(1, bool) if tissue is None else tissue
    return np.where(kept if marks is None else kept & ~marks, np.uint8(255), np.uint8(0))


def judged(
    opened: Opened, observed: Observed, seen: Seen, *, frame_rate_hz: float | None, config: Thresholds
) -> list[Finding]:
    """Return the quality gate's findings."""
    facts = opened.facts
    findings = assess(
        observed,
        crop=seen.view.box,
        config=config,
        frame_rate_hz=frame_rate_hz,
        mask=seen.tissue,
        marks=seen.marks,
        chroma=opened.chroma,
        one_hue=abs(opened.hue_sum) / opened.hue_count if opened.hue_count else None,
        is_ultrasound=None if facts is None else facts.modality_is_ultrasound,
        pane_kinds=() if facts is None else tuple(pane.kind for pane in facts.panes),
    )
    if not seen.has_region:
        found = finding(
            "no_sector", "no region is stated and none is found in the pixels; the whole frame is kept", config
        )
        findings = sorted([*findings, found], key=lambda each: each.severity != "exclude")
    return findings


def crop_box(size: tuple[int, int], region: Box | None, roi: Box | None, notes: list[str]) -> Box:
    """Return what is kept of a frame: the file's region, within it the table's ROI. Raises Excluded.

    size: (width, height) of the frame. Both boxes count in pixels of the whole frame.
    """
    width, height = size
    kept = region or Box(0, 0, width, height)
    if roi is None:
        return kept
    check_roi(size, roi)
    box = common(roi, kept)
    if box is None:
        raise _outside(roi, "lies outside the file's scanned region; correct it in the table")
    if box != roi:
        notes.append("the ROI reaches beyond the scanned region and was cut to it")
    return box


def check_roi(size: tuple[int, int], roi: Box) -> None:
    """Refuse an ROI that is empty or reaches beyond the frame. Raises Excluded."""
    width, height = size
    if roi.x < 0 or roi.y < 0 or roi.w < 1 or roi.h < 1 or roi.x + roi.w > width or roi.y + roi.h > height:
        raise _outside(roi, f"is outside the {width}x{height} frame; correct it in the table")


def _outside(roi: Box, how: str) -> Excluded:
    return Excluded(f"the ROI ({roi.x}, {roi.y}, {roi.w}x{roi.h}) {how}", code="roi_outside")


def common(one: Box, other: Box) -> Box | None:
    """Return what two boxes share, None where that is nothing."""
    left, top = max(one.x, other.x), max(one.y, other.y)
    right, bottom = min(one.x + one.w, other.x + other.w), min(one.y + one.h, other.y + other.h)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


def blackened(frame: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Return the view of a whole frame (H, W)."""
    cut = frame[view.box.y : view.box.y + view.box.h, view.box.x : view.box.x + view.box.w]
    return np.ascontiguousarray(cut if view.keep is None else cut & view.keep)
