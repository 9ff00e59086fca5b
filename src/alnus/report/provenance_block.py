"""Where the numbers come from: versions, commit, machine, seed, inputs, times, configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.provenance import text_sha256
from alnus.report.document import Block, Bullets, Facts, Listing, Text
from alnus.report.run_files import RunFiles
from alnus.report.wording import count, seconds


def provenance(files: RunFiles) -> tuple[Block, ...]:
    """Return the run's record, with what is missing of it."""
    blocks: list[Block] = [Facts(tuple(_facts(files)))]
    if files.missing:
        blocks += [Text("", heading="Not in the run directory, so not in this report:"), Bullets(files.missing)]
    blocks += _listings(files)
    return tuple(blocks)


def _facts(files: RunFiles) -> list[tuple[str, str]]:
    run, versions = files.run, files.run.get("versions") or {}
    alnus = run.get("alnus") if isinstance(run.get("alnus"), Mapping) else {}
    known = {
        "Alnus": versions.get("alnus") or (alnus or {}).get("version"),
        "Commit": run.get("commit") or (alnus or {}).get("commit"),
        "Command": run.get("command"),
        "Seed": run.get("seed", files.config.get("seed")),
        "Started": run.get("started"),
        "Finished": run.get("finished"),
        "Machine": _machine(run.get("machine")),
        "Device": _plain(run.get("device")),
        "Inputs": _inputs(run.get("inputs")),
        "Time by stage": _stages(run.get("stages")),
        "Packages": ", ".join(f"{name} {version}" for name, version in versions.items() if name != "alnus"),
    }
    return [(name, str(value) if value not in (None, "") else "not recorded") for name, value in known.items()]


def _machine(machine: Any) -> str:
    if not isinstance(machine, Mapping):
        return _plain(machine)
    cores = machine.get("cores")
    named = [str(value) for key, value in machine.items() if key != "cores" and value]
    return ", ".join([*named, *([count(int(cores), "core")] if cores else [])])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)


def _inputs(inputs: Any) -> str:
    """Return the number of input files and one hash over all of theirs, sorted by name."""
    if not isinstance(inputs, Mapping) or not inputs:
        return ""
    return f"{count(len(inputs), 'file')}; SHA-256 over the list of their SHA-256: {text_sha256(_hash_lines(inputs))}"


def _hash_lines(inputs: Mapping[str, Any]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(inputs.items()))


def _stages(stages: Any) -> str:
    if not isinstance(stages, Mapping):
        return ""
    timed = {
        name: stage["seconds"] for name, stage in stages.items() if isinstance(stage, Mapping) and "seconds" in stage
    }
    return ", ".join(f"{name} {seconds(float(time))}" for name, time in timed.items())


def _listings(files: RunFiles) -> list[Block]:
    listings: list[Block] = []
    if files.config_text:
        listings.append(Listing("Configuration (config.yaml, resolved)", files.config_text.rstrip()))
    inputs = files.run.get("inputs")
    if isinstance(inputs, Mapping) and inputs:
        text = _hash_lines(inputs).rstrip()
        listings.append(Listing(f"Input files and their SHA-256 ({len(inputs)})", text, in_pdf=False))
    return listings
