"""The dashboards as Grafana reads them: valid JSON, stable names, queries that run and yield what panels draw."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core.asset import Asset, Domain
from dashboards.build import dashboards, encode, write
from store.database import Connection
from tests.api.seed import add_asset, seed_city, signal
from tests.api.served import NOW
from tests.dashboards.grafana import Request, Value
from tests.paths import SHARED

SCHEMAS = SHARED / "grafana-schemas"
BUILT: dict[str, dict[str, Any]] = {uid: json.loads(encode(dashboard)) for uid, dashboard in dashboards().items()}
AWKWARD_ZONE = 'O\'Connell "5"; --'
BUILT_IN = {"__interval", "__interval_ms", "__timeFilter", "__timeFrom", "__timeTo", "__timeGroup", "__timeGroupAlias"}

needs_schemas = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="Grafana's JSON schemas are not beside the project")


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in document["panels"]:
        if panel["type"] != "row":
            yield panel


ALL_PANELS = [pytest.param(p, id=p["title"]) for document in BUILT.values() for p in panels(document)]
TARGETS = [
    pytest.param(p, t, id=f"{p['title']}-{t['refId']}")
    for document in BUILT.values()
    for p in panels(document)
    for t in p["targets"]
]


def rows(connection: Connection, sql: str, request: Request) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a statement as Grafana sends it, without parameters; return the columns' names and the rows."""
    with connection.cursor() as cursor:
        cursor.execute(request.expand(sql).encode())
        assert cursor.description is not None
        return [column.name for column in cursor.description], cursor.fetchall()


@pytest.fixture
def request_of_viewer(connection: Connection) -> Request:
    """Seed a city that has a zone with a quote in its name; return a request for its burst pipe's flow."""
    seed_city(connection, NOW)
    awkward = Asset("DMA Grozăvești", Domain.WATER, "dma", zone=AWKWARD_ZONE)
    add_asset(connection, awkward, [signal("flow", "m3/h", 20, 5, 1, 4)], NOW)
    variables: dict[str, Value] = {"zone": ["West", "North", "not known", AWKWARD_ZONE], "asset": "1", "series": "1"}
    return Request(NOW - timedelta(hours=24), NOW, "5m", variables)


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_the_query_of_a_panel_yields_rows_that_it_can_draw(
    connection: Connection, request_of_viewer: Request, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    names, found = rows(connection, target["rawSql"], request_of_viewer)
    assert found
    assert len(set(names)) == len(names)
    if target["format"] == "time_series":
        times = [row[names.index("time")] for row in found]
        assert all(isinstance(t, float | Decimal | datetime) for t in times)
        assert times == sorted(times)
        numbers = [v for row in found for n, v in zip(names, row, strict=True) if n not in {"time", "metric"}]
        assert numbers
        assert all(isinstance(v, int | float | Decimal) for v in numbers)
        assert all(isinstance(row[names.index("metric")], str) for row in found if "metric" in names)


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_the_query_of_a_panel_runs_while_the_city_is_empty(
    connection: Connection, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    nothing: dict[str, Value] = {"zone": "", "asset": "", "series": ""}
    rows(connection, target["rawSql"], Request(NOW - timedelta(hours=1), NOW, "10s", nothing))


def test_the_band_encloses_what_is_expected(connection: Connection, request_of_viewer: Request) -> None:
    (band,) = [p["rawSql"] for p in _targets() if "from expectation" in p["rawSql"]]
    names, found = rows(connection, band, request_of_viewer)
    assert names == ["time", "expected", "lower", "upper"]
    assert all(lower < expected < upper for _, expected, lower, upper in found)


def test_readings_a_minute_are_a_rate(connection: Connection, request_of_viewer: Request) -> None:
    (rate,) = [t["rawSql"] for t in _targets() if "60000.0" in t["rawSql"]]
    names, found = rows(connection, rate, request_of_viewer)
    # One reading of each series every five minutes.
    assert {row[names.index("value")] for row in found} == {Decimal("0.2")}


def test_open_incidents_follow_the_chosen_zone(connection: Connection, request_of_viewer: Request) -> None:
    sql = next(t["rawSql"] for t in _targets() if "explanation" in t["rawSql"])
    only_north = Request(NOW - timedelta(hours=1), NOW, "5m", {"zone": "North"})
    names, found = rows(connection, sql, only_north)
    assert [row[names.index("asset")] for row in found] == ["Feeder F-12 Dorobanți"]


def test_variables_lead_from_zone_to_asset_to_series(connection: Connection, request_of_viewer: Request) -> None:
    (document,) = BUILT.values()
    queries = {v["name"]: v["query"] for v in document["templating"]["list"] if v["type"] == "query"}
    assert list(queries) == ["zone", "asset", "series"]
    _, zones = rows(connection, queries["zone"], request_of_viewer)
    assert (AWKWARD_ZONE,) in zones
    assert ("not known",) in zones
    chosen = Request(NOW, NOW, "5m", {"zone": [AWKWARD_ZONE]})
    names, assets = rows(connection, queries["asset"], chosen)
    assert names == ["__text", "__value"]
    ((name, asset_id),) = assets
    assert name == "DMA Grozăvești"
    _, series = rows(connection, queries["series"], Request(NOW, NOW, "5m", {"asset": str(asset_id)}))
    assert [text for text, _ in series] == ["flow in m3/h"]


def test_annotations_are_regions_of_the_chosen_asset(connection: Connection, request_of_viewer: Request) -> None:
    (document,) = BUILT.values()
    (sql,) = [a["target"]["rawSql"] for a in document["annotations"]["list"] if "target" in a]
    names, ((time, end, text, tags),) = rows(connection, sql, request_of_viewer)
    assert names == ["time", "timeend", "text", "tags"]
    assert (time, end) == (NOW - timedelta(minutes=140), NOW)
    assert (text, tags) == ("forecast, severity 84", "asset")


def _targets() -> list[dict[str, Any]]:
    return [target for document in BUILT.values() for panel in panels(document) for target in panel["targets"]]


@pytest.mark.parametrize("panel", ALL_PANELS)
def test_every_panel_has_unit_words_and_data_source(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["title"]
    assert panel["description"].endswith(".")
    references = [panel["datasource"], *(t["datasource"] for t in panel["targets"])]
    assert all(r == {"type": "grafana-postgresql-datasource", "uid": "${datasource}"} for r in references)
    letters = Counter(t["refId"] for t in panel["targets"])
    assert max(letters.values()) == 1


@pytest.mark.parametrize("uid", sorted(BUILT))
def test_ids_are_unique_and_panels_do_not_overlap(uid: str) -> None:
    document = BUILT[uid]
    assert document["uid"] == uid
    assert re.fullmatch(r"[a-z0-9-]{1,40}", uid)
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for g in (panel["gridPos"] for panel in document["panels"])
        for x in range(g["x"], g["x"] + g["w"])
        for y in range(g["y"], g["y"] + g["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("uid", sorted(BUILT))
def test_no_variable_dangles_and_each_is_declared_before_its_use(uid: str) -> None:
    document = BUILT[uid]
    declared: list[str] = []
    for variable in document["templating"]["list"]:
        assert _used(variable.get("query", "") + json.dumps(variable.get("datasource", {}))) <= set(declared)
        declared.append(variable["name"])
    everything = _used(json.dumps([document["panels"], document["annotations"]]))
    assert everything <= set(declared)
    assert set(declared) <= everything | {"zone"}
    assert len(set(declared)) == len(declared)


def _used(text: str) -> set[str]:
    return {a or b for a, b in re.findall(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)", text)} - BUILT_IN - {"__all"}


@pytest.mark.parametrize("panel", ALL_PANELS)
def test_overrides_name_columns_that_the_queries_yield(
    connection: Connection, request_of_viewer: Request, panel: dict[str, Any]
) -> None:
    known: set[str] = set()
    for target in panel["targets"]:
        names, found = rows(connection, target["rawSql"], request_of_viewer)
        known |= set(names)
        if "metric" in names:
            known |= {row[names.index("metric")] for row in found}
    wanted = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
    assert wanted <= known


def test_every_query_file_is_used_and_says_what_it_is_for() -> None:
    used = json.dumps(list(BUILT.values()))
    for file in resources.files("dashboards.sql").iterdir():
        if file.name.endswith(".sql"):
            text = file.read_text("utf-8").strip()
            assert re.match(r"-- \S.{20,}", text)
            assert json.dumps(text)[1:-1] in used, file.name


def _schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.jsonschema.json").read_text("utf-8"))
    return found


def _dashboard_schema() -> dict[str, Any]:
    """Return Grafana's schema, opened where its generator wrote "object" for "anything"."""
    schema = _schema("dashboard")
    definitions = schema["definitions"]
    definitions["MatcherConfig"]["properties"]["options"] = {}
    definitions["DynamicConfigValue"]["properties"]["value"] = {}
    # The lowest threshold is minus infinity, which JSON writes as null.
    definitions["Threshold"]["properties"]["value"] = {"type": ["number", "null"]}
    # The schema itself says that this should be a data source's query.
    definitions["AnnotationQuery"]["properties"]["target"] = {"type": "object"}
    return schema


@needs_schemas
@pytest.mark.parametrize("uid", sorted(BUILT))
def test_the_dashboard_fits_grafanas_schema(uid: str) -> None:
    jsonschema.Draft7Validator(_dashboard_schema()).validate(BUILT[uid])


@needs_schemas
@pytest.mark.parametrize("panel", ALL_PANELS)
def test_options_of_a_panel_fit_the_schema_of_its_kind(panel: dict[str, Any]) -> None:
    schema = _schema(panel["type"])
    parts = {"Options": panel.get("options"), "FieldConfig": panel["fieldConfig"]["defaults"].get("custom")}
    for name, part in parts.items():
        if part is not None:
            jsonschema.Draft7Validator({**schema, "$ref": f"#/definitions/{name}"}).validate(part)


@needs_schemas
@pytest.mark.parametrize("panel", ALL_PANELS)
def test_units_are_ones_that_grafana_knows(panel: dict[str, Any]) -> None:
    known = {definition["const"] for definition in _schema("units")["definitions"].values() if "const" in definition}
    overridden = [p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"]
    for unit in [panel["fieldConfig"]["defaults"]["unit"], *overridden]:
        assert unit in known or unit.startswith("suffix:")


def test_writing_makes_one_file_each_and_the_same_every_time(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in write(tmp_path / "new" / "folder")}
    second = {path.name: path.read_bytes() for path in write(tmp_path / "new" / "folder")}
    assert set(first) == {f"{uid}.json" for uid in BUILT}
    assert first == second
