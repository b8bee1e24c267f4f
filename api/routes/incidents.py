"""Incidents: what is wrong, and why we say so."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from api.context import Store
from api.errors import NotFoundError
from api.models import AnomalyModel, ChangeModel, IncidentDetail, IncidentList, IncidentModel
from api.routes.registry import MAX_ID, place_of
from core.anomaly import sureness_of
from core.incident import IncidentState
from store.incidents import IncidentRow, history_of, incidents, one_incident
from store.judgements import StoredAnomaly, anomalies_of_incident
from store.overview import Certainty, certainty_of

router = APIRouter(prefix="/incidents", tags=["incidents"])

_ASSET_FIELDS = ("asset_id", "domain", "zone")
_MOST = 500


@router.get("", summary="Incidents, newest first")
def list_incidents(
    store: Store,
    state: Annotated[list[IncidentState] | None, Query(description="Only these; may be repeated.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
) -> IncidentList:
    """Return incidents, newest first."""
    rows = incidents(store, state, limit)
    certainties = certainty_of(store, [row.incident_id for row in rows])
    return IncidentList(
        incidents=[IncidentModel.model_validate(_fields(row, certainties.get(row.incident_id))) for row in rows]
    )


@router.get("/{incident_id}", summary="One incident with its anomalies, evidence and history")
def read_incident(store: Store, incident_id: Annotated[int, Path(ge=1, le=MAX_ID)]) -> IncidentDetail:
    """Return one incident with what it rests on."""
    with store.transaction():
        row = one_incident(store, incident_id)
        if row is None:
            raise NotFoundError(f"there is no incident {incident_id}")
        fields = _fields(row, certainty_of(store, [incident_id]).get(incident_id))
        anomalies = [_anomaly(found) for found in anomalies_of_incident(store, incident_id)]
        history = [ChangeModel.model_validate(change) for change in history_of(store, incident_id)]
    return IncidentDetail.model_validate({**fields, "anomalies": anomalies, "history": history})


def _fields(row: IncidentRow, certainty: Certainty | None) -> Mapping[str, Any]:
    fields = asdict(row)
    asset = {name: fields[name] for name in _ASSET_FIELDS}
    place = place_of(row.latitude, row.longitude)
    return {
        **fields,
        "asset": {**asset, "name": row.asset, "kind": row.asset_kind, "place": place},
        "certainty": None if certainty is None else _certainty(certainty),
    }


def _certainty(found: Certainty) -> Mapping[str, Any]:
    return {**asdict(found), "sureness": sureness_of(found.p_value, found.threshold)}


def _anomaly(found: StoredAnomaly) -> AnomalyModel:
    fields = asdict(found.anomaly)
    return AnomalyModel.model_validate({**fields, "anomaly_id": found.anomaly_id, "series_id": found.series_id})
