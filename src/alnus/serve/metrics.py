"""What Prometheus may ask: how many videos came, how far they are, how long each step took. No ids, no names."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func
from sqlmodel import col, select

from alnus.serve.database import Database
from alnus.serve.database.tables import Job, State

STEP_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300)


class Metrics:
    """A room's own registry: two rooms in one process do not share theirs."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter("alnus_videos_received", "Files taken", ["origin", "new"], registry=self.registry)
        self.step_s = Histogram(
            "alnus_step_seconds", "Time of a job's step", ["step"], buckets=STEP_S, registry=self.registry
        )
        self.step_failures = Counter(
            "alnus_step_failures", "Steps that failed", ["step", "kind"], registry=self.registry
        )
        self.answers = Counter("alnus_http_answers", "HTTP answers", ["method", "status"], registry=self.registry)
        self.registry.register(_Jobs(database))


class _Jobs(Collector):
    """Counts jobs by their state, when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the number of jobs in each state."""
        family = GaugeMetricFamily("alnus_jobs", "Videos by the state of their job", labels=["state"])
        with self._database.reading() as session:
            found = dict(session.exec(select(Job.state, func.count()).group_by(col(Job.state))).all())
        for state in State:
            family.add_metric([state.value], found.get(state.value, 0))
        yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Say what there is without asking the database."""
        return [GaugeMetricFamily("alnus_jobs", "Videos by the state of their job", labels=["state"])]
