"""The command line: one thin function a command; torch, Lightning and pandas are imported inside them only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alnus import __version__
from alnus.errors import AlnusError, ConfigError, UsageError

if TYPE_CHECKING:
    from alnus.config import StudyConfig

app = typer.Typer(
    name="alnus",
    help="Axillary lymph node metastasis from breast ultrasound videos: train, compare, explain, report. "
    "Research use only: its accuracy on lymph nodes has not been measured.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)
cohort_app = typer.Typer(no_args_is_help=True, help="Make a cohort table from a known data set or a folder of files.")
app.add_typer(cohort_app, name="cohort")

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]
Preset = Annotated[str | None, typer.Option(help="small (two CPU cores) or paper (the full-size networks; default).")]
Models = Annotated[str | None, typer.Option(help="Networks, separated by commas: tin,r2plus1d,resnet3d,image.")]
Folds = Annotated[int | None, typer.Option(help="K-fold cross-validation by patient instead of fixed partitions.")]
Seed = Annotated[int | None, typer.Option(help="Seed of splits, weights and training (default 0).")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting, e.g. --set training.epochs=5 (repeatable).")
]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]


def main() -> None:
    """Run the command line; an error that the user can mend becomes one line and its own exit status."""
    try:
        app()
    except AlnusError as error:
        _fail(str(error), error.exit_status)
    except OSError as error:  # what cannot be written; what cannot be read is an AlnusError where it is read
        name = error.filename2 or error.filename or "a file"
        _fail(f"{name}: {error.strerror or error}", UsageError.exit_status)


def _fail(message: str, status: int) -> None:
    """Write the one line that says what is wrong, and exit."""
    typer.echo(f"alnus: error: {message}", err=True)
    sys.exit(status)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alnus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _config(
    source: Path,
    out: Path | None,
    *,
    preset: str | None = None,
    models: str | None = None,
    folds: int | None = None,
    seed: int | None = None,
    settings: list[str] | None = None,
) -> StudyConfig:
    """Return the configuration that a study's or training's arguments mean. Raises ConfigError, UsageError."""
    from alnus.config import merged, read_config, resolve

    changes: dict[str, Any] = {"preset": preset, "seed": seed, "out": None if out is None else str(out.resolve())}
    changes["models"] = None if models is None else [name.strip() for name in models.split(",")]
    changes = {key: value for key, value in changes.items() if value is not None}
    if folds is not None:
        changes["split"] = {"folds": folds}
    for setting in settings or []:
        changes = merged(changes, _parsed(setting))
    if source.suffix.lower() in (".yaml", ".yml"):
        return read_config(source, changes)
    if out is None:
        raise UsageError(f"{source} is a cohort table: say with --out where the run's directory shall be")
    return resolve({"cohort": str(source.resolve()), **changes}, origin="the command line")


def _parsed(setting: str) -> dict[str, Any]:
    """Return `a.b=value` as {"a": {"b": value}}; the value is read as YAML."""
    import yaml

    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {setting}: write KEY=VALUE, for instance training.epochs=5")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {setting}: the value cannot be read as YAML") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    result: dict[str, Any] = value
    return result


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Directory for the phantom cohort and the run.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the phantom, the splits and the training.")] = 0,
    as_json: Json = False,
) -> None:
    """Simulate a small phantom cohort and run the whole study on it: data, four networks, report.

    Example: alnus demo --out runs/demo
    """
    from alnus.console import Terminal
    from alnus.study.demo import margin_lines, population_ceilings, run_demo

    result = run_demo(out, seed=seed, reporter=Terminal())
    _show_study(result, as_json)
    if not as_json:
        typer.echo(f"\n{margin_lines(result.results, population_ceilings(out))}")


@app.command()
def study(
    source: Annotated[Path, typer.Argument(metavar="COHORT|CONFIG", help="Cohort table (CSV, Parquet) or YAML.")],
    out: Annotated[Path | None, typer.Option(help="The run's directory; taken up again where it holds a run.")] = None,
    preset: Preset = None,
    models: Models = None,
    folds: Folds = None,
    seed: Seed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Run the whole study: split, ingest, train, predict, evaluate, explain, report.

    Example: alnus study cohort.csv --preset small --models tin,image --out runs/first

    Example: alnus study configs/paper.yaml
    """
    config = _config(source, out, preset=preset, models=models, folds=folds, seed=seed, settings=settings)
    from alnus.console import Terminal
    from alnus.study.protocol import run_study

    _show_study(run_study(config, reporter=Terminal(), command=_command()), as_json)


def _command() -> str:
    """Return the command as typed, without the path of the program."""
    return " ".join(["alnus", *sys.argv[1:]])


def _show_study(result: Any, as_json: bool) -> None:
    if as_json:
        _print_json(
            {"run": str(result.run), "html": str(result.html), "pdf": str(result.pdf), "results": result.results}
        )
        return
    from alnus.evaluation import format_results

    typer.echo(format_results(result.results))
    typer.echo(f"\nReport: {result.html}\n        {result.pdf}")


@app.command()
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


@cohort_app.command("aln-ultra")
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


@cohort_app.command("folder")
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


@app.command()
def ingest(
    source: Annotated[Path, typer.Argument(metavar="COHORT", help="Cohort table.")],
    out: Annotated[Path, typer.Option(help="The cine store's directory.")],
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Decode a cohort's videos once into a cine store; what cannot be read is listed in excluded.csv.

    Example: alnus ingest cohort.csv --out store
    """
    from alnus.cohort import load_cohort
    from alnus.console import Terminal
    from alnus.media import ingest as ingest_videos
    from alnus.study.partition import ingest_items

    items = ingest_items(load_cohort(source, need_labels=False))
    with Terminal().progress("Ingesting videos") as progress:
        report = ingest_videos(items, out, workers=workers, progress=progress)
    excluded = [{"video": item.video, "reason": item.reason} for item in report.excluded]
    if as_json:
        _print_json({"store": str(out), "videos": len(items), "excluded": excluded})
        return
    for item in excluded:
        typer.echo(f"excluded: {item['video']}: {item['reason']}")
    typer.echo(f"{len(items) - len(excluded)} of {len(items)} videos are in {out}; {len(excluded)} excluded")


@app.command()
def check(
    source: Annotated[Path, typer.Argument(metavar="COHORT", help="Cohort table.")],
    folds: Annotated[int, typer.Option(help="Check that K folds are possible instead of fixed partitions.")] = 0,
    as_json: Json = False,
) -> None:
    """Check a cohort table, its files and its partitions before a study; nothing is written.

    Example: alnus check cohort.csv
    """
    from alnus.study.check import check_cohort

    found = check_cohort(source, folds=folds)
    if as_json:
        _print_json(found)
        return
    for line in found["lines"]:
        typer.echo(line)


@app.command()
def train(
    source: Annotated[Path, typer.Argument(metavar="COHORT|CONFIG", help="Cohort table or YAML.")],
    out: Annotated[Path | None, typer.Option(help="The run's directory.")] = None,
    preset: Preset = None,
    models: Models = None,
    folds: Folds = None,
    seed: Seed = None,
    settings: Settings = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop each training after so many steps: a trial.")] = None,
) -> None:
    """Train networks only: split, ingest, train. The models lie under OUT/models.

    Example: alnus train cohort.csv --preset small --models tin --out runs/tin
    """
    steps = [] if max_steps is None else [f"training.max_steps={max_steps}"]
    config = _config(
        source, out, preset=preset, models=models, folds=folds, seed=seed, settings=[*(settings or []), *steps]
    )
    from alnus.console import Terminal
    from alnus.study.protocol import train_only

    typer.echo(f"Models: {train_only(config, reporter=Terminal(), command=_command()) / 'models'}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model's directory, or a run's for all of its models.")],
    videos: Annotated[list[Path], typer.Argument(help="Video files, or one cohort table (.csv, .parquet).")],
    out: Annotated[Path | None, typer.Option(help="Write the predictions table here instead of printing it.")] = None,
    as_json: Json = False,
) -> None:
    """Score videos with a trained network. What cannot be read is named; the rest goes on.

    Example: alnus predict runs/demo/run/models/tin clip.mp4
    """
    from alnus.console import Terminal
    from alnus.study.single import predict_files

    scores = predict_files(model, videos, reporter=Terminal())
    table, failed = scores.table, scores.failed
    for note in scores.notes if len(table) else []:
        typer.echo(note, err=True)
    if out is not None:
        from alnus.provenance import write_atomic

        write_atomic(out, table.to_csv(index=False, lineterminator="\n"))
        typer.echo(f"{len(table)} predictions: {out}")
    elif as_json:
        _print_json(
            {
                "predictions": json.loads(table.to_json(orient="records")),
                "excluded": failed,
                "notes": scores.notes,
                "trained_on_phantom": scores.trained_on_phantom,
            }
        )
    elif len(table):
        typer.echo(table[["video", "source", "score", "call"]].to_string(index=False))
    _fail_if_none_worked(len(table), failed)


@app.command()
def explain(
    model: Annotated[Path, typer.Argument(help="A model's directory, or a run's for all of its models.")],
    videos: Annotated[list[Path], typer.Argument(help="Video files.")],
    out: Annotated[Path, typer.Option(help="Directory for the pictures and videos.")] = Path("explanations"),
    keyframe: Annotated[int | None, typer.Option(help="The frame to show; default: the one weighed most.")] = None,
) -> None:
    """Draw Grad-CAM heatmaps of videos: a PNG of the keyframe and an MP4 of the whole cine.

    Example: alnus explain runs/demo/run/models/tin clip.mp4 --out explanations
    """
    from alnus.console import Terminal
    from alnus.study.single import explain_files

    made, failed = explain_files(model, videos, out, keyframe=keyframe, reporter=Terminal())
    for path in made:
        typer.echo(str(path))
    _fail_if_none_worked(len(made), failed)


def _fail_if_none_worked(done: int, failed: list[dict[str, str]]) -> None:
    """Name each file that failed; raise the last one's error where nothing could be done."""
    from alnus.errors import MediaError

    if failed and not done:
        raise MediaError("; ".join(item["reason"] for item in failed))
    for item in failed:
        typer.echo(f"excluded: {item['reason']}", err=True)


@app.command()
def evaluate(
    table: Annotated[Path, typer.Argument(help="Predictions table, or a cohort table with reader_<name> columns.")],
    confidence: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    as_json: Json = False,
) -> None:
    """Compute every statistic of a predictions table, or of the readers of a cohort table. No network is needed.

    Example: alnus evaluate runs/demo/run/predictions.csv
    """
    from alnus.evaluation import format_results
    from alnus.study.single import evaluate_table

    results = evaluate_table(table, confidence=confidence)
    if as_json:
        _print_json(results)
    else:
        typer.echo(format_results(results))


@app.command()
def compare(
    table: Annotated[Path, typer.Argument(help="Predictions table.")],
    a: Annotated[str, typer.Argument(help="A source in the table.")],
    b: Annotated[str, typer.Argument(help="Another source.")],
    as_json: Json = False,
) -> None:
    """Compare two sources of a predictions table: paired DeLong and McNemar tests on each set.

    Example: alnus compare runs/demo/run/predictions.csv tin image
    """
    from alnus.evaluation import compare_sources, format_comparisons, read_predictions

    comparisons = compare_sources(read_predictions(table), a, b)
    if as_json:
        _print_json(comparisons)
    else:
        typer.echo(format_comparisons(comparisons))


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run's directory.")]) -> None:
    """Write a run's report.html and report.pdf again from its files.

    Example: alnus report runs/demo/run
    """
    from alnus.report import write_report

    html, pdf = write_report(run)
    typer.echo(f"Report: {html}\n        {pdf}")


@app.command()
def models(as_json: Json = False) -> None:
    """List the networks: sizes, input, parameters, operations, and the weights that they can start from.

    Example: alnus models
    """
    from dataclasses import asdict

    from alnus.models import describe

    found = describe()
    if as_json:
        _print_json([asdict(network) for network in found])
        return
    for network in found:
        shape = "\u00d7".join(map(str, network.input_shape))
        cost = f"{network.parameters / 1e6:6.1f} M parameters {network.gflops:6.1f} GFLOP a clip"
        typer.echo(f"{network.name:10}{network.title:38}{shape:14}{cost}  starts from: {'; '.join(network.accepts)}")


if __name__ == "__main__":
    main()
