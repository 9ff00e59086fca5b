"""Fetch studies from a DICOMweb service: one by its UID, or whatever ultrasound is new; each instance once.

Source: DICOM PS3.18 10.6 (QIDO-RS), 10.4 (WADO-RS).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from alnus.errors import AlnusError, UsageError
from alnus.serve.audit import note
from alnus.serve.intake.receiving import Incoming
from alnus.serve.node.classes import CLASSES
from alnus.serve.node.inbox import Verdict, is_known, keep
from alnus.serve.node.keys import is_uid, sop_key
from alnus.serve.node.spooling import file_head
from alnus.serve.node.web import client_of, retrieved, web_session
from alnus.serve.room import Room

PAGE = 200
log = logging.getLogger(__name__)


class Puller:
    """A thread that fetches what it is asked for, and looks for new studies at intervals where it is told to.

    What a fetch came to is in the audit log. After a crash a study is to be asked for again; what had come is kept.
    """

    def __init__(self, room: Room, arrived: Callable[[], object]) -> None:
        self._room, self._arrived = room, arrived
        self._thread = threading.Thread(target=self._run, name="dicomweb", daemon=True)
        self._is_ending = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the instance at hand."""
        self._is_ending = True
        self._room.fetches.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        poll_s = self._room.settings.node.poll_s
        next_s = time.monotonic() + (poll_s or 0)
        while not self._is_ending:
            wait_s = None if poll_s is None else max(0.0, next_s - time.monotonic())
            try:
                study = self._room.fetches.get(timeout=wait_s)
                if study is None:
                    return
            except queue.Empty:
                study, next_s = None, time.monotonic() + (poll_s or 0)
            self._fetch(study)

    def _fetch(self, study: str | None) -> None:
        found = new = 0
        reason = None
        try:
            for is_new in pull(self._room, study):
                found, new = found + 1, new + is_new
                if is_new:
                    self._arrived()
                if self._is_ending:
                    break
        except Exception as error:  # requests' quote addresses, which hold UIDs
            status = getattr(getattr(error, "response", None), "status_code", None)
            reason = str(error) if isinstance(error, AlnusError) else f"{type(error).__name__} {status or ''}".strip()
            log.warning("a fetch ended early: %s", reason)
        if study is not None or new or reason:
            with self._room.database.writing() as session:
                note(session, "system", "node.fetch", None, {"found": found, "new": new, "reason": reason})


def ask(room: Room, study: str) -> None:
    """Ask for a study by its UID. Raises UsageError where that is none."""
    study = study.strip()
    if not is_uid(study):
        raise UsageError("this is no study instance UID")
    room.fetches.put(study)


def pull(room: Room, study: str | None) -> Iterator[bool]:
    """Fetch a study, or what is new of today and yesterday (study: None); yield for each instance whether it is new."""
    node = room.settings.node
    assert node.web is not None
    with web_session(node, most_bytes=room.settings.limits.upload_bytes) as session:
        for row in _instances(client_of(node.web, session), study):
            uids = [_text(row, tag) for tag in ("0020000D", "0020000E", "00080018")]
            if _text(row, "00080016") not in CLASSES or not all(is_uid(uid) for uid in uids):
                continue
            if _is_known(room, uids[2]):
                yield False
                continue
            sop_class, syntax, content = retrieved(session, node.web, *uids)
            with Incoming(room) as coming:
                coming.write(file_head(sop_class, uids[2], syntax))
                coming.write(content)
                verdict = keep(room, coming, uid=uids[2], sender="web")
            yield verdict is Verdict.NEW


def _is_known(room: Room, uid: str) -> bool:
    with room.database.reading() as session:
        return is_known(session, sop_key(room.secret, uid))


def _instances(client: Any, study: str | None) -> Iterator[dict[str, Any]]:
    """Yield what QIDO-RS says of each instance, page by page."""
    if study is not None:
        yield from _pages(client.search_for_instances, study_instance_uid=study)
        return
    today = datetime.now().astimezone()
    filters = {"StudyDate": f"{today - timedelta(days=1):%Y%m%d}-{today:%Y%m%d}", "ModalitiesInStudy": "US"}
    for row in list(_pages(client.search_for_studies, search_filters=filters)):
        if uid := _text(row, "0020000D"):
            yield from _pages(client.search_for_instances, study_instance_uid=uid)


def _pages(search: Any, **options: Any) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        rows = search(limit=PAGE, offset=offset, **options)
        yield from rows
        if len(rows) < PAGE:
            return
        offset += len(rows)


def _text(row: dict[str, Any], tag: str) -> str:
    values = row.get(tag, {}).get("Value") or [""]
    return str(values[0])
