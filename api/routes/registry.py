"""The registry: what there is to watch."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Store
from api.models import AssetList, AssetModel, PlaceModel, SeriesList, SeriesModel
from store.registry import StoredAsset, all_assets, all_series

router = APIRouter(tags=["registry"])

MAX_ID = 2**31 - 1
"""Largest number that the registry can give."""


@router.get("/assets", summary="Every asset")
def list_assets(store: Store) -> AssetList:
    """Return every asset, by number."""
    return AssetList(assets=[_asset(found) for found in all_assets(store)])


@router.get("/series", summary="Series, by asset and metric")
def list_series(
    store: Store,
    asset: Annotated[
        int | None, Query(ge=1, le=MAX_ID, description="Number of the asset; all of them without.")
    ] = None,
) -> SeriesList:
    """Return every series, or those of one asset."""
    return SeriesList(series=[SeriesModel.model_validate(found) for found in all_series(store, asset)])


def place_of(latitude: float | None, longitude: float | None) -> PlaceModel | None:
    """Return where something stands; None if that is not known."""
    if latitude is None or longitude is None:
        return None
    return PlaceModel(latitude=latitude, longitude=longitude)


def _asset(found: StoredAsset) -> AssetModel:
    return AssetModel.model_validate({**asdict(found), "place": place_of(found.latitude, found.longitude)})
