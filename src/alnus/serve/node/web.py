"""A DICOMweb client that waits no longer and reads no more than it is told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from requests.adapters import HTTPAdapter

from alnus.errors import MediaError, UsageError
from alnus.serve.node.settings import NodeSettings


@contextmanager
def web_client(node: NodeSettings, url: str, *, most_bytes: int = 64 << 20) -> Iterator[DICOMwebClient]:
    """Yield a client of a DICOMweb service. most_bytes: of one answer. Raises UsageError."""
    session = requests.Session()
    session.trust_env = False  # no proxy and no ~/.netrc of the environment: patients go to this address and no other
    session.headers.update(_login(node))
    adapter = _Bounded(timeout_s=node.timeout_s, most_bytes=most_bytes)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    client = DICOMwebClient(url=url, session=session)
    client.set_http_retry_params(retry=False)  # the room's own queue tries again
    try:
        yield client
    finally:
        session.close()


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
