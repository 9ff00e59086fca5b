"""What Prometheus may ask: how many videos came, how far they are, how long each step took, what waits to go back.

No ids, no names.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func
from sqlmodel import col, select

from alnus.serve.database import Database
from alnus.serve.database.tables import WAITING, Job, State
from alnus.serve.node.tables import Outbound, Sending

STEP_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300)


class Metrics:
    """A room's own registry: two rooms in one process do not share theirs."""

    def __init__(self, database: Database, *, data: Path) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter("alnus_videos_received", "Files taken", ["origin", "new"], registry=self.registry)
        self.step_s = Histogram(
            "alnus_step_seconds", "Time of a job's step", ["step"], buckets=STEP_S, registry=self.registry
        )
        self.step_failures = Counter(
            "alnus_step_failures", "Steps that failed", ["step", "kind"], registry=self.registry
        )
        self.answers = Counter("alnus_http_answers", "HTTP answers", ["method", "status"], registry=self.registry)
        self.registry.register(_Present(database, data))


class _Present(Collector):
    """Looks, when asked, how things are now."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database, self._data = database, data

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the jobs and the objects that go back by their state, the longest wait, the disk's free bytes."""
        jobs, objects, oldest, free = self.describe()
        waiting = select(func.min(Job.created_s)).where(col(Job.state).in_(WAITING))
        with self._database.reading() as session:
            by_job = dict(session.exec(select(Job.state, func.count()).group_by(col(Job.state))).all())
            by_object = dict(session.exec(select(Outbound.state, func.count()).group_by(col(Outbound.state))).all())
            since_s = session.exec(waiting).one()
        for state in State:
            jobs.add_metric([state.value], by_job.get(state.value, 0))
        for sending in Sending:
            objects.add_metric([sending.value], by_object.get(sending.value, 0))
        oldest.add_metric([], 0 if since_s is None else max(0.0, time.time() - since_s))
        free.add_metric([], shutil.disk_usage(self._data).free)
        yield from (jobs, objects, oldest, free)

    def describe(self) -> list[GaugeMetricFamily]:
        """Say what there is without asking the database."""
        return [
            GaugeMetricFamily("alnus_jobs", "Videos by the state of their job", labels=["state"]),
            GaugeMetricFamily("alnus_objects", "DICOM objects that go back, by their state", labels=["state"]),
            GaugeMetricFamily("alnus_longest_wait_seconds", "Since when the oldest unfinished video waits", labels=[]),
            GaugeMetricFamily("alnus_disk_free_bytes", "Free on the disk of the room's data", labels=[]),
        ]
