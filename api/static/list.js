// The list of incidents, kept by number so that a refresh moves no focus.

import { domainSign, fill, h, severitySign } from "./dom.js";
import { certainty, moment, quality, severity, span, state, title } from "./words.js";

/** Heaviest first, then newest. */
export const byWeight = (a, b) => b.severity - a.severity || b.incident_id - a.incident_id;

/** Place and kind of an asset in a few words. */
export function whereabouts(asset) {
  return [title(asset.domain), title(asset.kind), asset.zone].filter(Boolean).join(" · ");
}

function facts(incident, now) {
  const since = Date.parse(incident.opened_at);
  const end = incident.resolved_at ? Date.parse(incident.resolved_at) : null;
  const lasted = span(((end ?? now) - since) / 1000);
  return {
    id: incident.incident_id,
    asset: incident.asset.name,
    domain: incident.asset.domain,
    place: whereabouts(incident.asset),
    level: severity(incident.severity),
    severity: Math.round(incident.severity),
    when: end ? `${moment(end, now)}, after ${lasted}` : `since ${moment(since, now)} · ${lasted}`,
    explanation: incident.explanation,
    state: incident.state,
    instrument: incident.kind === "sensor",
    sure: certainty(incident.certainty).short,
    data: quality(incident.certainty).short,
  };
}

function openCard(f) {
  return [
    h("span", { class: "line" },
      h("span", { class: "level" }, severitySign(f.level.level), `${f.level.word} `, h("b", {}, String(f.severity))),
      h("span", { class: "when" }, f.when)),
    h("strong", {}, f.asset),
    h("span", { class: "why" }, f.explanation),
    h("span", { class: "line small" },
      h("span", { class: "place" }, domainSign(f.domain), f.place),
      h("span", { class: "tags" },
        f.state !== "open" && h("span", { class: "tag" }, state(f.state)),
        f.instrument && h("span", { class: "tag" }, "Instrument"),
        h("span", {}, [f.sure, f.data].filter(Boolean).join(" · ")))),
  ];
}

function endedCard(f) {
  return [
    h("span", { class: "line" },
      h("span", { class: "name" }, domainSign(f.domain), h("strong", {}, f.asset)),
      h("span", { class: "when" }, f.when)),
    h("span", { class: "why" }, f.state === "dismissed" ? `Dismissed. ${f.explanation}` : f.explanation),
  ];
}

/** Bring a list up to date: each incident keeps its element. */
export function showList(list, incidents, now, selected, ended = false) {
  const known = new Map([...list.children].map((item) => [Number(item.dataset.id), item]));
  const items = incidents.map((incident) => {
    const f = facts(incident, now);
    const item = known.get(f.id) ?? h("li", { "data-id": f.id }, h("a", { class: "card", href: `#incident-${f.id}` }));
    item.className = f.level.name;
    const link = item.firstElementChild;
    if (f.id === selected) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    fill(link, f, () => (ended ? endedCard(f) : openCard(f)));
    return item;
  });
  // Moving an element takes its focus away, so the list is only touched when its order has changed.
  const same = items.length === list.children.length && items.every((item, k) => list.children[k] === item);
  if (!same) {
    const focused = document.activeElement;
    list.replaceChildren(...items);
    if (list.contains(focused)) focused.focus({ preventScroll: true });
  }
}
