"""Hand an object over: by C-STORE to an AE, or by STOW-RS to a DICOMweb service.

It is the receiver's once `send` returns.

Source: DICOM PS3.4 B.2.3 (status codes), PS3.18 10.5 (STOW-RS).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    ComprehensiveSRStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)

from alnus.errors import AlnusError
from alnus.serve.node.settings import NodeSettings, is_web, peer_of
from alnus.serve.node.web import client_of, web_session

_STORED: Final = (0x0000, 0xB000, 0xB006, 0xB007)  # success, and stored with a warning
_THERE: Final = 0x0111  # duplicate SOP instance: it is ours, by its UID, from before a crash
_PLAIN: Final = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


class NotSentError(AlnusError):
    """An object was not taken; the reason, without a word of the object."""


def send(node: NodeSettings, path: Path) -> None:
    """Send a file to where results go. Raises NotSentError."""
    assert node.return_to is not None
    if is_web(node.return_to):
        _by_web(node, path)
    else:
        _by_store(node, path)


def _by_store(node: NodeSettings, path: Path) -> None:
    peer = peer_of(node.return_to or "")
    entity = AE(ae_title=node.ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = node.timeout_s
    entity.add_requested_context(ComprehensiveSRStorage, _PLAIN)
    entity.add_requested_context(MultiFrameTrueColorSecondaryCaptureImageStorage, [JPEGBaseline8Bit])
    entity.add_requested_context(MultiFrameTrueColorSecondaryCaptureImageStorage, _PLAIN)
    association = entity.associate(peer.host, peer.port, ae_title=peer.ae_title)
    if not association.is_established:
        raise NotSentError("the archive refused the association" if association.is_rejected else "no answer")
    try:
        status = association.send_c_store(_acceptable(path, association)).get("Status")
    except (ValueError, AttributeError, RuntimeError):
        raise NotSentError("the archive does not take objects of this kind") from None
    finally:
        association.release()
    if status is None:
        raise NotSentError("the connection was cut")
    if status not in (*_STORED, _THERE):
        raise NotSentError(f"the archive answered 0x{status:04X}")


def _acceptable(path: Path, association: Any) -> Any:
    """Return an object in a syntax that the archive has accepted: JPEG as it is, or else unpacked."""
    made = dcmread(path)
    syntax = made.file_meta.TransferSyntaxUID
    accepted = {(one.abstract_syntax, one.transfer_syntax[0]) for one in association.accepted_contexts}
    if syntax.is_compressed and (made.SOPClassUID, syntax) not in accepted:
        made.decompress(generate_instance_uid=False)
    return made


def _by_web(node: NodeSettings, path: Path) -> None:
    try:
        with web_session(node) as session:
            answer = client_of(node.return_to or "", session).store_instances([dcmread(path)])
    except Exception as error:  # requests' and dicomweb-client's quote addresses, which hold UIDs
        raise NotSentError(f"the DICOMweb service did not take it ({_told(error)})") from None
    failed = answer.get("FailedSOPSequence") or []
    reasons = {item.get("FailureReason") for item in failed} - {_THERE}
    if reasons:
        raise NotSentError(f"the DICOMweb service answered {', '.join(f'0x{reason or 0:04X}' for reason in reasons)}")


def _told(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return type(error).__name__ if status is None else f"status {status}"
