"""Small cohorts made in code for the tests of whole commands: a bright spot that grows (1) or shrinks (0)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter


def spot_cine(*, grows: bool, frames: int, side_px: int, seed: int) -> NDArray[np.uint8]:
    """(frames, side, side): noise, and over a texture of its own a spot whose radius runs up or down."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side_px, :side_px]
    centre = generator.uniform(0.4, 0.6, 2) * side_px
    radii = np.linspace(0.1, 0.3, frames) * side_px
    distance = np.hypot(y - centre[0], x - centre[1])
    texture = gaussian_filter(generator.normal(size=(side_px, side_px)), 2, mode="wrap")
    tissue = 60 + 20 * texture / texture.std()
    spots = [np.where(distance < radius, 200.0, tissue) for radius in (radii if grows else radii[::-1])]
    noise = generator.normal(0, 15, (frames, side_px, side_px))
    return np.clip(np.stack(spots) + noise, 0, 255).astype(np.uint8)


def write_avi(path: Path, frames: NDArray[np.uint8], *, rate_hz: int = 20) -> None:
    """Write grey frames as Motion JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=rate_hz)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.time_base = Fraction(1, rate_hz)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray").reformat(format="yuvj420p")))
        container.mux(stream.encode())


def write_cohort(
    folder: Path, *, patients: int = 30, frames: int = 12, side_px: int = 48, centers: str = "ABABC"
) -> Path:
    """Write cohort.csv and its AVI files; half have label 1; one reader is right but for every fifth."""
    rows = []
    for number in range(patients):
        label = number % 2
        video = f"videos/P{number:03d}.avi"
        write_avi(folder / video, spot_cine(grows=bool(label), frames=frames, side_px=side_px, seed=number))
        rows.append(
            {
                "patient_id": f"P{number:03d}",
                "video": video,
                "label": label,
                "center": centers[number // 2 % len(centers)],
                "keyframe": frames // 2,
                "reader_a": label if number % 5 else 1 - label,
                "age": 40 + number,
            }
        )
    table = folder / "cohort.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return table
