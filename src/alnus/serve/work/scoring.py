"""Second step: every network's probability, and what its run says that it means."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session, select

from alnus.media.pool import Worker
from alnus.serve.database.tables import Result, Video
from alnus.serve.networks import ServedModel
from alnus.serve.room import Room
from alnus.serve.work.ingesting import cine_store
from alnus.serve.work.looking import probability_of


def score(room: Room, decoder: Worker, video_id: str) -> Callable[[Session], None]:
    """Score a video by each network; the outcome writes a result for each."""
    with room.database.reading() as session:
        video = session.exec(select(Video).where(Video.id == video_id)).one()
    store = cine_store(room.folders, video.sha256)
    made = [(model, *probability_of(model, store)) for model in room.models]

    def write(session: Session) -> None:
        for model, probability, engine in made:
            known = select(Result).where(Result.video_id == video_id, Result.model == model.key)
            if session.exec(known).first() is None:
                session.add(result_of(video_id, model, probability, engine))

    return write


def result_of(video_id: str, model: ServedModel, probability: float, engine: str) -> Result:
    """Return the row of a network's answer."""
    said = model.risks.assess(probability)
    return Result(
        video_id=video_id,
        model=model.key,
        model_name=model.card.source,
        model_version=model.version,
        engine=engine,
        probability=probability,
        risk=said.risk,
        risk_low=said.risk_low,
        risk_high=said.risk_high,
        threshold=said.threshold,
        threshold_risk=said.threshold_risk,
        answer=said.answer,
        reasons=said.reasons,
    )
