"""A whole phantom cohort on disk: cines, masks, the cohort table, the truth and the ceilings."""

from __future__ import annotations

import io
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from alnus.errors import ConfigError
from alnus.phantom.dicom import write_dicom
from alnus.phantom.frame_masks import frame_masks, frame_masks_tiff
from alnus.phantom.identity import Identity, invent_identity
from alnus.phantom.latents import INTERCEPT, WEIGHTS, Latents, ceilings, draw_latents, ideal_keyframe, risk
from alnus.phantom.patient import Patient, draw_patient, simulate
from alnus.phantom.readers import READERS, read
from alnus.phantom.scanner import SCANNERS, Scanner, scaled
from alnus.phantom.screen import draw_screen, on_screen
from alnus.phantom.video import write_video
from alnus.provenance import atomic_path, versions, write_atomic, write_json

FORMATS = {"dicom": ".dcm", "avi": ".avi", "mp4": ".mp4"}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PhantomConfig:
    """What to simulate. The defaults are the paper's design: 271 patients in two centres, 49 in a third.

    patients: in centres A, B and C. format: "dicom", "avi" or "mp4". frames: in each cine, 16 or more.
    scale: pixels across the tissue against the scanners' own 256 to 272, 0.25 to 1. Raises ConfigError.
    """

    patients: tuple[int, int, int] = (136, 135, 49)
    seed: int = 0
    format: str = "dicom"
    frames: int = 44
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if len(self.patients) != len(SCANNERS) or min(self.patients) < 0 or sum(self.patients) == 0:
            raise ConfigError(f"phantom: patients must be three numbers, not all 0 (received {list(self.patients)})")
        if self.format not in FORMATS:
            raise ConfigError(f"phantom: format '{self.format}' is not one of {', '.join(FORMATS)}")
        if not 16 <= self.frames <= 1000:
            raise ConfigError(f"phantom: frames must be 16 to 1000, for a sweep and a press (received {self.frames})")
        if not 0.25 <= self.scale <= 1:
            raise ConfigError(f"phantom: scale must be 0.25 to 1 (received {self.scale})")
        if self.seed < 0:
            raise ConfigError(f"phantom: seed must be 0 or more (received {self.seed})")

    def scanners(self) -> list[Scanner]:
        """Return the scanner of each patient, by centre."""
        pairs = zip(SCANNERS.values(), self.patients, strict=True)
        return [scaled(scanner, self.scale) for scanner, count in pairs for _ in range(count)]


@dataclass(frozen=True)
class Task:
    """What a worker needs to make one patient's files; `number` counts from 1."""

    folder: Path
    number: int
    config: PhantomConfig
    scanner: Scanner
    patient: Patient
    identity: Identity

    @property
    def patient_id(self) -> str:
        """The study's id of the patient."""
        return f"P{self.number:04d}"

    @property
    def video(self) -> str:
        """The cine's path relative to the cohort table."""
        return f"videos/{self.patient_id}{FORMATS[self.config.format]}"

    @property
    def frame_masks(self) -> str:
        """The masks of the cine's frames, relative to the cohort table."""
        return f"masks/{self.patient_id}.tif"


def _generator(config: PhantomConfig, number: int, purpose: int) -> np.random.Generator:
    """Return randomness that depends on the seed, the patient (0: the cohort) and the purpose alone."""
    return np.random.default_rng([config.seed, number, purpose])


def write_patient(task: Task) -> None:
    """Simulate one patient and write her cine, the mask of her keyframe and the masks of all her frames."""
    config, scanner = task.config, task.scanner
    cine = simulate(_generator(config, task.number, 2), task.patient, scanner)
    screen = draw_screen(scanner, task.identity)
    pictures = [on_screen(screen, scanner, tissue) for tissue in cine.frames]
    with atomic_path(task.folder / task.video) as path:
        if config.format == "dicom":
            write_dicom(path, pictures, scanner, task.identity, key=("alnus phantom", config.seed, task.number))
        else:
            write_video(path, pictures, frame_rate_hz=scanner.frame_rate_hz, container=config.format)
    black = np.zeros(scanner.canvas_px, np.uint8)
    mask = on_screen(black, scanner, cine.mask.astype(np.uint8) * 255)
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    write_atomic(task.folder / "masks" / f"{task.patient_id}.png", buffer.getvalue())
    masks = frame_masks(task.patient.lesion, task.patient.examination, scanner).astype(np.uint8) * 255
    shown = np.stack([on_screen(black, scanner, mask) for mask in masks])
    write_atomic(task.folder / task.frame_masks, frame_masks_tiff(shown))


def _plan(folder: Path, config: PhantomConfig, latents: Latents) -> list[Task]:
    """Draw every patient; cheap, and done before any file is written."""
    tasks = []
    for index, scanner in enumerate(config.scanners()):
        generator = _generator(config, index + 1, 1)
        patient = draw_patient(generator, latents, index, frames=config.frames)
        tasks.append(Task(folder, index + 1, config, scanner, patient, invent_identity(generator, scanner.center)))
    return tasks


def _clinical(generator: np.random.Generator, task: Task) -> dict[str, Any]:
    """Return clinical variables: the size is measured on the keyframe, the others know nothing of the risk."""
    lateral, _, axial = task.patient.lesion.half_mm
    return {
        "age": task.identity.age_years,
        "us_size_mm": round(2 * max(lateral, axial) + float(generator.normal(0, 0.7)), 1),
        "er_positive": int(generator.random() < 0.75),
        "her2_positive": int(generator.random() < 0.2),
        "ki67_percent": int(np.clip(round(generator.gamma(2.2, 10)), 1, 95)),
    }


def _region(scanner: Scanner, config: PhantomConfig) -> dict[str, int]:
    """Return the tissue's rectangle for the table, where the file itself cannot state it."""
    if config.format == "dicom":
        return {}
    top, left = scanner.origin_px
    return {"roi_x": left, "roi_y": top, "roi_w": scanner.columns, "roi_h": scanner.rows}


def cohort_table(tasks: list[Task], latents: Latents, config: PhantomConfig) -> pd.DataFrame:
    """Return the cohort table, one row a patient. label: drawn with the patient's risk."""
    labels = _generator(config, 0, 3).random(len(tasks)) < risk(latents)
    clinical = _generator(config, 0, 4)
    rows = [
        {
            "patient_id": task.patient_id,
            "video": task.video,
            "label": int(label),
            "center": task.scanner.center,
            "keyframe": task.patient.examination.keyframe,
            "mask": task.frame_masks,
            **_region(task.scanner, config),
            **_clinical(clinical, task),
        }
        for task, label in zip(tasks, labels, strict=True)
    ]
    table = pd.DataFrame(rows)
    for number, reader in enumerate(READERS):
        table[f"reader_{reader.name}"] = read(_generator(config, 0, 5 + number), reader, latents, INTERCEPT)
    return table.assign(origin="phantom")


def truth_table(tasks: list[Task], latents: Latents) -> pd.DataFrame:
    """Return what the simulation knows: latents, risk, the ideal readers' probabilities, and what carries no risk."""
    lesions = [task.patient.lesion for task in tasks]
    return pd.DataFrame(
        {
            "patient_id": [task.patient_id for task in tasks],
            "spiculation_near": latents.spiculation[:, 0],
            "spiculation_central": latents.spiculation[:, 1],
            "spiculation_far": latents.spiculation[:, 2],
            "half_width_mm": latents.half_width_mm,
            "half_height_mm": latents.half_height_mm,
            "half_length_mm": latents.half_length_mm,
            "strain_ratio": latents.strain_ratio,
            "modulus_ratio": latents.modulus_ratio(),
            "risk": risk(latents),
            "ideal_keyframe": ideal_keyframe(latents),
            "ideal_video": risk(latents),
            "x_mm": [lesion.x_mm for lesion in lesions],
            "z_mm": [lesion.z_mm for lesion in lesions],
            "echo_db": [lesion.echo_db for lesion in lesions],
            "shadow_db": [lesion.shadow_db for lesion in lesions],
            "gain_db": [task.patient.gain_db for task in tasks],
            "peak_strain": [float(task.patient.examination.strain.max()) for task in tasks],
        }
    )


def _record(config: PhantomConfig) -> dict[str, Any]:
    """Return what phantom.json says: how the cohort was made and what no reader can beat."""
    return {
        "phantom": True,
        "config": asdict(config),
        "versions": versions(),
        "intercept": INTERCEPT,
        "weights": dict(zip(("margin", "log_volume", "minus_strain_ratio"), WEIGHTS.tolist(), strict=True)),
        "ceilings": asdict(ceilings()),
        "readers": [asdict(reader) for reader in READERS],
        "scanners": [asdict(scaled(scanner, config.scale)) for scanner in SCANNERS.values()],
    }


def _run(tasks: list[Task], workers: int) -> Iterator[None]:
    """Make every patient's files, yielding once for each; in this process where there is one worker."""
    if workers == 1:
        yield from map(write_patient, tasks)
        return
    # spawn: a forked child of a process with threads (as torch's) may hang
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(write_patient, task) for task in tasks]):
                yield future.result()
        finally:  # after an error or Ctrl-C, begin no further patient
            pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    """Return how many processors this process may use; not every system can say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _clear(out: Path) -> None:
    """Make the folder and take away an earlier phantom's table, which would not fit the new files.

    Raises ConfigError where the folder cannot be made or holds somebody else's cohort.
    """
    table = out / "cohort.csv"
    if table.exists() and not (out / "phantom.json").exists():
        raise ConfigError(f"{out}: holds a cohort.csv that is no phantom's; choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        table.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); choose another folder") from None


def write_phantom(out: Path, config: PhantomConfig, *, workers: int = 0, progress: Progress | None = None) -> Path:
    """Simulate a cohort into `out` and return the path of its cohort table, which is written last.

    Files: videos/<patient>, masks/<patient>.png (keyframe) and .tif (all frames), truth.csv, phantom.json, cohort.csv.
    The same configuration gives the same files, byte for byte, for any number of workers on the same kind of machine.
    workers: processes; 0: one a core. progress: called with (patients done, patients in all).
    Raises ConfigError where `out` cannot be written or holds a cohort that is no phantom's.
    """
    latents = draw_latents(_generator(config, 0, 0), sum(config.patients))
    tasks = _plan(out, config, latents)
    workers = min(workers or _cores(), len(tasks))
    _clear(out)
    for done, _ in enumerate(_run(tasks, workers), start=1):
        if progress is not None:
            progress(done, len(tasks))
    write_atomic(out / "truth.csv", truth_table(tasks, latents).to_csv(index=False, lineterminator="\n"))
    write_json(out / "phantom.json", _record(config))
    table = cohort_table(tasks, latents, config)
    write_atomic(out / "cohort.csv", table.to_csv(index=False, lineterminator="\n"))
    return out / "cohort.csv"
