"""What a command shows while it works: lines and bars on standard error, so that standard output stays clean."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

Progress = Callable[[int, int], None]  # (done, total)


class Reporter(Protocol):
    """Tells the user how far a long piece of work has come."""

    def say(self, line: str) -> None:
        """Show one line."""

    def progress(self, description: str) -> contextlib.AbstractContextManager[Progress]:
        """Show a bar for as long as the context lasts; the yielded function moves it."""


class Quiet:
    """A reporter that shows nothing: for programs and tests."""

    def say(self, line: str) -> None:
        """Show nothing."""

    @contextlib.contextmanager
    def progress(self, description: str) -> Iterator[Progress]:
        """Yield a function that does nothing."""
        yield lambda done, total: None


class Terminal:
    """A reporter for people: rich's bars on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Show one line on standard error."""
        self._console.print(line, markup=False)

    @contextlib.contextmanager
    def progress(self, description: str) -> Iterator[Progress]:
        """Show a bar on a terminal; elsewhere one line at the end."""
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
        )
        with progress.Progress(*columns, console=self._console) as bar:
            task = bar.add_task(description, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
