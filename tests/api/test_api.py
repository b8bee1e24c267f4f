"""The REST answers over a real server and a real database."""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from store.database import Connection
from tests.api.seed import STEPS, seed_city
from tests.api.served import NOW, api_settings, serving


@pytest.fixture
def incidents(connection: Connection) -> dict[str, int]:
    return seed_city(connection, NOW)


@pytest.fixture
def api(database_url: str) -> Iterator[httpx.Client]:
    with serving(database_url) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def api_without_database() -> Iterator[httpx.Client]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody:secret@127.0.0.1:{taken.getsockname()[1]}/nothing?connect_timeout=1"
        with serving(url) as served, httpx.Client(base_url=served, timeout=20) as client:
            yield client


def get(api: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def series_named(api: httpx.Client, asset: str, metric: str) -> int:
    series = get(api, "/api/v1/series")["series"]
    return int(next(s["series_id"] for s in series if s["asset"] == asset and s["metric"] == metric))


def test_incidents_are_listed_newest_first_with_certainty(incidents: dict[str, int], api: httpx.Client) -> None:
    found = get(api, "/api/v1/incidents")["incidents"]
    assert len(found) == len(incidents)
    opened = [incident["opened_at"] for incident in found]
    assert opened == sorted(opened, reverse=True)
    burst = next(i for i in found if i["incident_id"] == incidents["DMA Crângași"])
    assert burst["opened_at"] == "2026-03-14T09:40:00Z"
    assert burst["asset"]["place"] == {"latitude": 44.4527, "longitude": 26.0468}
    # Two series at five minutes: 24 readings in an hour.
    # Rarer by 1,250 times than what opens an anomaly.
    assert burst["certainty"] == {
        "p_value": 0.00004,
        "sureness": "very sure",
        "readings": 24,
        "doubtful": 0,
        "expected": 24,
    }


def test_incidents_can_be_narrowed_to_states_and_a_number(incidents: dict[str, int], api: httpx.Client) -> None:
    ended = get(api, "/api/v1/incidents", state=["resolved", "dismissed"])["incidents"]
    assert {i["asset"]["name"] for i in ended} == {"Tank Cotroceni", "Cabinet C-7 Unirii"}
    assert all(i["resolved_at"] for i in ended)
    assert len(get(api, "/api/v1/incidents", state="open", limit=1)["incidents"]) == 1


def test_an_incident_tells_its_anomalies_evidence_and_history(incidents: dict[str, int], api: httpx.Client) -> None:
    found = get(api, f"/api/v1/incidents/{incidents['DMA Crângași']}")
    (anomaly,) = found["anomalies"]
    assert {part["metric"] for part in anomaly["evidence"]} == {"flow", "pressure"}
    assert sum(part["share"] for part in anomaly["evidence"]) == pytest.approx(1)
    flow = next(part for part in anomaly["evidence"] if part["metric"] == "flow")
    assert flow["observed"] > flow["upper"]
    assert flow["unit"] == "m3/h"
    assert [change["change"] for change in found["history"]] == ["opened"]


def test_readings_come_with_band_and_scores_of_the_last_day(incidents: dict[str, int], api: httpx.Client) -> None:
    answer = get(api, f"/api/v1/series/{series_named(api, 'DMA Crângași', 'flow')}/readings")
    assert (answer["since"], answer["until"]) == ("2026-03-13T12:00:00Z", "2026-03-14T12:00:00Z")
    assert len(answer["readings"]) == STEPS
    assert answer["readings"][-1]["time"] == "2026-03-14T12:00:00Z"
    assert [p["time"] for p in answer["band"]] == [p["time"] for p in answer["readings"]]
    (line,) = answer["scores"]
    assert (line["detector"], len(line["scores"])) == ("forecast", STEPS)


def test_readings_are_thinned_to_what_the_settings_allow(
    database_url: str, connection: Connection, incidents: dict[str, int]
) -> None:
    with serving(database_url, api_settings(max_points=20)) as url, httpx.Client(base_url=url) as api:
        series_id = series_named(api, "DMA Crângași", "flow")
        answer = get(api, f"/api/v1/series/{series_id}/readings")
        whole = get(api, f"/api/v1/series/{series_id}/readings", since="2026-03-14T11:00:01Z")
    for points in (answer["readings"], answer["band"], answer["scores"][0]["scores"]):
        assert 10 <= len(points) <= 20
    assert all(p["least"] <= p["value"] <= p["largest"] for p in answer["readings"])
    assert len(whole["readings"]) == 12


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-03-14T12:00:00Z", "2026-03-14T12:00:00Z"),
        ("2026-03-14T13:00:00Z", "2026-03-14T12:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "2026-03-14T12:00:00Z"),
        ("2026-03-14T12:00:00Z", "9999-12-31T23:59:59-14:00"),
        ("yesterday", "2026-03-14T12:00:00Z"),
        ("2026-03-14T11:00:00", "2026-03-14T12:00:00Z"),
    ],
)
def test_a_span_that_cannot_be_answered_is_refused(
    incidents: dict[str, int], api: httpx.Client, since: str, until: str
) -> None:
    answer = api.get("/api/v1/series/1/readings", params={"since": since, "until": until})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 422


@pytest.mark.parametrize(
    "path", ["/api/v1/incidents/999", "/api/v1/series/999/readings", "/nothing", "/api/v1/nothing"]
)
def test_what_is_not_there_is_a_problem_document(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == path


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/incidents?state=broken",
        "/api/v1/incidents?limit=0",
        f"/api/v1/incidents/{2**31}",
        "/api/v1/series?asset=x",
    ],
)
def test_parameters_out_of_range_are_named(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["parameter"] in {"state", "limit", "incident_id", "asset", "0"}


def test_series_can_be_narrowed_to_an_asset(incidents: dict[str, int], api: httpx.Client) -> None:
    assets = get(api, "/api/v1/assets")["assets"]
    assert len(assets) == 6
    titan = next(a["asset_id"] for a in assets if a["name"] == "DMA Titan")
    found = get(api, "/api/v1/series", asset=titan)["series"]
    assert [(s["metric"], s["unit"]) for s in found] == [("flow", "m3/h"), ("pressure", "m[H2O]")]


def test_status_shows_closing_accounts_lag_and_counts(incidents: dict[str, int], api: httpx.Client) -> None:
    status = get(api, "/api/v1/status")
    assert status["clock"] == {"now": "2026-03-14T12:00:00Z", "simulated": True, "speed": 1.0}
    assert (status["assets"], status["series"]) == (6, 9)
    assert status["incidents_open"] == {"transport": 1, "water": 1, "lighting": 1}
    assert [(f["feed"], f["closes"], f["silent_for_s"]) for f in status["feeds"]] == [
        ("cityvigil_json", True, 8.0),
        ("hfp", True, 8.0),
    ]
    assert status["engine"]["lag_s"] == 65
    assert status["engine"]["model_age_s"] == 9 * 3600
    assert status["outbox"] == [{"channel": "webhook", "waiting": 5, "sent": 0, "failed": 0}]


def test_an_empty_city_has_a_status_too(api: httpx.Client) -> None:
    status = get(api, "/api/v1/status")
    assert (status["series"], status["feeds"], status["engine"]["lag_s"]) == (0, [], None)


def test_metrics_count_feeds_incidents_and_lag(incidents: dict[str, int], api: httpx.Client) -> None:
    text = api.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["cityvigil_store_up"] == "1.0"
    assert float(lines['cityvigil_messages_received_total{feed="hfp"}']) == 1_005
    assert float(lines['cityvigil_readings_stored_total{feed="cityvigil_json"}']) == 5 * 1_990
    assert float(lines['cityvigil_incidents_open{domain="water"}']) == 1
    assert float(lines['cityvigil_outbox_waiting{channel="webhook"}']) == 5
    assert float(lines["cityvigil_engine_lag_seconds"]) == 65
    assert float(lines["cityvigil_model_age_seconds"]) == 9 * 3600


def test_every_metric_has_help_and_open_metrics_is_spoken(api: httpx.Client) -> None:
    answer = api.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    declared = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    helped = {
        line.split()[2] for line in answer.text.splitlines() if line.startswith("# HELP") and len(line.split()) > 4
    }
    assert declared == helped


def test_metrics_of_an_empty_city_have_no_lag_instead_of_none(api: httpx.Client) -> None:
    assert not any(line.startswith("cityvigil_engine_lag_seconds") for line in api.get("/metrics").text.splitlines())


def test_without_a_database_the_service_lives_and_says_what_is_missing(api_without_database: httpx.Client) -> None:
    api = api_without_database
    assert get(api, "/health") == {"status": "ok"}
    assert get(api, "/api/v1/city")["time_zone"] == "Europe/Bucharest"
    ready = api.get("/ready")
    assert ready.status_code == 503
    assert int(ready.headers["retry-after"]) > 0
    assert "database" in ready.json()["detail"]
    assert "secret" not in ready.text
    metrics = api.get("/metrics")
    assert metrics.status_code == 200
    assert "cityvigil_store_up 0.0" in metrics.text


def test_a_database_without_schema_is_not_ready_and_says_what_to_run(empty_database: str) -> None:
    with serving(empty_database) as url:
        answer = httpx.get(f"{url}/ready")
    assert answer.status_code == 503
    assert "cityvigil migrate" in answer.json()["detail"]


def test_the_page_is_guarded_and_revalidated(api: httpx.Client) -> None:
    page = api.get("/")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-cache"
    assert api.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert api.get("/api/v1/city").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "/app.py"])
def test_nothing_beside_the_page_is_served(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 404


def test_times_are_utc_whatever_offset_is_asked_in(incidents: dict[str, int], api: httpx.Client) -> None:
    since = datetime.fromisoformat("2026-03-14T13:00:00+02:00")
    until = since + timedelta(hours=1)
    answer = get(api, "/api/v1/series/1/readings", since=since.isoformat(), until=until.isoformat())
    assert (answer["since"], answer["until"]) == ("2026-03-14T11:00:00Z", "2026-03-14T12:00:00Z")
    assert len(answer["readings"]) == 13
