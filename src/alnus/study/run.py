"""The run directory: what each stage was made from, so that an interrupted or repeated run does only what is left."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alnus.errors import ConfigError
from alnus.provenance import commit, machine, now, text_sha256, versions, write_json


@dataclass
class Run:
    """A run directory and its record, run.json."""

    directory: Path
    record: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, directory: Path, *, seed: int, command: str) -> Run:
        """Make the directory, or take up the one that is there. Raises ConfigError where it holds something else."""
        directory.mkdir(parents=True, exist_ok=True)
        known = directory / "run.json"
        if not known.exists() and any(directory.iterdir()):
            raise ConfigError(f"{directory}: is not empty and holds no earlier run; name another output directory")
        earlier = _read_record(known)
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
        run = cls(directory, record)
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
        """Keep the wall time of a stage in the record."""
        begin = time.perf_counter()
        yield
        stage = self.record["stages"].setdefault(name, {})
        stage["seconds"] = round(time.perf_counter() - begin, 2)
        self.save()

    def once(self, name: str, inputs: Mapping[str, Any], outputs: Sequence[Path], work: Callable[[], None]) -> bool:
        """Do a stage unless it was done from the same inputs and its outputs are there; True where it was done now.

        inputs: whatever determines the outputs, JSON-able: settings, and the hashes of files.
        """
        made_from = text_sha256(json.dumps(inputs, sort_keys=True, default=str))
        stage = self.record["stages"].get(name, {})
        if stage.get("made_from") == made_from and all(path.exists() for path in outputs):
            return False
        with self.timed(name):
            work()
        self.record["stages"][name]["made_from"] = made_from
        self.save()
        return True

    def finish(self) -> None:
        """Note the end."""
        self.record["finished"] = now()
        self.save()


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise ConfigError(f"{path}: is damaged; remove it to run the study anew in this directory") from None
    return record if isinstance(record, dict) else {}
