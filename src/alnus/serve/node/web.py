"""DICOMweb that waits no longer and reads no more than it is told; an instance comes as the bytes that were stored.

Departures: dicomweb-client decodes what it retrieves and would write it anew, other bytes than C-STORE brings.
Source: DICOM PS3.18 10.4.1 (retrieve instance), RFC 2046 5.1.1 (multipart), PS3.10 7.1 (file meta information).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from pydicom.filereader import read_dataset
from requests.adapters import HTTPAdapter

from alnus.errors import MediaError, UsageError
from alnus.serve.node.settings import NodeSettings


@contextmanager
def web_session(node: NodeSettings, *, most_bytes: int = 64 << 20) -> Iterator[requests.Session]:
    """Yield a session with DICOMweb services. most_bytes: of one answer. Raises UsageError."""
    session = requests.Session()
    session.trust_env = False  # no proxy and no ~/.netrc of the environment: patients go to this address and no other
    session.headers.update(_login(node))
    adapter = _Bounded(timeout_s=node.timeout_s, most_bytes=most_bytes)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    try:
        yield session
    finally:
        session.close()


def client_of(url: str, session: requests.Session) -> DICOMwebClient:
    """Return a client of the service at a URL."""
    client = DICOMwebClient(url=url, session=session)
    client.set_http_retry_params(retry=False)  # the room's own queue tries again
    return client


def retrieved(session: requests.Session, url: str, study: str, series: str, instance: str) -> tuple[str, str, bytes]:
    """Return an instance's SOP class, transfer syntax and data set as the service has stored them.

    Raises MediaError where the answer is no DICOM file, requests' errors where there is none.
    """
    answer = session.get(
        f"{url.rstrip('/')}/studies/{study}/series/{series}/instances/{instance}",
        headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
    )
    answer.raise_for_status()
    content = _only_part(answer.content, answer.headers.get("Content-Type", ""))
    if content[128:136] != b"DICM\x02\x00\x00\x00" or content[136:140] != b"UL\x04\x00":
        raise MediaError("the service answered with something that is no DICOM file")
    end = 144 + int.from_bytes(content[140:144], "little")
    meta = read_dataset(BytesIO(content[132:end]), is_implicit_VR=False, is_little_endian=True)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID), content[end:]


def _only_part(body: bytes, kind: str) -> bytes:
    """Return the first part of a multipart answer; an answer that is not multipart is the part itself."""
    found = re.search(r'boundary="?([^";,]+)"?', kind)
    if not kind.lower().startswith("multipart/") or found is None:
        return body
    _, _, rest = (b"\r\n" + body).partition(b"\r\n--" + found[1].encode())
    _, _, rest = rest.partition(b"\r\n\r\n")
    return rest.partition(b"\r\n--" + found[1].encode())[0]


class _Bounded(HTTPAdapter):
    """Ends requests that hang, and answers that are too long before they fill the memory."""

    def __init__(self, *, timeout_s: float, most_bytes: int) -> None:
        super().__init__()
        self._timeout_s, self._most_bytes = timeout_s, most_bytes

    def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
        """Send a request; its answer can be read up to the bound. Raises MediaError beyond it, while it is read."""
        response = super().send(request, *arguments, **{**options, "timeout": self._timeout_s})
        raw, left = response.raw, [self._most_bytes]
        stream = raw.stream

        def bounded(*stream_arguments: Any, **stream_options: Any) -> Iterator[bytes]:
            for piece in stream(*stream_arguments, **stream_options):
                left[0] -= len(piece)
                if left[0] < 0:
                    response.close()
                    raise MediaError(f"the answer is larger than {self._most_bytes} bytes")
                yield piece

        raw.stream = bounded
        return response


def _login(node: NodeSettings) -> dict[str, str]:
    if node.web_login is None:
        return {}
    try:
        line = node.web_login.read_text(encoding="utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError):
        raise UsageError(f"--dicom-web-login {node.web_login}: cannot be read") from None
    return {"Authorization": f"Basic {base64.b64encode(line.encode()).decode()}"}
