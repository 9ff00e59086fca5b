"""What a run answers of the checklists' items on data: whose they are, where from, how prepared, divided, compared."""

from __future__ import annotations

from alnus.report.flow import partitions
from alnus.report.preparation import assignment_words, centers_of, has_fusion
from alnus.report.recordings import recordings_table
from alnus.report.run_files import RunFiles
from alnus.report.wording import count, set_title, spoken


def eligibility(files: RunFiles) -> str | None:
    """Return what left a video out."""
    codes = (files.config.get("quality") or {}).get("exclude")
    named = ", ".join(str(code).replace("_", " ") for code in codes) if codes else ""
    left_out = None if files.excluded is None else len(files.excluded)
    if left_out is None:
        return None
    rule = f" A video is left out where it is: {named}." if named else ""
    return f"At the level of data: {count(left_out, 'video')} left out, each with its reason.{rule}"


def centers(files: RunFiles) -> str | None:
    """Return the centres' names."""
    if files.splits is None or "center" not in files.splits.columns:
        return None
    named = sorted(set(files.splits["center"]) - {""})
    return f"{count(len(named), 'centre')}: {', '.join(named[:12])}." if named else None


def data_source(files: RunFiles) -> str | None:
    """Return the name of the cohort table."""
    if files.phantom:
        return "Simulated by Alnus’ phantom: no patients."
    return f"The cohort table {str(files.config['cohort']).rsplit('/', 1)[-1]}." if files.config.get("cohort") else None


def annotation(files: RunFiles) -> str | None:
    """Return how many keyframes were chosen by somebody."""
    videos = files.videos
    if videos is None or "keyframe" not in videos.columns or not set(videos["keyframe"]) & {"chosen", "middle"}:
        return None
    chosen = int((videos["keyframe"] == "chosen").sum())
    return f"Keyframe or still given for {chosen} of {len(videos)} videos; for the others the middle frame."


def recordings(files: RunFiles) -> str | None:
    """Return what the report tells of the recordings."""
    if files.videos is None or files.videos.empty:
        return None
    by_partition = " and by partition" if recordings_table(files, by="partition") else ""
    return f"Container, frames, duration, frame rate, size and spacing of the videos by centre{by_partition}."


def preprocessing(files: RunFiles) -> str | None:
    """Return the way of a video into a network."""
    if not files.models:
        return None
    return (
        "Videos decoded once to grey, cut to the scanned region, static text blackened, checked for quality alike for "
        "everybody; clips sampled, scaled and normalised as the methods and each model card say."
    )


def handling(files: RunFiles) -> str | None:
    """Return how predictors entered the models."""
    if not files.models:
        return None
    text = "Grey values scaled and normalised; clips sampled as each model card says."
    clinical = " In the fusion clinical numbers are standardised and levels columns of 0 and 1."
    return f"{text}{clinical}" if has_fusion(files) else text


def missing(files: RunFiles) -> str | None:
    """Return what was done where something is missing."""
    if not files.cohort:
        return None
    return (
        "Who lacks a usable video is left out and counted in the flow. A missing clinical value leaves its patient out "
        "of that variable’s subgroups only; in a fusion the median or no level stands for it. Counted by variable."
    )


def numbers(files: RunFiles) -> str | None:
    """Return each partition's patients by label."""
    leaves = partitions(files.splits)
    return "; ".join(f"{leaf.label}: {leaf.text}" for leaf in leaves) + "." if leaves else None


def development(files: RunFiles) -> str | None:
    """Return what each partition served for, and its size."""
    sizes = numbers(files)
    if sizes is None:
        return None
    if "folds" in files.sets():
        return f"Each fold was tested by networks trained on the others, which chose epoch and cut-off too. {sizes}"
    return f"Trained on the training set, epoch and cut-off chosen on validation, tested on the others. {sizes}"


def assignment(files: RunFiles) -> str | None:
    """Return how patients were assigned to partitions, and the sizes."""
    return " ".join(part for part in (assignment_words(files), numbers(files)) if part) or None


def disjoint(files: RunFiles) -> str | None:
    """Return the level at which partitions are disjoint."""
    return "Of patients: no patient stands in two partitions." if files.splits is not None else None


def characteristics(files: RunFiles) -> str | None:
    """Return where patients and recordings are described."""
    if not files.cohort.get("table1"):
        return None
    text = "Table of the cohort by partition, and by centre where there are several"
    return f"{text}; the recordings by partition." if recordings_table(files, by="partition") else f"{text}."


def external_differences(files: RunFiles) -> str | None:
    """Return where testing set B stands beside the others."""
    if "test_b" not in files.sets() or not files.cohort.get("table1"):
        return None
    what = "in patients and in recordings" if recordings_table(files, by="partition") else "in patients"
    return f"Testing set B beside the other partitions, {what}."


def internal(files: RunFiles) -> str | None:
    """Return the set of the same sources as training."""
    name = next((name for name in ("test_a", "folds") if name in files.sets()), None)
    return f"{set_title(name)}: {files.sets()[name]['patients']} patients." if name else None


def external(files: RunFiles) -> str | None:
    """Return the external set, and whether its centres also trained."""
    if "test_b" not in files.sets():
        return None
    text = f"Testing set B: {files.sets()['test_b']['patients']} patients"
    here = centers_of(files, "test_b")
    if not here:
        return f"{text}; their centres are not recorded."
    shared = sorted(set(here) & set(centers_of(files, "train", "val")))
    if shared:
        return f"{text}; not external by place, as {spoken(shared)} also trained or validated."
    return f"{text} of {spoken(here)}, which neither trained nor validated."


def identity(files: RunFiles) -> str:
    """Return what ingestion leaves of a person's identity."""
    return "Alnus keeps pixels and the study’s own ids, no header; text outside the scanned region is cut off."
