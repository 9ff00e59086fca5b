"""Everything that a reading room may be told, in one frozen object; nothing else is read from anywhere."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from alnus.errors import UsageError
from alnus.serve.node.settings import NodeSettings, check_node

MEBIBYTE = 1 << 20
LOOPBACK_NAMES = ("localhost",)


class Settings(BaseModel):
    """A part of the settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Settings):
    """How much one request, one upload and all of them together may take."""

    upload_bytes: int = Field(1024 * MEBIBYTE, gt=0)
    """Of one uploaded file, or of a ZIP file as it is sent."""
    zip_files: int = Field(2000, gt=0)
    """Members of a ZIP file."""
    zip_bytes: int = Field(4096 * MEBIBYTE, gt=0)
    """Of a ZIP file's members once unpacked, together."""
    zip_ratio: int = Field(200, gt=1)
    """Unpacked bytes for each packed one of a member; cines hardly shrink."""
    form_bytes: int = Field(256 * 1024, gt=0)
    """Of the body of any other request."""
    waiting: int = Field(2000, gt=0)
    """Videos that wait to be worked on; more are refused until some are done."""
    uploads: int = Field(32, gt=0)
    """Uploads at one time."""
    free_bytes: int = Field(512 * MEBIBYTE, ge=0)
    """Of the disk that stay free: below it nothing is received."""
    login_failures: int = Field(5, gt=0)
    """Wrong passwords for one name or from one address within `login_window_s`."""
    login_window_s: float = Field(300, gt=0)
    requests_a_minute: int = Field(1200, gt=0)
    """Of one API key."""


class WorkSettings(Settings):
    """How jobs are worked on."""

    workers: int = Field(2, ge=1)
    """Videos decoded at one time; one network computes at one time."""
    lease_s: float = Field(30, gt=0)
    """A job whose worker has not been heard of for so long goes to another."""
    attempts: int = Field(5, ge=1)
    """Of one step, before the job is laid aside as dead."""
    first_wait_s: float = Field(5, gt=0)
    """Before a step is tried again; doubled each time."""


class ServeSettings(Settings):
    """A reading room. models: directories of trained networks, or runs. data: where it keeps all that it has."""

    models: tuple[Path, ...]
    data: Path = Path("reading-room")
    database: str | None = None
    """SQLAlchemy's URL of a PostgreSQL database; None: SQLite inside `data`."""
    host: str = "127.0.0.1"
    port: int = Field(8700, ge=0, le=65535)
    names: tuple[str, ...] = ()
    """Host names, beside loopback and `host`, under which browsers may ask for the room."""
    certificate: Path | None = None
    private_key: Path | None = None
    behind_tls_proxy: bool = False
    """A proxy in front speaks TLS; its X-Forwarded-Proto and -For are believed."""
    engine: str = "auto"
    """What scores: auto (OpenVINO where it is installed, else PyTorch), eager, compile, onnx, openvino."""
    patient_issuer: str = Field("", max_length=64)
    """IssuerOfPatientID of the hospital's DICOM files: patients' ids that people type are taken to be of it."""
    session_h: float = Field(12, gt=0)
    idle_min: float = Field(60, gt=0)
    keep_received: bool = False
    """Keep the files as they came (with the patient's identity) after the case is returned."""
    limits: Limits = Limits()
    work: WorkSettings = WorkSettings()
    node: NodeSettings = NodeSettings()

    @property
    def is_tls(self) -> bool:
        """Whether browsers reach the room over TLS."""
        return self.behind_tls_proxy or self.certificate is not None

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach the room."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host in LOOPBACK_NAMES


def check_exposure(settings: ServeSettings, *, has_own_password: bool) -> None:
    """Refuse to be reached from other machines without TLS and a password that a person has set. Raises UsageError."""
    if (settings.certificate is None) != (settings.private_key is None):
        raise UsageError("a certificate and its private key go together: give --certificate and --private-key")
    for option, path in (("--certificate", settings.certificate), ("--private-key", settings.private_key)):
        if path is not None and not os.access(path, os.R_OK):
            raise UsageError(f"{option} {path}: cannot be read")
    check_node(settings.node)
    if settings.is_loopback:
        return
    if not settings.is_tls:
        raise UsageError(
            f"--host {settings.host} is reached from other machines: give --certificate and --private-key, or "
            "--behind-tls-proxy where a proxy in front speaks TLS"
        )
    if not has_own_password:
        raise UsageError(
            f"--host {settings.host} is reached from other machines, and the administrator still has the first "
            "password: start on loopback and change it, or give --password-file"
        )
