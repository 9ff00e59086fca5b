"""Writes the command reference from the command line itself, so that the two cannot differ."""

from __future__ import annotations

from typing import Any

import typer.cli
import typer.main
from mkdocs.structure.files import File, Files

from alnus.cli import app


def command_reference() -> str:
    """Return every command, argument and option as Markdown."""
    command = typer.main.get_command(app)
    text: str = typer.cli.get_docs_for_click(obj=command, ctx=typer.Context(command), name="alnus", title="Commands")
    return text


def on_files(files: Files, config: Any) -> Files:
    """Add reference/commands.md to the pages (a hook of mkdocs)."""
    files.append(File.generated(config, "reference/commands.md", content=command_reference()))
    return files
