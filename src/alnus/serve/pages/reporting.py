"""A case's report: one page of PDF, set by typst; the words of a user or a file are data in it, never markup."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import typst
from fastapi import APIRouter, Request
from PIL import Image
from starlette.responses import Response

from alnus import __version__
from alnus.errors import MediaError
from alnus.report.pdf import fonts
from alnus.serve.audit import note
from alnus.serve.languages import TAGS, translations
from alnus.serve.pages.cases import found_case
from alnus.serve.pages.pictures import as_png
from alnus.serve.pages.rendering import TEMPLATES, language_of, moment, percent, person_of, room_of
from alnus.serve.reasons import told
from alnus.serve.room import Room
from alnus.serve.view import CaseView, Verdict, VideoView
from alnus.serve.work.drawing import DrawnCine
from alnus.serve.work.ingesting import NAME, cine_store

router = APIRouter(include_in_schema=False)
MOST_VERDICTS, MOST_VIDEOS = 3, 6  # that one page can hold
PICTURE_PX = 900


@router.get("/cases/{case_id}/report.pdf")
def report(request: Request, case_id: str, video: str = "") -> Response:
    """Return a case's report, with the keyframe of the video that is shown."""
    room = room_of(request)
    with room.database.reading() as session:
        view = found_case(session, room, case_id)
    with room.database.writing() as session:
        note(session, person_of(request).id, "case.report", case_id)
    shown = f'inline; filename="{case_id}.pdf"'
    data = report_bytes(room, view, language_of(request), video_id=video)
    return Response(data, media_type="application/pdf", headers={"content-disposition": shown})


def report_bytes(room: Room, view: CaseView, language: str, *, video_id: str = "") -> bytes:
    """Return the page as PDF."""
    chosen = next((one for one in view.videos if one.video.id == video_id), view.videos[0])
    _ = translations(language).gettext
    data = _content(room, view, chosen, language)
    with tempfile.TemporaryDirectory(prefix="alnus-report-") as folder:
        data["pictures"] = _write_pictures(room, chosen, Path(folder), [_("keyframe"), _("heat")])
        text = json.dumps(data, ensure_ascii=False)
        (Path(folder) / "case.json").write_text(text, encoding="utf-8")
        source = Path(folder) / "case.typ"
        source.write_bytes((TEMPLATES / "case.typ").read_bytes())
        made = typst.compile(source, root=Path(folder), font_paths=fonts(text), timestamp=int(view.case.created_s))
    return bytes(made)


def _content(room: Room, view: CaseView, chosen: VideoView, language: str) -> dict[str, Any]:
    """Return every text of the page."""
    _ = translations(language).gettext
    phantom = any(one.card.phantom for one in room.models) or chosen.video.is_phantom
    notices = [_("Research use only. Accuracy on lymph nodes not measured.")]
    notices += [_("A network here was trained on simulated patients (phantoms).")] if phantom else []
    hidden = _("pseudonym")
    facts = [
        [_("Case"), view.case.id],
        [_("Patient"), f"{view.case.patient_key} ({hidden})"],
        [_("Received"), moment(view.case.created_s).replace("T", " ").replace("Z", " UTC")],
        [_("Video"), _video_words(chosen, language)],
    ]
    return {
        "lang": TAGS[language],
        "title": _("Reading room report"),
        "banner": " ".join(notices),
        "facts": facts,
        "verdicts": [_verdict(verdict, _) for verdict in view.verdicts[:MOST_VERDICTS]],
        "none": "" if view.verdicts else _("There is no result."),
        "videos": [[one.video.id, _video_words(one, language)] for one in view.videos[:MOST_VIDEOS]],
        "videos_title": _("Videos of this case"),
        "warnings": _warnings(view, chosen, language),
        "note": _("Warm colours: what raised this network’s score. No heat is no proof that nothing is there."),
        "footer": f"Alnus {__version__}",
    }


def _warnings(view: CaseView, chosen: VideoView, language: str) -> list[str]:
    """Return what a reader of the page is to mind."""
    _ = translations(language).gettext
    open_words = _("Not final: videos of this case that are still to be scored:")
    found = [f"{open_words} {view.unscored}"] if view.unscored else []
    return found + [told(language, finding["text"]) for finding in chosen.video.findings][:4]


def _verdict(verdict: Verdict, _: Any) -> dict[str, Any]:
    """Return what stands of one network: a headline, and lines of label and value."""
    said = verdict.assessment
    answers = {"metastasis": _("metastasis"), "no metastasis": _("no metastasis")}
    interval = (
        _(said.reasons.get("interval", "–"))
        if said.risk_low is None
        else f"{percent(said.risk_low)} – {percent(said.risk_high)}"
    )
    threshold = _(said.reasons.get("threshold", "–"))
    if said.threshold is not None:
        risk = "" if said.threshold_risk is None else f"{percent(said.threshold_risk)}, "
        side = _("above") if said.call else _("below")
        threshold = f"{risk}{_('score')} {said.threshold:.3f}: {side}"
    answer = (
        _(said.reasons.get("answer", "–")) if said.answer is None else answers.get(said.answer, _("not sure: examine"))
    )
    return {
        "name": verdict.result.model_name,
        "risk": said.risk,
        "low": said.risk_low,
        "high": said.risk_high,
        "threshold": said.threshold_risk,
        "unsure": answer if said.answer and said.answer.startswith("not sure") else "",
        "headline": percent(said.risk) if said.risk is not None else _(said.reasons.get("risk", "–")),
        "lines": [
            [_("calibrated risk of metastasis"), percent(said.risk)],
            [_("95%% interval of the calibration") % (), interval],
            [_("Frozen threshold"), threshold],
            [_("Conformal answer"), answer],
            [_("Score, not calibrated"), f"{said.probability:.3f}"],
            [_("Version"), f"{verdict.result.model_version}, {verdict.result.engine}"],
        ],
    }


def _video_words(one: VideoView, language: str) -> str:
    video = one.video
    if video.frames is None:
        return told(language, one.job.reason or "–")
    rate = "" if video.frame_rate_hz is None else f", {video.frame_rate_hz:.0f} Hz"
    return f"{video.id}: {video.frames} × {video.width}×{video.height}{rate}"


def _write_pictures(room: Room, chosen: VideoView, folder: Path, titles: list[str]) -> list[list[str]]:
    """Write the keyframe, plain and with heat, where both are there; return their names and titles."""
    result = next((one for one in chosen.results if one.keyframe is not None), None)
    if result is None or result.keyframe is None:
        return []
    try:
        hot = DrawnCine(room, chosen.video, result).overlaid(result.keyframe)
    except MediaError:
        return []
    plain = np.asarray(cine_store(room.folders, chosen.video.sha256).frames(NAME)[result.keyframe])
    shown = []
    titles = [titles[0], f"{titles[1]}, {result.model_name}"]
    for name, pixels, title in zip(("plain.png", "hot.png"), (plain, hot), titles, strict=True):
        picture = Image.fromarray(pixels)
        picture.thumbnail((PICTURE_PX, PICTURE_PX))
        (folder / name).write_bytes(as_png(np.asarray(picture)))
        shown.append([name, f"{title} ({result.keyframe + 1})"])
    return shown
