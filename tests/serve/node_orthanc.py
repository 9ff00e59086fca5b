"""Run by test_node_orthanc.py in a network namespace of its own: Orthanc, the room, and kills at every stage.

Orthanc binds every address, whatever it is told; in here there is only loopback. Servers are forked from this process,
which has imported everything and has no threads, so that each lives a second or two. Findings go out as JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from node_rooms import NAME, NUMBER, node_settings, us_cine  # noqa: E402
from pydicom import dcmread, dcmwrite, examples  # noqa: E402
from reading_rooms import opened, write_run  # noqa: E402

from alnus.serve.intake.receiving import sweep  # noqa: E402
from alnus.serve.node import courier, listening, registering  # noqa: E402
from alnus.serve.node.node import Node  # noqa: E402
from alnus.serve.work import worker  # noqa: E402
from alnus.serve.work.returning import drop_orphans  # noqa: E402
from alnus.serve.work.worker import STEPS, Workers  # noqa: E402

HTTP, DICOM, NODE = 8042, 4242, 11112
ORTHANC = f"http://127.0.0.1:{HTTP}"
PLUGINS = "/usr/share/orthanc/plugins"
FETCHES = "select detail from audit_log where action = 'node.fetch' order by id"


def before(module, name):
    """Die in place of doing it."""
    setattr(module, name, die)


def after(module, name):
    """Do it, then die."""
    done = getattr(module, name)

    def done_then_dead(*arguments, **options):
        done(*arguments, **options)
        die()

    setattr(module, name, done_then_dead)


def in_step(state):
    """Do a job's step, then die before its outcome is written."""

    def arm(*_):
        step, *following = STEPS[state]

        def done_then_dead(*arguments):
            step(*arguments)
            die()

        worker.STEPS[state] = (done_then_dead, *following)

    return arm, None, None


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


STAGES = {
    "received, not kept": (before, listening, "keep"),
    "kept, not answered": (after, listening, "keep"),
    "kept, not submitted": (before, registering, "submit"),
    "submitted, not noted": (after, registering, "submit"),
    "ingested, not written": in_step("received"),
    "scored, not written": in_step("ingested"),
    "explained, not written": in_step("scored"),
    "ended, not written": in_step("explained"),
    "to be made": (before, courier, "build_task"),
    "made, not noted": (before, courier, "sop_key"),
    "made, not sent": (before, courier, "send"),
    "sent, not ticked off": (before, courier, "_tick_off"),
    "ticked off, still there": (after, courier, "_tick_off"),
    "all sent, not tidied": (before, courier, "forget"),
}
RECEIVING = tuple(STAGES)[:2]


def serve(settings, log, stage=None):
    """Fork a server; its process id. stage: where it dies."""
    child = os.fork()
    if child:
        return child
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        if stage is not None:
            how, module, name = STAGES[stage]
            how(module, name)
        room, _ = opened(settings)
        sweep(room.folders)
        drop_orphans(room)
        services = [room.registrar, Node(room), Workers(room)]
        for service in services:
            service.start()
        for study in settings_fetches:
            room.fetches.put(study)
        while True:
            time.sleep(60)
    finally:
        os._exit(3)


settings_fetches: list[str] = []


def died(child, *, within_s=90.0) -> bool:
    """Whether a server was ended by SIGKILL of its own within the time; it is dead in any case."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        time.sleep(0.02)
    kill(child)
    return False


def kill(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def loopback_up():
    """`ip link set lo up`, where there is no iproute2. Source: netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING


def start_orthanc(folder):
    config = {
        "Name": "test", "StorageDirectory": str(folder / "store"), "IndexDirectory": str(folder / "store"),
        "HttpPort": HTTP, "DicomPort": DICOM, "DicomAet": "ARCHIVE", "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "DicomModalities": {"node": ["ALNUS", "127.0.0.1", NODE]},
        "DicomScuTimeout": 20, "Plugins": [f"{PLUGINS}/libOrthancDicomWeb.so"], "SynchronousCMove": True,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "store").mkdir()
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            asked("/system")
            return process
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError("Orthanc does not start")


def asked(path, data=None):
    with urllib.request.urlopen(urllib.request.Request(ORTHANC + path, data), timeout=120) as answer:
        return answer.read()


def stored(dataset, path) -> str:
    """Put an instance into Orthanc; Orthanc's id of it."""
    dcmwrite(path, dataset, enforce_file_format=True)
    return json.loads(asked("/instances", path.read_bytes()))["ID"]


def sent(instance) -> bool:
    """Let Orthanc send an instance to the node."""
    try:
        asked("/modalities/node/store", instance.encode())
    except urllib.error.HTTPError:
        return False
    return True


def listens(port, *, within_s=60.0):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def told(database, question):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(question).fetchall()
    except sqlite3.OperationalError:  # not there yet
        return []


def finished(database, instances=1, *, within_s=120.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if told(database, "select count(*) from node_instance where state = 'done'") == [(instances,)]:
            return True
        time.sleep(0.05)
    return False


def seen(instance, folder):
    """What Orthanc has of a study, with what dciodvfy says of what came back."""
    study = json.loads(asked(f"/instances/{instance}/study"))["ID"]
    found = []
    for one in json.loads(asked(f"/studies/{study}/instances")):
        path = folder / f"{one['ID']}.dcm"
        path.write_bytes(asked(f"/instances/{one['ID']}/file"))
        header = dcmread(path, stop_before_pixels=True)
        checked = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        lines = (checked.stdout + checked.stderr).splitlines()
        found.append(
            {
                "class": header.SOPClassUID.name,
                "patient": str(header.PatientName),
                "series": header.SeriesInstanceUID,
                "description": header.get("SeriesDescription", ""),
                "syntax": header.file_meta.TransferSyntaxUID.name,
                "errors": [line for line in lines if "Error" in line] if one["ID"] != instance else [],
                "was_read": any("SR" in line or "SCImage" in line for line in lines),
                "is_source": one["ID"] == instance,
            }
        )
    return found


def chain(model, folder, log):
    """One cine all the way, the server killed at every stage."""
    settings = node_settings(model, folder / "room", f"ARCHIVE@127.0.0.1:{DICOM}", port=NODE, callers=("ARCHIVE",))
    database = folder / "room" / "room.sqlite"
    source = examples.ybr_color
    source.PatientName, source.PatientID = NAME, NUMBER
    instance = stored(source, folder / "source.dcm")
    before_sha = asked(f"/instances/{instance}/attachments/dicom/md5")
    found = {"killed": {}, "answered": {}}
    for stage in STAGES:
        child = serve(settings, log, stage)
        if stage in RECEIVING:  # whoever gets no success sends again
            listens(NODE)
            found["answered"][stage] = sent(instance)
        found["killed"][stage] = died(child)
    child = serve(settings, log)
    found["finished"] = finished(database)
    listens(NODE)
    found["answered"]["again"] = sent(instance)
    time.sleep(0.5)
    kill(child)
    found["archive"] = seen(instance, folder)
    found["source_unchanged"] = asked(f"/instances/{instance}/attachments/dicom/md5") == before_sha
    for table in ("video", "result", "node_instance", "outbound"):
        found[table] = told(database, f"select count(*) from {table}")[0][0]
    found["left"] = [
        str(path)
        for name in ("node", "received", "incoming")
        for path in (folder / "room" / name).rglob("*")
        if path.is_file()
    ]
    found["attempts"] = told(database, "select kind, state, attempts from outbound order by kind")
    return found


def by_web(model, folder, log):
    """A phantom's study found by QIDO-RS, fetched by WADO-RS, answered by STOW-RS; then asked for by its UID again."""
    web = f"{ORTHANC}/dicom-web"
    settings = node_settings(model, folder / "web", web, port=None, web=web, poll_s=0.5)
    source = us_cine(ManufacturerModelName="Alnus phantom", StudyDate=time.strftime("%Y%m%d"))
    instance = stored(source, folder / "phantom.dcm")
    child = serve(settings, log)
    done = finished(folder / "web" / "room.sqlite")
    kill(child)
    settings_fetches[:] = [source.StudyInstanceUID]
    child = serve(settings, log)
    until = time.monotonic() + 60
    while len(told(folder / "web" / "room.sqlite", FETCHES)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    kill(child)
    rows = told(folder / "web" / "room.sqlite", "select count(*) from node_instance")[0][0]
    asked_twice = told(folder / "web" / "room.sqlite", FETCHES)
    return {
        "finished": done,
        "archive": seen(instance, folder),
        "node_instance": rows,
        "fetches": [json.loads(detail) for (detail,) in asked_twice],
    }


def main(folder):
    loopback_up()
    model = write_run(folder / "run")
    log = os.open(folder / "servers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    orthanc = start_orthanc(folder)
    try:
        started_s = time.monotonic()
        found = {"chain": chain(model, folder, log)}
        found["chain_s"] = time.monotonic() - started_s
        found["web"] = by_web(model, folder, log)
        found["web_s"] = time.monotonic() - started_s - found["chain_s"]
    finally:
        orthanc.terminate()
        orthanc.wait(30)
    found["log"] = (folder / "servers.log").read_text(errors="replace")
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
