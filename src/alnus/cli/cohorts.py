"""phantom, cohort, ingest, check: who and what, before any network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alnus.cli.app import Json, Workers, print_json
from alnus.cli.options import quality_of
from alnus.errors import CohortError, ConfigError, MediaError, UsageError

if TYPE_CHECKING:
    from alnus.media.report import IngestReport

tables = typer.Typer(no_args_is_help=True, help="Make a cohort table from a known data set or a folder of files.")


def phantom(
    out: Annotated[Path, typer.Argument(help="Directory to write the cohort to.")],
    patients: Annotated[str, typer.Option(help="Patients in centres A, B and C.")] = "136,135,49",
    video_format: Annotated[str, typer.Option("--format", help="dicom, avi or mp4.")] = "dicom",
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 0,
    workers: Workers = 0,
) -> None:
    """Simulate the paper's cohort: ultrasound cines with a known truth, as scanners would write them.

    Example: alnus phantom phantom --patients 40,40,20 --format avi
    """
    from alnus.console import Terminal
    from alnus.phantom import PhantomConfig, write_phantom

    try:
        a, b, c = (int(part) for part in patients.split(","))
    except ValueError:
        raise ConfigError(f"--patients {patients}: write three numbers separated by commas, like 136,135,49") from None
    config = PhantomConfig(patients=(a, b, c), format=video_format, seed=seed)
    reporter = Terminal()
    with reporter.progress("Simulating patients") as progress:
        table = write_phantom(out, config, workers=workers, progress=progress)
    typer.echo(f"Cohort table: {table}\nTruth: {table.parent / 'truth.csv'}")


@tables.command("aln-ultra")
def cohort_aln_ultra(
    root: Annotated[Path, typer.Argument(help="Where the data set was unpacked; its files are found at any depth.")],
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("cohort.csv"),
    index: Annotated[Path | None, typer.Option(help="The data set's index, where it does not lie under ROOT.")] = None,
) -> None:
    """Turn the public ALN-Ultra data set into a cohort table, with its stills, its expert and its five folds.

    Example: alnus cohort aln-ultra ~/ALN-Ultra --out aln_ultra.csv
    """
    from alnus.cohort import from_aln_ultra

    for line in from_aln_ultra(root, out, index=index).lines():
        typer.echo(line)


@tables.command("folder")
def cohort_folder(
    root: Annotated[Path, typer.Argument(help="Folder of DICOM or video files.")],
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("cohort.csv"),
) -> None:
    """Draft a cohort table from a folder of DICOM or video files; labels and centres are left to fill in.

    Example: alnus cohort folder ~/export --out cohort.csv
    """
    from alnus.cohort import from_folder

    for line in from_folder(root, out).lines():
        typer.echo(line)


def ingest(
    source: Annotated[Path, typer.Argument(metavar="COHORT", help="Cohort table.")],
    out: Annotated[Path, typer.Option(help="The cine store's directory.")],
    workers: Workers = 0,
    dicom_out: Annotated[
        Path | None, typer.Option(help="Write each video as de-identified DICOM into this directory, too.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="File of the key that maps ids and dates; default ~/.config/alnus/identity.key, made once."),
    ] = None,
    engine: Annotated[str, typer.Option(help="process: this machine's cores; ray: a Ray cluster's.")] = "process",
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="Leave out what the quality gate excludes, or only warn of it.")
    ] = True,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a threshold of the gate, e.g. --set min_frames=16 (repeatable)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Decode a cohort's videos once into a cine store; what is left out or doubtful is listed with its reason.

    Writes index.csv (what is there), excluded.csv (what is not, and why) and quality.csv (every finding). Ends with
    status 5 where no video can be used.

    Example: alnus ingest cohort.csv --out store

    Example: alnus ingest cohort.csv --out store --dicom-out deidentified
    """
    from alnus.cohort import load_cohort
    from alnus.console import Terminal
    from alnus.media import ingest as ingest_videos
    from alnus.media.identity import load_or_make_key
    from alnus.media.store import EXCLUDED
    from alnus.study.partition import ingest_items

    if engine not in ("process", "ray"):
        raise UsageError(f"--engine {engine}: write process or ray")
    if key is not None and dicom_out is None:
        raise UsageError(f"--key {key}: is used with --dicom-out only")
    items = ingest_items(load_cohort(source, need_labels=False))
    secret = None if dicom_out is None else load_or_make_key(key, outside=(out, dicom_out))
    with Terminal().progress("Ingesting videos") as progress:
        report = ingest_videos(
            items,
            out,
            dicom_out=dicom_out,
            key=secret,
            workers=workers,
            progress=progress,
            quality=quality_of(settings),
            gate=gate,
            engine="ray" if engine == "ray" else "process",
        )
    if as_json:
        print_json(
            {
                "store": str(out),
                "videos": report.videos,
                "kept": report.kept,
                "excluded": [asdict(item) for item in report.excluded],
                "findings": [asdict(found) for found in report.findings],
            }
        )
    for line in [] if as_json else _told(report, out):
        typer.echo(line)
    if not report.kept:
        raise MediaError(f"{source}: none of its {report.videos} videos can be used; {out / EXCLUDED} says why of each")


def _told(report: IngestReport, out: Path) -> list[str]:
    """Return what a user is told of an ingestion, line by line."""
    return [
        *(f"excluded: {item.video}: {item.reason}" for item in report.excluded),
        *report.lines(),
        f"{report.kept} of {report.videos} videos are in {out}; {len(report.excluded)} excluded",
    ]


def check(
    paths: Annotated[
        list[Path], typer.Argument(metavar="COHORT", help="Cohort table; with --identity any files and folders.")
    ],
    folds: Annotated[int, typer.Option(help="Check that K folds are possible instead of fixed partitions.")] = 0,
    store: Annotated[
        Path | None, typer.Option(help="The cohort's cine store; without it the videos are decoded for the audit.")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="A run's splits.csv; without it those that a study would make.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the partitions and of the audit's draws.")] = 0,
    audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Look for leaks and shortcuts, or only count and split.")
    ] = True,
    identity: Annotated[
        bool, typer.Option("--identity", help="Look for what may identify a patient: headers, names, burned-in text.")
    ] = False,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="With --identity: sources whose headers' values are looked for (repeatable)."),
    ] = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Check a cohort before a study: table, files, partitions, copies, leaks, confounding, shortcuts. Writes nothing.

    Ends with status 4 where the audit finds an error, and with 5 where --identity finds something.

    Example: alnus check cohort.csv

    Example: alnus check --identity store deidentified
    """
    from alnus.console import Terminal
    from alnus.study.check import check_cohort, check_identity

    if identity:
        finds = check_identity(paths, against=against or [], reporter=Terminal())
        if as_json:
            print_json({"finds": [asdict(find) for find in finds]})
        for line in [] if as_json else [*(find.line() for find in finds), f"{len(finds)} finds"]:
            typer.echo(line)
        raise typer.Exit(MediaError.exit_status if finds else 0)
    if len(paths) != 1:
        raise UsageError("name one cohort table, or use --identity to look through files and folders")
    found = check_cohort(
        paths[0],
        folds=folds,
        audit=audit,
        store=store,
        splits=splits,
        seed=seed,
        workers=workers,
        reporter=Terminal(),
    )
    if as_json:
        print_json(found.as_json())
    for line in [] if as_json else found.lines():
        typer.echo(line)
    raise typer.Exit(CohortError.exit_status if found.has_errors else 0)
