"""One video explained: a PNG of the keyframe beside its heat, an MP4 of the whole cine, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from PIL import Image

from alnus.clips.sample import CineSource, GreyFrames, Sample
from alnus.errors import CohortError
from alnus.explanation.drawing import NOTICE, Grey, Heat, Rgb, Weights, overlay, sheet
from alnus.explanation.heat import CineHeat, cine_heat
from alnus.inference.engines import default_device
from alnus.media import write_mp4
from alnus.models import ModelCard, load_for_inference
from alnus.provenance import atomic_path, write_json

UNKNOWN_RATE_HZ = 10.0  # a readable pace for a cine whose file states none


class CineFacts(Protocol):
    """What a store's index says of a cine."""

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames a second; None where the file does not say."""

    @property
    def phantom(self) -> bool:
        """Whether the cine was simulated."""


class ExplainableStore(CineSource, Protocol):
    """A cine store with its index; `alnus.media.CineStore` is one."""

    def entry(self, video: str) -> CineFacts:
        """Return the index row of a video."""
        ...


KeyframeOrigin = Literal["user", "network", "middle", "still"]


@dataclass(frozen=True)
class Explanation:
    """What was written for one video, and its numbers.

    keyframe: the frame shown; None where the still was shown. keyframe_origin: the user's frame, the one that the
    network weighs most, the middle frame (all that an image network sees of a cine without a keyframe), or the still.
    frame_indices, frame_weights: every frame of the cine, and each one's share of the evidence. heaviest: the frame
    that has most of it, whichever is shown. scored_frames: those of which the score was made.
    """

    probability: float
    keyframe: int | None
    keyframe_origin: KeyframeOrigin
    frame_indices: tuple[int, ...]
    frame_weights: tuple[float, ...]
    heaviest: int
    scored_frames: tuple[int, ...]
    png: Path
    mp4: Path | None
    json: Path


def explain_video(
    directory: Path, sample: Sample, store: ExplainableStore, out: Path, *, video: bool = True
) -> Explanation:
    """Write `keyframe.png`, `explanation.json` and, for a cine of several frames, `cine.mp4` into `out`.

    directory: of a trained network. Raises WeightsError for a directory that is none, CohortError for a keyframe that
    the cine does not have.
    """
    model, card = load_for_inference(directory, device=default_device())
    frames, still = store.frames(sample.video), store.image(sample.video)
    try:
        heat = cine_heat(model, card, frames, keyframe=sample.keyframe, image=still)
    except CohortError as error:
        raise CohortError(f"patient {sample.patient_id}, video {sample.video}: {error}") from None
    facts = store.entry(sample.video)
    keyframe, origin = _keyframe(sample, heat)
    png, mp4 = out / "keyframe.png", out / "cine.mp4" if video and len(frames) > 1 else None
    _write_png(png, _shown(frames, still, keyframe, heat), heat, card, keyframe=keyframe, phantom=facts.phantom)
    if mp4 is not None:
        rate = facts.frame_rate_hz or UNKNOWN_RATE_HZ
        write_mp4(mp4, _drawn(frames, heat, card, phantom=facts.phantom), frame_rate_hz=rate)
    made = Explanation(
        probability=heat.probability,
        keyframe=keyframe,
        keyframe_origin=origin,
        frame_indices=tuple(range(len(frames))),
        frame_weights=tuple(round(float(weight), 6) for weight in heat.weights),
        heaviest=heat.heaviest,
        scored_frames=tuple(int(index) for index in heat.scored),
        png=png,
        mp4=mp4,
        json=out / "explanation.json",
    )
    write_json(made.json, _record(made, sample, card, heat, phantom=facts.phantom))
    return made


def _keyframe(sample: Sample, heat: CineHeat) -> tuple[int | None, KeyframeOrigin]:
    if heat.still is not None:
        return None, "still"
    if sample.keyframe is not None:
        return sample.keyframe, "user"
    return (heat.heaviest, "network") if heat.answered is None else (heat.answered, "middle")


class _Picture(NamedTuple):
    grey: Grey
    heat: Heat
    title: str


def _shown(frames: GreyFrames, still: Grey | None, keyframe: int | None, heat: CineHeat) -> _Picture:
    if keyframe is not None:
        return _Picture(np.asarray(frames[keyframe]), heat.at(keyframe), heat.title(keyframe))
    assert still is not None  # the still is the only picture without a frame's number
    return _Picture(still, heat.on_still(), "still of the sonographer")


def _write_png(
    path: Path, picture: _Picture, heat: CineHeat, card: ModelCard, *, keyframe: int | None, phantom: bool
) -> None:
    caption, warning = captions(card, heat, phantom=phantom)
    panels = [np.repeat(picture.grey[..., None], 3, 2), overlay(picture.grey, picture.heat)]
    page = sheet(picture.grey.shape, caption, panels=2, warning=warning, weights=_curve(heat))
    drawn = page.filled(panels, [picture.title, "heat"], frame=keyframe)
    with atomic_path(path) as temporary:
        Image.fromarray(drawn).save(temporary, format="PNG", optimize=True)


def _drawn(frames: GreyFrames, heat: CineHeat, card: ModelCard, *, phantom: bool) -> Iterator[Rgb]:
    """Draw one picture a frame, so that a long cine is never held in colour as a whole."""
    caption, warning = captions(card, heat, phantom=phantom)
    page = sheet(frames.shape[1:], caption, panels=1, warning=warning, weights=_curve(heat))
    for index in range(len(frames)):
        yield page.filled([overlay(np.asarray(frames[index]), heat.at(index))], [heat.title(index)], frame=index)


def _curve(heat: CineHeat) -> Weights | None:
    """Return the frames' weights, to be drawn; None where there is a single frame or no evidence."""
    return heat.weights if len(heat.weights) > 1 and heat.weights.any() else None


def captions(card: ModelCard, heat: CineHeat, *, phantom: bool) -> tuple[list[str], str]:
    """Return the caption's lines and its warning; every picture and video carries both."""
    of = f"{card.source}: score {heat.probability:.2f} for metastasis (0 to 1, not calibrated)"
    if heat.maximum <= 0:
        of += "; no evidence for metastasis found"
    lines = [of, f"Heat: what raised the score (Grad-CAM, {heat.fineness} cells). {NOTICE}"]
    warnings = ["PHANTOM: a simulated video, no patient."] if phantom else []
    if card.phantom:
        warnings.append("The network was trained on phantoms.")
    return lines, " ".join(warnings)


def _record(made: Explanation, sample: Sample, card: ModelCard, heat: CineHeat, *, phantom: bool) -> dict[str, Any]:
    return {
        "schema": 2,
        "patient_id": sample.patient_id,
        "video": sample.video,
        "source": card.source,
        "network": card.name,
        "explained": card.classes[-1],
        "probability": made.probability,
        "keyframe": made.keyframe,
        "keyframe_origin": made.keyframe_origin,
        "frame_indices": made.frame_indices,
        "frame_weights": made.frame_weights,
        "frame_measure": heat.measure,
        "heaviest_frame": made.heaviest,
        "scored_frames": made.scored_frames,
        "heat_maximum": heat.maximum,
        "heat_cells": heat.fineness,
        "png": made.png.name,
        "mp4": None if made.mp4 is None else made.mp4.name,
        "phantom": phantom,
        "trained_on_phantom": card.phantom,
        "note": NOTICE,
    }
