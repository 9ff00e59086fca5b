"""The run directory: what each stage was made from, so that an interrupted or repeated run does only what is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from alnus.errors import ConfigError
from alnus.provenance import commit, file_sha256, machine, now, text_sha256, versions, write_json

LAUNCHED = ("RANK", "NODE_RANK", "SLURM_PROCID")  # several processes of one training share the directory


@dataclass
class Run:
    """A run directory and its record, run.json."""

    directory: Path
    record: dict[str, Any] = field(default_factory=dict)
    lock: IO[str] | None = None

    @classmethod
    def open(cls, directory: Path, *, seed: int, command: str) -> Run:
        """Make the directory, or take up the one that is there.

        Raises ConfigError where it holds something else, cannot be written, or another study is at work in it.
        """
        known = directory / "run.json"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not known.exists() and any(path.name != ".lock" for path in directory.iterdir()):
                raise ConfigError(f"{directory}: is not empty and holds no earlier run; name another output directory")
            earlier = _read_record(known)
            lock = _locked(directory)
        except OSError as error:
            raise ConfigError(f"{directory}: cannot be the output directory ({error.strerror}); name another") from None
        record = {
            "command": command,
            "versions": versions(),
            "commit": commit(),
            "machine": machine(),
            "seed": seed,
            "started": now(),
            "finished": None,
            "stages": earlier.get("stages", {}),
        }
        run = cls(directory, record, lock)
        run.save()
        return run

    def save(self) -> None:
        """Write run.json."""
        write_json(self.directory / "run.json", self.record)

    def path(self, *parts: str) -> Path:
        """Return a path inside the run."""
        return self.directory.joinpath(*parts)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the wall time to what the stage took in earlier sessions."""
        begin = time.perf_counter()
        yield
        stage = self.record["stages"].setdefault(name, {})
        stage["seconds"] = round(stage.get("seconds", 0.0) + time.perf_counter() - begin, 2)
        stage["sessions"] = stage.get("sessions", 0) + 1
        self.save()

    def once(self, name: str, inputs: Mapping[str, Any], work: Callable[[], Sequence[Path]]) -> bool:
        """Do a stage unless it was done from the same inputs and its files are as it left them; True where done now.

        inputs: whatever determines the outputs, JSON-able: settings, and the hashes of files. work: returns its files.
        """
        made_from = text_sha256(json.dumps(inputs, sort_keys=True, default=str))
        stage = self.record["stages"].get(name, {})
        if stage.get("made_from") == made_from and self._intact(stage.get("outputs")):
            return False
        self.record["stages"].pop(name, None)
        with self.timed(name):
            outputs = work()
        hashes = {str(path.relative_to(self.directory)): file_sha256(path) for path in outputs}
        self.record["stages"][name] |= {"made_from": made_from, "outputs": hashes}
        self.save()
        return True

    def _intact(self, outputs: object) -> bool:
        """Tell whether every file of a finished stage is there, unchanged."""
        if not isinstance(outputs, dict) or not outputs:
            return False
        paths = {self.directory / name: sha256 for name, sha256 in outputs.items()}
        return all(path.is_file() and file_sha256(path) == sha256 for path, sha256 in paths.items())

    def finish(self) -> None:
        """Note the end."""
        self.record["finished"] = now()
        self.save()

    def close(self) -> None:
        """Let another study into the directory."""
        if self.lock is not None:
            self.lock.close()


def _locked(directory: Path) -> IO[str] | None:
    """Return the open lock file of a run. Raises ConfigError where another process holds it."""
    if any(name in os.environ for name in LAUNCHED):
        return None
    lock = (directory / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ConfigError(f"{directory}: another study is at work in it; wait for it, or name another") from None
    return lock


def _read_record(path: Path) -> dict[str, Any]:
    damaged = ConfigError(f"{path}: is damaged; remove it to run the study anew in this directory")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise damaged from None
    stages = record.get("stages", {}) if isinstance(record, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise damaged
    return {"stages": stages}
