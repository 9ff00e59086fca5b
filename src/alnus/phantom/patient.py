"""One simulated patient: everything that is drawn for her, and the cine of her examination."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alnus.phantom.acoustics import BEAM_REACH, Receiver, beam, deposit, envelope, log_compress, make_receiver
from alnus.phantom.anatomy import Scatterers, scatter
from alnus.phantom.latents import Latents
from alnus.phantom.lesion import Lesion, draw_lesion, is_inside
from alnus.phantom.scanner import Scanner
from alnus.phantom.sweep import Examination, UnitDisplacement, draw_examination, unit_displacement

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Patient:
    """A patient before she is scanned. attenuation_db_cm_mhz: her tissue's; gain_db: the sonographer's setting."""

    lesion: Lesion
    examination: Examination
    attenuation_db_cm_mhz: float
    gain_db: float


@dataclass(frozen=True)
class SimulatedCine:
    """frames: (frames, rows, columns), tissue only. keyframe: index. mask: (rows, columns), the lesion there."""

    frames: Grey
    keyframe: int
    mask: NDArray[np.bool_]


def draw_patient(generator: np.random.Generator, latents: Latents, index: int, *, frames: int) -> Patient:
    """Draw what is not in the latents; none of it depends on them."""
    return Patient(
        lesion=draw_lesion(generator, latents, index),
        examination=draw_examination(generator, frames),
        attenuation_db_cm_mhz=float(generator.uniform(0.55, 0.65)),
        gain_db=float(generator.uniform(-2, 2)),
    )


def simulate(generator: np.random.Generator, patient: Patient, scanner: Scanner) -> SimulatedCine:
    """Scan a patient: the cine, its keyframe and the lesion's mask there."""
    examination = patient.examination
    receiver = make_receiver(scanner, attenuation_db_cm_mhz=patient.attenuation_db_cm_mhz, gain_db=patient.gain_db)
    reach = float(np.abs(examination.elevation_mm).max()) + BEAM_REACH * scanner.sigma_elevation_mm
    scatterers = scatter(generator, scanner, patient.lesion, reach_mm=reach)
    displacement = unit_displacement(patient.lesion, scanner)
    frames = np.empty((len(examination.strain), scanner.rows, scanner.columns), np.uint8)
    for index in range(len(frames)):
        frames[index] = _frame(generator, receiver, scatterers, displacement, examination, index)
    return SimulatedCine(frames, examination.keyframe, keyframe_mask(patient.lesion, scanner))


def _frame(
    generator: np.random.Generator,
    receiver: Receiver,
    scatterers: Scatterers,
    displacement: UnitDisplacement,
    examination: Examination,
    index: int,
) -> Grey:
    """Return one frame, (rows, columns)."""
    scanner, strain = receiver.scanner, np.float32(examination.strain[index])
    slab, amplitude = beam(scatterers, scanner, float(examination.elevation_mm[index]))
    x, z = scatterers.x_mm[slab] + np.float32(examination.drift_mm[index]), scatterers.z_mm[slab]
    if strain > 0:
        axial, lateral = displacement.at(x, z)
        x, z = x + strain * lateral, z - strain * axial
    field = deposit(scanner, x, z, amplitude)
    return log_compress(receiver, envelope(receiver, field, generator))


def keyframe_mask(lesion: Lesion, scanner: Scanner) -> NDArray[np.bool_]:
    """Return the lesion's outline with its spicules in the uncompressed centre plane, (rows, columns)."""
    x = ((np.arange(scanner.columns) + 0.5) * scanner.spacing_mm - scanner.width_mm / 2).astype(np.float32)[None, :]
    z = ((np.arange(scanner.rows) + 0.5) * scanner.spacing_mm).astype(np.float32)[:, None]
    return is_inside(lesion, x, np.zeros_like(x), z)
