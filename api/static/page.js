// Keeps the page true: asks every few seconds, pauses while nobody looks, and says so when the answer is old.

import { Detail, chartSpan, drivers, showMissing } from "./detail.js";
import { fill, h } from "./dom.js";
import { byWeight, showList } from "./list.js";
import { clock, clockWithSeconds, count, moment, setZone, span } from "./words.js";

const POLL_MS = 3_000;
const CHARTS_EVERY_MS = 15_000;
const TIMEOUT_MS = 8_000;
const QUIET_AFTER_S = 600;
const LATE_AFTER_S = 1_800;
const MOST_OPEN = 200;
const OPEN = `/api/v1/incidents?state=open&state=acknowledged&state=in_progress&limit=${MOST_OPEN}`;
const ENDED = "/api/v1/incidents?state=resolved&state=dismissed&limit=12";

const byId = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 60rem)");

const seen = { city: null, clock: null, readAt: 0, open: [], ended: [], total: 0, trueAt: null };
let detail = null;
let chartsAt = -Infinity;
let timer = 0;
let round = 0;

class ServiceError extends Error {
  constructor(status) {
    super(`status ${status}`);
    this.status = status;
  }
}

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-cache" });
  if (!answer.ok) throw new ServiceError(answer.status);
  return answer.json();
}

function now() {
  if (!seen.clock) return Date.now();
  return Date.parse(seen.clock.now) + (performance.now() - seen.readAt) * seen.clock.speed;
}

function asked() {
  const found = /^#incident-(\d{1,9})$/.exec(location.hash);
  return found ? Number(found[1]) : null;
}

// A wall display that nobody touches shows the heaviest incident by itself.
function selected() {
  const id = asked();
  if (id != null || !wide.matches) return id;
  return [...seen.open].sort(byWeight)[0]?.incident_id ?? null;
}

// Changes a text only if it is another one: a screen reader reads out each change.
function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function showClock() {
  if (!seen.clock) return;
  const time = now();
  byId("clock").dateTime = new Date(time).toISOString();
  byId("clock").textContent = seen.clock.speed > 60 ? clock(time) : clockWithSeconds(time);
}

function showCity(city) {
  setZone(city.time_zone);
  byId("zone").textContent = city.time_zone.split("/").at(-1).replaceAll("_", " ");
  byId("zone").title = city.time_zone;
}

function showFeeds(feeds) {
  const chips = feeds.map((feed) => {
    const quiet = feed.silent_for_s == null || feed.silent_for_s > QUIET_AFTER_S;
    const age = feed.silent_for_s == null ? "no message yet" : `${span(feed.silent_for_s)} ago`;
    return { name: feed.feed.replaceAll("_", " "), kind: !feed.closes ? "broken" : quiet ? "quiet" : "live", age };
  });
  const words = { live: "live", quiet: "quiet", broken: "its account does not close" };
  fill(byId("feeds"), chips, () =>
    chips.map((chip) =>
      h("li", { class: chip.kind, title: `${chip.name}: ${words[chip.kind]}, last message ${chip.age}` },
        h("i", { "aria-hidden": "true" }), h("span", {}, chip.name),
        h("small", {}, chip.kind === "live" ? chip.age : `${words[chip.kind]}, ${chip.age}`))));
}

function watching(status) {
  const what = `Watching ${count(status.series, "series", "no")} of ${count(status.assets, "asset", "no")}.`;
  const { judged_until: until, lag_s: lag } = status.engine;
  if (until == null) return `${what} Nothing has been judged yet.`;
  const late = lag > LATE_AFTER_S ? `, ${span(lag)} behind` : "";
  return `${what} Judged up to ${moment(Date.parse(until), now())}${late}.`;
}

function showStatus(status) {
  seen.clock = status.clock;
  seen.readAt = performance.now();
  const drill = byId("drill");
  drill.hidden = !status.clock.simulated;
  const speed = Number(status.clock.speed.toPrecision(3));
  drill.textContent = `Simulated time${speed === 1 ? "" : `, ×${speed}`}`;
  seen.total = Object.values(status.incidents_open).reduce((sum, one) => sum + one, 0);
  byId("watching").textContent = watching(status);
  showFeeds(status.feeds);
  showClock();
}

function showLists() {
  const number = seen.open.length < MOST_OPEN ? seen.open.length : seen.total;
  say("headline", `${count(number, "open incident")}${number ? "" : "."}`);
  document.title = number ? `(${number}) City Vigil` : "City Vigil";
  document.body.dataset.calm = String(number === 0);
  const id = selected();
  showList(byId("open"), [...seen.open].sort(byWeight), now(), id);
  showList(byId("ended"), seen.ended, now(), id, true);
  byId("ended-title").hidden = byId("ended").hidden = seen.ended.length === 0;
}

function choose() {
  const id = selected();
  document.body.dataset.view = asked() == null ? "list" : "detail";
  byId("detail").hidden = id == null;
  if (id === (detail?.id ?? null)) return;
  detail?.close();
  byId("detail").replaceChildren();
  byId("detail").scrollTop = 0;
  detail = id == null ? null : new Detail(byId("detail"), id);
  chartsAt = -Infinity;
}

async function showDetail() {
  const current = detail;
  if (!current) return;
  let incident;
  try {
    incident = await ask(`/api/v1/incidents/${current.id}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    if (current === detail) showMissing(byId("detail"), current.id);
    return;
  }
  if (current !== detail) return;
  current.update(incident, now());
  if (performance.now() - chartsAt >= CHARTS_EVERY_MS) {
    chartsAt = performance.now();
    await showCharts(current, incident);
  }
}

async function showCharts(current, incident) {
  const [since, until] = chartSpan(incident, now()).map((t) => encodeURIComponent(new Date(t).toISOString()));
  const wanted = drivers(incident).map((part) => part.series_id);
  const answers = await Promise.all(wanted.map((id) => ask(`/api/v1/series/${id}/readings?since=${since}&until=${until}`)));
  if (current !== detail) return;
  answers.forEach((answer, k) => current.chart(wanted[k], answer));
}

function complain(error) {
  const reason =
    error.status === 503 ? "The service has lost its database." :
    error.status ? `The service answered with an error (${error.status}).` : "The service does not answer.";
  const known = seen.trueAt != null ? ` What you see was true at ${clockWithSeconds(seen.trueAt)}.` : "";
  const text = `${reason}${known} Trying again every ${POLL_MS / 1000} seconds.`;
  say("banner", text);
  byId("banner").hidden = false;
  document.body.dataset.stale = "true";
  if (seen.trueAt == null) say("headline", "No connection");
}

function allIsWell() {
  byId("banner").hidden = true;
  delete document.body.dataset.stale;
}

async function look() {
  clearTimeout(timer);
  const mine = ++round;
  try {
    if (!seen.city) {
      seen.city = await ask("/api/v1/city");
      showCity(seen.city);
    }
    const [status, open, ended] = await Promise.all([ask("/api/v1/status"), ask(OPEN), ask(ENDED)]);
    if (mine !== round) return;
    Object.assign(seen, { open: open.incidents, ended: ended.incidents });
    showStatus(status);
    choose();
    showLists();
    seen.trueAt = now();
    await showDetail();
    if (mine === round) allIsWell();
  } catch (error) {
    if (mine === round) complain(error);
  }
  if (mine === round && !document.hidden) timer = setTimeout(look, POLL_MS);
}

addEventListener("hashchange", () => {
  choose();
  showLists();
  showDetail().catch(complain);
  if (asked() == null) byId("headline").focus({ preventScroll: true });
  else byId("detail").focus({ preventScroll: true });
  if (!wide.matches) scrollTo(0, 0);
});
wide.addEventListener("change", look);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
setInterval(showClock, 1_000);
look();
