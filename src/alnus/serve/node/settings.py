"""What the DICOM node is told, and what of it would be unsafe."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from alnus.errors import UsageError

_TRUSTED = "give --dicom-trusted-network where all that can read this network may see patients' data"
_AE_TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")  # PS3.5 6.2: no backslash, no control characters


class NodeSettings(BaseModel):
    """The DICOM node. Without port and web there is none; nothing goes back without return_to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int | None = Field(None, ge=0, le=65535)
    """Where scanners and archives send to; 0: any free one."""
    host: str = "127.0.0.1"
    ae_title: str = "ALNUS"
    callers: tuple[str, ...] = ()
    """AE titles that may send; no other may."""
    trusted_network: bool = False
    """All that can read the networks between here and the other DICOM machines may see patients' data in clear."""
    return_to: str | None = None
    """Where results go: "AE@host:port" by C-STORE, or a DICOMweb service's URL by STOW-RS."""
    web: str | None = None
    """URL of the DICOMweb service that studies are fetched from."""
    web_login: Path | None = None
    """File with "user:password" for the DICOMweb services."""
    poll_s: float | None = Field(None, gt=0)
    """How often `web` is asked for new ultrasound of today and yesterday; None: never by itself."""
    complete_after_s: float = Field(60, ge=0)
    """A study of which nothing new has come for so long is complete: only then results go back."""
    associations: int = Field(8, ge=1)
    timeout_s: float = Field(30, gt=0)
    attempts: int = Field(30, ge=1)
    """Of one object, before it is laid aside: with the waits below, most of a day."""
    first_wait_s: float = Field(5, gt=0)
    """Before an object is sent again; doubled each time."""
    longest_wait_s: float = Field(3600, gt=0)

    @property
    def is_on(self) -> bool:
        """Whether there is a node at all."""
        return self.port is not None or self.web is not None

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can send to the node."""
        return _is_loopback(self.host)


class Peer(NamedTuple):
    """A DICOM application elsewhere."""

    ae_title: str
    host: str
    port: int


def check_node(node: NodeSettings) -> None:
    """Refuse a node that anybody could send to, or that cannot work. Raises UsageError."""
    for title in (node.ae_title, *node.callers):
        _check_title(title)
    for name, url in (("--dicom-web", node.web), ("--dicom-return", _url(node.return_to))):
        if url is not None and urlsplit(url).scheme not in ("http", "https"):
            raise UsageError(f"{name} {url}: is no DICOMweb address; write https://host/dicom-web")
    if node.return_to is not None and _url(node.return_to) is None:
        peer_of(node.return_to)
    _check_clear(node)
    if node.poll_s is not None and node.web is None:
        raise UsageError("--dicom-poll asks a DICOMweb service for new studies: name it with --dicom-web")
    if node.port is None:
        return
    if not node.callers:
        raise UsageError("--dicom-port: nobody may send; name each sender's AE title with --dicom-caller")
    if not node.is_loopback and not node.trusted_network:
        raise UsageError(
            f"--dicom-host {node.host} is reached from other machines, and DICOM is sent in clear: {_TRUSTED}"
        )


def _check_clear(node: NodeSettings) -> None:
    """Refuse to send a password, and patients' data, in clear to another machine. Raises UsageError."""
    if node.trusted_network:
        return
    for name, url in (("--dicom-web", node.web), ("--dicom-return", _url(node.return_to))):
        parts = urlsplit(url or "")
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise UsageError(f"{name} {url}: http sends patients' data in clear: write https://…, or {_TRUSTED}")
    if node.return_to is not None and not is_web(node.return_to) and not _is_loopback(peer_of(node.return_to).host):
        raise UsageError(f"--dicom-return {node.return_to}: DICOM sends patients' data in clear: {_TRUSTED}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def peer_of(text: str) -> Peer:
    """Return "AE@host:port" in its parts. Raises UsageError."""
    found = re.fullmatch(r"(.+)@\[?([^@\[\]]+)\]?:(\d{1,5})", text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise UsageError(f"--dicom-return {text}: write AE@host:port, or a DICOMweb address")
    _check_title(found[1])
    return Peer(found[1], found[2], int(found[3]))


def is_web(address: str) -> bool:
    """Tell a DICOMweb address from an AE."""
    return "://" in address


def _url(address: str | None) -> str | None:
    return address if address is not None and is_web(address) else None


def _check_title(title: str) -> None:
    if not _AE_TITLE.fullmatch(title):
        raise UsageError(f"{title!r}: is no AE title, which has 1 to 16 plain characters and no backslash")
