"""Readings of one series, with the band and the scores that go with them."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from api.context import Here, Store
from api.errors import BadSpanError, NotFoundError
from api.models import BandPoint, PointModel, ReadingsAnswer, ScoreLine, ScoreModel, SeriesModel
from api.routes.registry import MAX_ID
from store.overview import thinned_band, thinned_scores
from store.registry import one_series
from store.series_data import ScorePoint, points

router = APIRouter(prefix="/series", tags=["readings"])

DEFAULT_SPAN = timedelta(hours=24)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def span_of(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the span of event time that is asked for, in UTC.

    Parameters
    ----------
    since
        None means 24 hours before `until`.
    until
        None means `now`.

    Raises
    ------
    BadSpanError
        If it is empty, or not between 1970 and 2200.
    """
    last = now if until is None else until
    if not _EARLIEST <= last <= _LATEST:
        raise BadSpanError("until must lie between 1970 and 2200")
    first = last - DEFAULT_SPAN if since is None else since
    if first >= last:
        raise BadSpanError("since must be before until")
    if first < _EARLIEST:
        raise BadSpanError("since must lie between 1970 and 2200")
    return first.astimezone(UTC), last.astimezone(UTC)


@router.get("/{series_id}/readings", summary="Readings, band and scores of one series")
def read_series(
    store: Store,
    context: Here,
    series_id: Annotated[int, Path(ge=1, le=MAX_ID)],
    since: Annotated[AwareDatetime | None, Query(description="Default: 24 hours before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Default: the service's time.")] = None,
) -> ReadingsAnswer:
    """Return what there is of a series in a span; thinned, where it is more than the settings allow."""
    first, last = span_of(since, until, context.clock.now())
    most = context.settings.api.max_points
    series = one_series(store, series_id)
    if series is None:
        raise NotFoundError(f"there is no series {series_id}")
    return ReadingsAnswer(
        series=SeriesModel.model_validate(series),
        since=first,
        until=last,
        readings=[PointModel.model_validate(point) for point in points(store, series_id, first, last, most)],
        band=[BandPoint.model_validate(point) for point in thinned_band(store, series_id, first, last, most)],
        scores=_lines(thinned_scores(store, series_id, first, last, most)),
    )


def _lines(found: list[ScorePoint]) -> list[ScoreLine]:
    return [
        ScoreLine(detector=detector, scores=[ScoreModel.model_validate(point) for point in group])
        for detector, group in groupby(found, key=lambda point: point.detector)
    ]
