"""Assets and series: who has which number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from core.asset import Asset, Series
from store.database import Connection, translated_errors
from store.queries import query


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """An asset with its number."""

    asset_id: int
    name: str
    domain: str
    kind: str
    zone: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series with its number and its asset's."""

    series_id: int
    asset_id: int
    asset: str
    metric: str
    unit: str
    expected_interval_s: float | None
    lower_limit: float | None
    upper_limit: float | None


def add_assets(connection: Connection, assets: Sequence[Asset]) -> dict[str, int]:
    """Add the assets that the registry lacks and return the number of each, by name."""
    # Sorted, so that two processes that add the same assets wait for each other and never lock each other out.
    ordered = sorted(assets, key=lambda asset: asset.name)
    with translated_errors(), connection.transaction():
        connection.execute(
            query("upsert_assets"),
            {
                "names": [a.name for a in ordered],
                "domains": [a.domain.value for a in ordered],
                "kinds": [a.kind for a in ordered],
                "zones": [a.zone for a in ordered],
                "latitudes": [a.place.latitude if a.place else None for a in ordered],
                "longitudes": [a.place.longitude if a.place else None for a in ordered],
            },
        )
        return find_assets(connection, [a.name for a in ordered])


def find_assets(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the number of each of these assets that the registry has, by name."""
    with translated_errors():
        return dict(connection.execute(query("select_asset_ids"), {"names": list(names)}))


def add_series(connection: Connection, wanted: Sequence[tuple[int, Series]]) -> None:
    """Add the series that the registry lacks.

    Parameters
    ----------
    wanted
        Pairs of the asset's number and the series.
    """
    ordered = sorted(wanted, key=lambda pair: (pair[0], pair[1].metric))
    parameters = {
        "asset_ids": [asset_id for asset_id, _ in ordered],
        "metrics": [s.metric for _, s in ordered],
        "units": [s.unit for _, s in ordered],
        "intervals_s": [s.expected_interval_s for _, s in ordered],
        "lower_limits": [s.lower_limit for _, s in ordered],
        "upper_limits": [s.upper_limit for _, s in ordered],
    }
    with translated_errors():
        connection.execute(query("upsert_series"), parameters)


def series_of_assets(connection: Connection, asset_ids: Sequence[int]) -> list[StoredSeries]:
    """Return every series of these assets."""
    return _series(connection, "select_series_of_assets", {"asset_ids": list(asset_ids)})


def all_series(connection: Connection, asset_id: int | None = None) -> list[StoredSeries]:
    """Return every series, by asset and metric; of one asset only, if its number is given."""
    return _series(connection, "select_series", {"asset_id": asset_id})


def one_series(connection: Connection, series_id: int) -> StoredSeries | None:
    """Return one series; None if there is no such number."""
    found = _series(connection, "select_one_series", {"series_id": series_id})
    return found[0] if found else None


def _series(connection: Connection, name: str, parameters: dict[str, object]) -> list[StoredSeries]:
    with translated_errors(), connection.cursor(row_factory=class_row(StoredSeries)) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


def all_assets(connection: Connection) -> list[StoredAsset]:
    """Return every asset, by number."""
    with translated_errors(), connection.cursor(row_factory=class_row(StoredAsset)) as cursor:
        return cursor.execute(query("select_assets")).fetchall()
