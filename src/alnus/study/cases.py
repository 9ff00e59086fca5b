"""Which test cases get heatmaps: the most confident right ones and the wrong ones of each network."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

KINDS = ("TP", "FN", "FP", "TN")


def kind_of(label: int, call: int) -> str:
    """Return TP, FP, TN or FN; metastasis is the positive class."""
    return ("T" if label == call else "F") + ("P" if call else "N")


def explained_cases(
    predictions: pd.DataFrame, *, cases: int, sets: tuple[str, ...], wrong: Literal["all"] | int = 0
) -> pd.DataFrame:
    """Return up to `cases` rows of each kind, network and test set, the most confident first; columns and `kind`.

    predictions: one row a video, calls filled. One video stands for a patient: the one that speaks most for the call.
    wrong: so many wrong calls of a network on a set are there in any case. Column `leads`: of the first `cases`.
    """
    chosen = predictions[predictions["split"].isin(sets) & predictions["call"].notna()].copy()
    chosen["kind"] = [kind_of(int(a), int(b)) for a, b in zip(chosen["label"], chosen["call"], strict=True)]
    chosen["confidence"] = chosen["score"].where(chosen["call"].astype(int) == 1, -chosen["score"])
    chosen = chosen.sort_values(["source", "split", "kind", "confidence", "patient_id"], ascending=[1, 1, 1, 0, 1])
    one_a_patient = chosen.drop_duplicates(["source", "split", "patient_id"])
    rank = one_a_patient.groupby(["source", "split", "kind"]).cumcount()
    is_wrong = one_a_patient["kind"].isin(["FN", "FP"])
    most = len(one_a_patient) if wrong == "all" else int(wrong)
    place = rank[is_wrong].groupby([one_a_patient["source"], one_a_patient["split"]]).rank(method="first")
    kept = (rank < cases) | (place.reindex(rank.index) <= most)
    return one_a_patient[kept].assign(leads=rank < cases).reset_index(drop=True)


def case_record(row: Any, *, png: str, mp4: str | None, keyframe: int | None) -> dict[str, Any]:
    """Return a case as explanations/index.json lists it."""
    return {
        "source": row.source,
        "set": row.split,
        "patient_id": row.patient_id,
        "video": row.video,
        "label": int(row.label),
        "call": int(row.call),
        "score": round(float(row.score), 6),
        "kind": row.kind,
        "keyframe": keyframe,
        "png": png,
        "mp4": mp4,
    }
