"""The page in a real browser."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.anomaly import AnomalyKind
from core.asset import Asset, Domain
from store.database import Connection
from tests.api.seed import Fault, add_asset, add_fault, bent, resolve, seed_city, signal
from tests.api.served import NOW, api_settings, serving

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
PATIENCE_MS = 20_000
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a wide page; what it says went wrong fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="America/Los_Angeles")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    context.close()
    assert faults == []


def add_hostile_incident(connection: Connection, name: str = HOSTILE) -> int:
    asset = Asset(name, Domain.WATER, "dma", zone=HOSTILE)
    flow = bent(signal("flow", "m3/h", 20, 5, 1, 3), 10, None, 30)
    asset_id, series = add_asset(connection, asset, [flow], NOW)
    fault = Fault(10, None, 90, 0.00001, AnomalyKind.ASSET, f"Too much {HOSTILE}")
    return add_fault(connection, asset_id, asset, [(series["flow"], flow)], fault, NOW)


def test_open_incidents_are_listed_heaviest_first_with_words(
    database_url: str, connection: Connection, page: Page
) -> None:
    seed_city(connection, NOW)
    with serving(database_url) as url:
        page.goto(url)
        expect(page.locator("h1")).to_have_text("3 open incidents")
        cards = page.locator("#open .card")
        expect(cards.locator("strong")).to_have_text(["DMA Crângași", "Feeder F-12 Dorobanți", "Tram 41, vehicle 1029"])
        expect(cards.first).to_contain_text("Severe 84")
        # 09:40 UTC is 11:40 in the city's zone, whatever the browser's own.
        expect(cards.first).to_contain_text("since 11:40 · 2 h 20 min")
        expect(cards.first).to_contain_text("Very sure · Data complete")
        expect(page.locator("#ended .card")).to_have_count(2)
        expect(page.locator("#feeds li")).to_have_count(2)
        expect(page.locator("#drill")).to_be_visible()


def test_a_click_shows_evidence_history_and_charts_with_their_band(
    database_url: str, connection: Connection, page: Page
) -> None:
    found = seed_city(connection, NOW)
    with serving(database_url) as url:
        page.goto(url)
        page.get_by_role("link", name=re.compile("Feeder F-12")).click()
        expect(page).to_have_url(f"{url}/#incident-{found['Feeder F-12 Dorobanți']}")
        detail = page.locator("#detail")
        expect(detail.locator("h2")).to_have_text("Feeder F-12 Dorobanți")
        expect(detail.locator("path.band")).to_have_attribute("d", re.compile(r"^M[\d.]+ [\d.]+L.*Z$"))
        expect(detail.locator("path.reading").first).to_have_attribute("d", re.compile("^M.*L"))
        expect(detail.locator("rect.span")).to_have_count(1)
        expect(detail.locator("tbody tr")).to_have_count(1)
        expect(detail.locator(".history li")).to_have_count(1)


def test_a_deep_link_opens_an_incident_and_the_keyboard_reads_its_chart(
    database_url: str, connection: Connection, page: Page
) -> None:
    found = seed_city(connection, NOW)
    with serving(database_url) as url:
        page.goto(f"{url}/#incident-{found['Tank Cotroceni']}")
        plot = page.get_by_role("slider", name=re.compile("Level over time"))
        expect(plot.locator("path.band")).to_be_attached()
        plot.focus()
        page.keyboard.press("Home")
        expect(plot).to_have_attribute(
            "aria-valuetext", re.compile(r"\d\d:\d\d · [\d.]+ m · expected [\d.]+ to [\d.]+")
        )
        before = plot.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        expect(plot).not_to_have_attribute("aria-valuetext", before or "")


def test_a_new_and_an_ended_incident_show_without_a_reload(
    database_url: str, connection: Connection, page: Page
) -> None:
    found = seed_city(connection, NOW)
    with serving(database_url) as url:
        page.goto(url)
        expect(page.locator("#open .card")).to_have_count(3)
        page.evaluate("window.sameVisit = true")
        page.locator("#open .card").nth(1).focus()
        add_hostile_incident(connection, "Brand new")
        expect(page.locator("#open .card")).to_have_count(4)
        expect(page.locator("#open .card:focus strong")).to_have_text("Feeder F-12 Dorobanți")
        resolve(connection, found["DMA Crângași"], NOW - timedelta(minutes=1))
        expect(page.locator("#open .card")).to_have_count(3)
        expect(page.locator("#ended")).to_contain_text("DMA Crângași")
        assert page.evaluate("window.sameVisit") is True


def test_markup_in_names_stays_text(database_url: str, connection: Connection, page: Page) -> None:
    incident_id = add_hostile_incident(connection)
    with serving(database_url) as url:
        page.goto(f"{url}/#incident-{incident_id}")
        expect(page.locator("#detail h2")).to_have_text(HOSTILE)
        expect(page.locator("#open strong")).to_have_text(HOSTILE)
        expect(page.locator("#detail path.band")).to_be_attached()
        assert page.locator("main img, main script").count() == 0
        assert page.title() == "(1) City Vigil"


def test_an_empty_city_says_what_is_watched(database_url: str, connection: Connection, page: Page) -> None:
    add_asset(connection, Asset("DMA 1", Domain.WATER, "dma"), [signal("flow", "m3/h", 20, 5, 1, 3)], NOW)
    with serving(database_url) as url:
        page.goto(url)
        expect(page.locator("h1")).to_have_text("No open incidents.")
        expect(page.locator("#watching")).to_contain_text("Watching 1 series of 1 asset.")
        expect(page.locator("#detail")).to_be_hidden()


def test_a_service_that_is_away_is_told_and_its_return_too(
    database_url: str, connection: Connection, page: Page
) -> None:
    seed_city(connection, NOW)
    banner = page.locator("#banner")
    with serving(database_url) as url:
        page.goto(url)
        expect(page.locator("#open .card")).to_have_count(3)
        expect(banner).to_be_hidden()
    expect(banner).to_contain_text("The service does not answer. What you see was true at 14:00:")
    expect(page.locator("#open .card")).to_have_count(3)
    with serving(database_url, api_settings(int(url.rsplit(":", 1)[1]))):
        expect(banner).to_be_hidden()


def test_a_hidden_page_asks_for_nothing(database_url: str, connection: Connection, page: Page) -> None:
    seed_city(connection, NOW)
    with serving(database_url) as url:
        page.clock.install()
        page.goto(url)
        expect(page.locator("#open .card")).to_have_count(3)
        expect(page.locator("#detail path.band").first).to_be_attached()
        page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.run_for(60_000)
        assert asked == []


def test_a_phone_shows_one_thing_at_a_time_without_sideways_scrolling(
    database_url: str, connection: Connection, page: Page
) -> None:
    seed_city(connection, NOW)
    page.set_viewport_size({"width": 390, "height": 844})
    with serving(database_url) as url:
        page.goto(url)
        expect(page.locator("#detail")).to_be_hidden()
        page.get_by_role("link", name=re.compile("DMA Crângași")).click()
        expect(page.locator("#detail path.band")).to_have_count(2)
        expect(page.locator("#open")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("link", name="← All incidents").click()
        expect(page.locator("#open .card")).to_have_count(3)


def test_nothing_is_asked_of_anybody_else(database_url: str, connection: Connection, page: Page) -> None:
    seed_city(connection, NOW)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with serving(database_url) as url:
        page.goto(url)
        expect(page.locator("#detail path.band")).to_have_count(2)
        assert asked
        assert [address for address in asked if not address.startswith(url)] == []
