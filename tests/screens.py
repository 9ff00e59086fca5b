"""Ultrasound screens made in code, with the tissue's true place known: probes, overlays, windows around them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from alnus.media import open_cine
from alnus.phantom.latents import draw_latents
from alnus.phantom.patient import draw_patient, simulate
from alnus.phantom.scanner import SCANNERS, scaled

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
FONT = ImageFont.load_default(14)


def speckle(frames: int, height: int, width: int, *, seed: int = 0, still: bool = False) -> Pixels:
    """Layered tissue of log-compressed Rayleigh speckle that slides sideways and decorrelates; (T, h, w)."""
    generator = np.random.default_rng(seed)

    def field(columns: int) -> NDArray[np.complex128]:
        white = generator.normal(size=(2, height, columns))
        return ndimage.gaussian_filter(white[0], (0.8, 1.4)) + 1j * ndimage.gaussian_filter(white[1], (0.8, 1.4))

    sliding = field(width + 2 * frames)
    rows = np.linspace(0, 1, height)[:, None]
    across = np.linspace(-1, 1, width)[None, :]
    echo_db = 12 * np.sin(2.5 * np.pi * (rows + 0.06 * np.sin(3 * across))) - 22 * rows
    echo_db = echo_db - 25 * (((rows - 0.45) / 0.12) ** 2 + (across / 0.25) ** 2 < 1)
    pictures = []
    for index in range(frames):
        shift = 0 if still else index
        mixed = sliding[:, shift : shift + width] + (0 if still else 0.35) * field(width)
        level = 20 * np.log10(np.abs(mixed) / 0.25 + 1e-6) + echo_db
        pictures.append(np.clip(150 + level * 255 / 60, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def phantom(center: str = "A", *, frames: int = 24, scale: float = 0.75, number: int = 1) -> Pixels:
    """The phantom's tissue, (T, rows, columns)."""
    generator = np.random.default_rng([7, number])
    patient = draw_patient(generator, draw_latents(generator, 1), 0, frames=frames)
    return simulate(generator, patient, scaled(SCANNERS[center], scale)).frames


def probe_mask(kind: str, height: int, width: int) -> Mask:
    """The picture's shape of a "linear", "trapezoid", "convex" or "phased" probe, filling (height, width)."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x -= (width - 1) / 2
    if kind == "linear":
        return np.ones((height, width), bool)
    if kind == "trapezoid":
        return np.abs(x) <= width / 2 * (0.65 + 0.35 * y / height)
    inner = {"convex": 0.35, "phased": 0.01}[kind] * height
    half = {"convex": 0.58, "phased": 0.68}[kind]
    outer = min((width / 2) / np.sin(half), height + inner * np.cos(half))
    down = y + inner * np.cos(half)
    radius, angle = np.hypot(x, down), np.arctan2(x, down)
    return (radius >= inner) & (radius <= outer) & (np.abs(angle) <= half)


def placed(tissue: Pixels, mask: Mask, screen: Pixels, x: int, y: int) -> tuple[Pixels, Mask]:
    """Show tissue within the mask on a screen, (H, W); returns (T, H, W) and the truth, (H, W)."""
    height, width = mask.shape
    frames = np.repeat(screen[None], len(tissue), axis=0)
    frames[:, y : y + height, x : x + width] = np.where(mask, tissue, frames[:, y : y + height, x : x + width])
    truth = np.zeros(screen.shape, bool)
    truth[y : y + height, x : x + width] = mask
    return frames, truth


def drawn(picture: Pixels, *marks: tuple[str, tuple[int, int], str], level: int = 230, font: object = FONT) -> Pixels:
    """Draw marks on a picture (H, W): ("text", place, words), ("cross", place, ""), ("x", …), ("arrow", …), …"""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for kind, (x, y), words in marks:
        if kind == "text":
            draw.text((x, y), words, fill=level, font=font)
        elif kind == "cross":
            draw.line([(x - 5, y), (x + 5, y)], fill=level)
            draw.line([(x, y - 5), (x, y + 5)], fill=level)
        elif kind == "x":
            draw.line([(x - 4, y - 4), (x + 4, y + 4)], fill=level)
            draw.line([(x - 4, y + 4), (x + 4, y - 4)], fill=level)
        elif kind == "arrow":
            draw.line([(x, y), (x + 22, y + 14)], fill=level, width=2)
            draw.polygon([(x, y), (x + 9, y + 1), (x + 4, y + 8)], fill=level)
        elif kind == "dots":
            for step in range(0, 60, 5):
                draw.rectangle([(x + step, y), (x + step + 1, y + 1)], fill=level)
    return np.array(image)


def overlays(screen: Pixels, x: int, y: int, width: int, height: int) -> Pixels:
    """Draw what scanners draw around the tissue at (x, y): text, grey bar, depth ruler, TGC curve."""
    shown = screen.copy()
    bar = np.linspace(250, 5, height // 2).astype(np.uint8)[:, None]
    if x >= 30:
        shown[y : y + height // 2, x - 24 : x - 14] = bar
    if x + width + 20 < shown.shape[1]:
        for tick in range(0, height, 25):
            shown[y + tick, x + width + 5 : x + width + 13] = 220
    marks = [
        ("text", (6, 2), "TEST HOSPITAL  12.03.2021"),
        ("text", (6, shown.shape[0] - 18), "FR 24Hz  MI 1.1 TIS 0.2"),
    ]
    return drawn(shown, *marks)


def busy_screen(
    frames: Pixels, *, clock: tuple[int, int] | None = None, mouse: bool = False, ecg: int | None = None
) -> Pixels:
    """Let a clock's digits and a frame counter run, a mouse pointer wander, an ECG trace sweep at row `ecg`."""
    shown = []
    for index, frame in enumerate(frames):
        picture = frame
        if clock is not None:
            picture = drawn(picture, ("text", clock, f"14:02:{index % 60:02d}  {index + 1}/{len(frames)}"))
        if ecg is not None:
            picture = picture.copy()
            columns = np.arange(picture.shape[1] // 8, picture.shape[1] * 7 // 8)
            phase = (columns / 60 + index * 0.37) % 1
            rows = ecg - np.rint(22 * np.exp(-(((phase - 0.5) / 0.04) ** 2))).astype(int)
            picture[rows, columns] = 240
            picture[np.maximum(rows - 1, 0), columns] = 240
        if mouse:
            x = int(picture.shape[1] * (0.15 + 0.7 * index / len(frames)))
            y = int(picture.shape[0] * (0.9 - 0.1 * np.sin(index)))
            image = Image.fromarray(picture)
            ImageDraw.Draw(image).polygon([(x, y), (x, y + 16), (x + 11, y + 11)], fill=255)
            picture = np.asarray(image)
        shown.append(picture)
    return np.stack(shown)


def gui(height: int, width: int, *, level: int = 90, seed: int = 3) -> Pixels:
    """A desktop: a grey background with a gradient, a title bar, buttons, a list of words."""
    picture = np.full((height, width), level, np.uint8)
    picture += np.linspace(0, 25, width).astype(np.uint8)[None, :]
    picture[:22] = 200
    for number in range(8):
        picture[30 + 26 * number : 50 + 26 * number, 6:66] = 150
    generator = np.random.default_rng(seed)
    words = [("text", (8, 30 + 26 * n), "".join(generator.choice(list("abcdeinorst"), 6))) for n in range(8)]
    return drawn(picture, *words, ("text", (8, 2), "Viewer - exam 3 of 9"), level=20)


def through(path: Path, frames: Pixels, *, codec: str = "libx264", quality: str = "26") -> Pixels:
    """Encode and decode frames (T, H, W), as a recorder would: "libx264" at a CRF, "mjpeg" at a quantiser."""
    container, pixel_format = ("mp4", "yuv420p") if codec == "libx264" else ("avi", "yuvj420p")
    options = {"crf": quality, "preset": "veryfast"} if codec == "libx264" else {"qmin": quality, "qmax": quality}
    file = path / f"a.{container}"
    with av.open(str(file), "w", format=container) as output:
        stream = output.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2
        stream.pix_fmt = pixel_format
        for frame in frames[:, : stream.height, : stream.width]:
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
            output.mux(stream.encode(shown.reformat(format=pixel_format)))
        output.mux(stream.encode(None))
    return open_cine(file).frames


def iou(found: Mask, truth: Mask) -> float:
    """Intersection over union."""
    return float((found & truth).sum() / max(1, (found | truth).sum()))
