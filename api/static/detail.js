// One incident: why we say so.

import { Chart } from "./chart.js";
import { domainSign, fill, h, severitySign } from "./dom.js";
import { whereabouts } from "./list.js";
import { certainty, clock, day, moment, number, quality, severity, span, state, title, unit } from "./words.js";

const HOUR_MS = 3_600_000;
const LONGEST_MS = 7 * 24 * HOUR_MS;
const MOST_CHARTS = 6;

/** Series that drive an incident, weightiest first, each once. */
export function drivers(incident) {
  const parts = incident.anomalies.filter((a) => !a.retracted).flatMap((a) => a.evidence);
  const best = new Map();
  for (const part of parts) if (!(best.get(part.series_id)?.share >= part.share)) best.set(part.series_id, part);
  return [...best.values()].sort((a, b) => b.share - a.share).slice(0, MOST_CHARTS);
}

/** The stretch that the charts show: the incident with as much before it, six hours at least. */
export function chartSpan(incident, now) {
  const since = Date.parse(incident.opened_at);
  const end = incident.resolved_at ? Date.parse(incident.resolved_at) : now;
  const until = incident.resolved_at ? Math.min(now, end + HOUR_MS) : now;
  const from = since - Math.max(6 * HOUR_MS, end - since);
  return [Math.max(from, until - LONGEST_MS), until];
}

function abnormal(incident, seriesId) {
  return incident.anomalies
    .filter((a) => !a.retracted && a.evidence.some((part) => part.series_id === seriesId))
    .map((a) => [Date.parse(a.since), Date.parse(a.ended_at ?? a.last_at)]);
}

function fact(name, ...content) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, ...content));
}

function place(asset) {
  if (!asset.place) return [asset.zone || "Not known"];
  const { latitude, longitude } = asset.place;
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=17/${latitude}/${longitude}`;
  const label = `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`;
  const link = h("a", { href, target: "_blank", rel: "noopener noreferrer" }, "Show on a map");
  return [asset.zone || label, asset.zone && h("small", {}, label), h("small", {}, link)];
}

function head(incident) {
  const level = severity(incident.severity);
  const instrument = incident.kind === "sensor";
  return [
    h("a", { class: "back", href: "#" }, "← All incidents"),
    h("p", { class: "kicker" },
      h("span", { class: "level" }, severitySign(level.level), `${level.word} `,
        h("b", {}, `${Math.round(incident.severity)} of 100`)),
      h("span", {}, state(incident.state)),
      h("span", { class: "place" }, domainSign(incident.asset.domain), whereabouts(incident.asset)),
      h("span", {}, `Incident ${incident.incident_id}`)),
    h("h2", { tabindex: -1 }, incident.asset.name),
    h("p", { class: "explanation" }, incident.explanation),
    instrument && h("p", { class: "note" }, "This looks like a fault of the instrument, not of what it measures."),
  ];
}

function factList(incident, now) {
  const since = Date.parse(incident.opened_at);
  const end = incident.resolved_at ? Date.parse(incident.resolved_at) : now;
  const sure = certainty(incident.certainty);
  const data = quality(incident.certainty);
  const calm = incident.calm_since && !incident.resolved_at;
  const lasted = `${incident.resolved_at ? "lasted" : "for"} ${span((end - since) / 1000)}`;
  return [
    fact("Since", clock(since),
      h("small", {}, `${day(since)}, ${lasted}${calm ? `, calm since ${moment(Date.parse(incident.calm_since), now)}` : ""}`)),
    fact("Where", ...place(incident.asset)),
    fact("How sure", sure.short, h("small", {}, sure.long)),
    data.short && fact("Data", title(data.short.replace(/^Data /, "")), h("small", {}, data.long)),
  ];
}

function evidenceTable(parts) {
  const row = (part) => {
    const outside = part.lower != null && (part.observed < part.lower || part.observed > part.upper);
    return h("tr", {},
      h("th", { scope: "row" }, title(part.metric)),
      h("td", {}, h("span", { class: outside ? "outside" : null }, number(part.observed))),
      h("td", {}, part.lower == null ? "no band" : `${number(part.lower)} to ${number(part.upper)}`),
      h("td", { class: "text" }, unit(part.unit) || "–"),
      h("td", {}, h("span", { class: "share" }, h("meter", { min: 0, max: 1, value: part.share }), `${Math.round(part.share * 100)} %`)));
  };
  const heads = [["Signal", "text"], ["Observed", ""], ["Expected", ""], ["Unit", "text"], ["Share", ""]];
  return h("table", {},
    h("thead", {}, h("tr", {}, heads.map(([text, kind]) => h("th", { scope: "col", class: kind || null }, text)))),
    h("tbody", {}, parts.map(row)));
}

function historyList(incident, now) {
  const line = (change) =>
    h("li", {},
      h("time", { datetime: change.at }, moment(Date.parse(change.at), now)),
      h("span", {}, h("b", {}, title(change.change)), change.reason ? `: ${change.reason}` : "", h("small", {}, ` by ${change.actor}`)));
  return h("ol", { class: "history" }, incident.history.map(line));
}

function modelNote(incident) {
  const models = new Set(incident.anomalies.map((a) => `${a.detector}, model ${a.model_version}`));
  const back = incident.anomalies.filter((a) => a.retracted).length;
  return [
    models.size > 0 && `Judged by ${[...models].join("; ")}. `,
    back > 0 && `${back} of ${incident.anomalies.length} anomalies were taken back after late data arrived.`,
  ];
}

function legend() {
  const item = (kind, text) => h("li", {}, h("i", { class: kind }), text);
  return h("ul", { class: "legend" },
    item("reading", "reading"), item("band", "expected range"), item("span", "not normal"));
}

/** The detail of one incident, kept while that incident is selected. */
export class Detail {
  constructor(root, id) {
    this.id = id;
    this.charts = new Map();
    this.parts = Object.fromEntries(
      ["header", "dl", "div", "section", "footer"].map((tag) => [tag, h(tag, { class: `part-${tag}` })]));
    this.evidence = h("div", {});
    this.history = h("div", {});
    this.signals = h("section", { class: "signals", hidden: true },
      h("div", { class: "row" }, h("h3", {}, "Signals"), legend()), this.parts.div);
    this.parts.section.append(h("h3", {}, "Evidence"), this.evidence, h("h3", {}, "History"), this.history);
    root.replaceChildren(this.parts.header, this.parts.dl, this.signals, this.parts.section, this.parts.footer);
    this.root = root;
  }

  /** Show what is known of the incident. */
  update(incident, now) {
    this.incident = incident;
    this.root.className = `detail ${severity(incident.severity).name}`;
    const minute = Math.floor(now / 60_000);
    fill(this.parts.header, [incident.asset, incident.state, incident.severity, incident.explanation], () => head(incident));
    fill(this.parts.dl, [incident, minute], () => factList(incident, now));
    const parts = drivers(incident);
    fill(this.evidence, parts, () => (parts.length ? evidenceTable(parts) : h("p", {}, "No evidence is recorded.")));
    fill(this.history, [incident.history, day(now)], () => historyList(incident, now));
    fill(this.parts.footer, incident.anomalies, () => modelNote(incident));
  }

  /** Show one series' readings; `answer` is what the API said. */
  chart(seriesId, answer) {
    if (!this.charts.has(seriesId)) this.charts.set(seriesId, new Chart());
    const wanted = drivers(this.incident).map((part) => this.charts.get(part.series_id)?.element).filter(Boolean);
    const shown = [...this.parts.div.children];
    if (wanted.length !== shown.length || wanted.some((element, k) => element !== shown[k])) {
      this.parts.div.replaceChildren(...wanted);
    }
    this.signals.hidden = wanted.length === 0;
    this.charts.get(seriesId).update(answer, abnormal(this.incident, seriesId));
  }

  /** Forget the charts. */
  close() {
    for (const chart of this.charts.values()) chart.close();
  }
}

/** What an incident that does not exist looks like. */
export function showMissing(root, id) {
  root.className = "detail";
  root.replaceChildren(
    h("a", { class: "back", href: "#" }, "← All incidents"),
    h("h2", { tabindex: -1 }, `There is no incident ${id}`),
    h("p", { class: "explanation" }, "It may belong to another city, or to a drill that was cleared."));
}

