// One series over time: readings, the band that was expected, and the stretch that was not normal.

import { h, s } from "./dom.js";
import { linear, timeTicks, unbroken, usualGap, valueTicks } from "./scale.js";
import { clock, day, moment, number, quantity, title, unit } from "./words.js";

const MARGIN = { top: 14, right: 14, bottom: 26, left: 52 };
const BAD = 3;
let serial = 0;

function path(points, x, y) {
  return points.map((p, k) => `${k ? "L" : "M"}${x(p.t).toFixed(1)} ${y(p).toFixed(1)}`).join("");
}

function area(points, x, low, high) {
  const back = points.toReversed();
  return `${path(points, x, high)}${path(back, x, low).replace("M", "L")}Z`;
}

function extent(data) {
  const values = [
    ...data.readings.flatMap((p) => [p.least, p.largest]),
    ...data.band.flatMap((p) => [p.lower, p.upper]),
  ].filter(Number.isFinite);
  if (!values.length) return [0, 1];
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - (low >= 0 && low < room ? low : room), high + room];
}

function timed(points) {
  return points.map((p) => ({ ...p, t: Date.parse(p.time) }));
}

/** A chart that can be given new data without losing the reader's place in it. */
export class Chart {
  constructor() {
    this.id = `chart-${++serial}`;
    this.readout = h("p", { class: "readout" });
    this.name = h("h4", {});
    this.plot = h("div", { class: "plot", tabindex: 0, role: "slider", "aria-valuemin": 0 });
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, this.name, this.readout), this.plot);
    this.at = null;
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerdown", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", () => this.#show(null));
    this.plot.addEventListener("blur", () => this.#show(null));
    this.plot.addEventListener("keydown", (event) => this.#key(event));
    this.observer = new ResizeObserver(() => this.#draw());
    this.observer.observe(this.plot);
  }

  /** Forget the chart. */
  close() {
    this.observer.disconnect();
  }

  /** Show an answer of /readings; `spans` are the abnormal stretches as [since, until] in milliseconds. */
  update(answer, spans) {
    const signature = JSON.stringify([answer, spans]);
    if (signature === this.signature) return;
    this.signature = signature;
    const band = timed(answer.band).filter((p) => p.lower != null && p.upper != null);
    this.data = {
      series: answer.series,
      since: Date.parse(answer.since),
      until: Date.parse(answer.until),
      readings: timed(answer.readings),
      band,
      spans,
    };
    const code = unit(answer.series.unit);
    this.name.replaceChildren(title(answer.series.metric), code ? h("span", { class: "unit" }, code) : "");
    this.plot.setAttribute("aria-label", `${title(answer.series.metric)} over time; arrow keys move through the readings`);
    this.plot.setAttribute("aria-valuemax", Math.max(0, this.data.readings.length - 1));
    this.#draw();
  }

  #draw() {
    const width = this.plot.clientWidth;
    const height = this.plot.clientHeight;
    if (!this.data || !width || !height) return;
    const { since, until } = this.data;
    const ticks = valueTicks(...extent(this.data), height > 190 ? 4 : 3);
    this.x = linear(since, until, MARGIN.left, width - MARGIN.right);
    this.y = linear(ticks[0], ticks.at(-1), height - MARGIN.bottom, MARGIN.top);
    this.cross = s("g", { class: "cross" });
    const clip = s("clipPath", { id: this.id }, this.#spans((x, w) => ({ x, y: 0, width: w, height })));
    const svg = s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      s("defs", {}, clip),
      this.#spans((x, w) => ({ x, y: MARGIN.top, width: w, height: height - MARGIN.top - MARGIN.bottom, class: "span" })),
      this.#grid(ticks, width, height),
      this.#lines(),
      this.cross,
    );
    this.plot.replaceChildren(svg);
    if (!this.data.readings.length) this.plot.append(h("p", { class: "nothing" }, "No readings in this span."));
    this.#show(this.at);
  }

  #spans(shape) {
    const { since, until, spans } = this.data;
    return spans.map(([from, to]) => {
      const left = this.x(Math.max(from, since));
      return s("rect", shape(left, Math.max(2, this.x(Math.min(to, until)) - left)));
    });
  }

  #grid(ticks, width, height) {
    const base = height - MARGIN.bottom;
    const rows = ticks.map((value) => {
      const y = this.y(value);
      return [
        s("line", { class: "rule", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
        s("text", { class: "tick", x: MARGIN.left - 10, y: y + 4, "text-anchor": "end" }, number(value)),
      ];
    });
    const columns = timeTicks(this.data.since, this.data.until, Math.max(2, Math.floor(width / 92))).map((t) => {
      const midnight = clock(t) === "00:00";
      const anchor = this.x(t) > width - 30 ? "end" : "middle";
      const attributes = { class: midnight ? "tick day" : "tick", x: this.x(t), y: base + 19, "text-anchor": anchor };
      return [
        s("line", { class: "mark", x1: this.x(t), x2: this.x(t), y1: base, y2: base + 4 }),
        s("text", attributes, midnight ? day(t) : clock(t)),
      ];
    });
    return s("g", { class: "axis" }, rows.flat(), columns.flat());
  }

  #lines() {
    const { readings, band } = this.data;
    const y = (p) => this.y(p.value);
    const runs = unbroken(readings, usualGap(readings.map((p) => p.t)));
    const bandRuns = unbroken(band, usualGap(band.map((p) => p.t)));
    const line = runs.map((run) => path(run, this.x, y)).join("");
    const lower = (p) => this.y(p.lower);
    const upper = (p) => this.y(p.upper);
    const ranged = readings.some((p) => p.least !== p.largest);
    const range = runs.map((run) => area(run, this.x, (p) => this.y(p.least), (p) => this.y(p.largest))).join("");
    return s(
      "g",
      { class: "lines" },
      s("path", { class: "band", d: bandRuns.map((run) => area(run, this.x, lower, upper)).join("") }),
      s("path", { class: "centre", d: bandRuns.map((run) => path(run, this.x, (p) => this.y(p.centre))).join("") }),
      ranged && s("path", { class: "range", d: range }),
      s("path", { class: "reading", d: line }),
      s("path", { class: "reading abnormal", d: line, "clip-path": `url(#${this.id})` }),
      readings
        .filter((p) => p.quality >= BAD)
        .map((p) => s("circle", { class: "doubtful", cx: this.x(p.t), cy: y(p), r: 3.5 })),
    );
  }

  #point(event) {
    if (!this.data?.readings.length) return;
    const left = event.clientX - this.plot.getBoundingClientRect().left;
    const distance = (p) => Math.abs(this.x(p.t) - left);
    this.#show(this.data.readings.reduce((best, p) => (distance(p) < distance(best) ? p : best)).t);
  }

  #key(event) {
    const readings = this.data?.readings ?? [];
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 12, PageDown: -12 };
    const last = readings.length - 1;
    const now = this.at == null ? last : readings.findIndex((p) => p.t >= this.at);
    const jumps = { Home: 0, End: last };
    const next = jumps[event.key] ?? (moves[event.key] ? now + moves[event.key] : null);
    if (next == null || last < 0) return;
    event.preventDefault();
    this.#show(readings[Math.min(last, Math.max(0, next))].t);
  }

  #show(t) {
    this.at = t;
    const readings = this.data?.readings ?? [];
    const point = t == null ? null : readings.find((p) => p.t >= t);
    this.cross?.replaceChildren();
    if (!point) {
      this.plot.removeAttribute("aria-valuetext");
      this.readout.replaceChildren(readings.length ? this.#latest(readings.at(-1)) : "");
      return;
    }
    const [x, y] = [this.x(point.t), this.y(point.value)];
    this.cross.append(
      s("line", { x1: x, x2: x, y1: MARGIN.top, y2: this.plot.clientHeight - MARGIN.bottom }),
      s("circle", { cx: x, cy: y, r: 4.5 }),
    );
    const text = this.#describe(point);
    this.readout.replaceChildren(text);
    this.plot.setAttribute("aria-valuenow", readings.indexOf(point));
    this.plot.setAttribute("aria-valuetext", text);
  }

  #latest(point) {
    return `latest ${quantity(point.value, this.data.series.unit)} at ${moment(point.t, this.data.until)}`;
  }

  #describe(point) {
    const gap = usualGap(this.data.band.map((p) => p.t));
    const band = this.data.band.findLast((p) => p.t <= point.t && point.t - p.t <= gap);
    const code = this.data.series.unit;
    const expected = band ? ` · expected ${number(band.lower)} to ${number(band.upper)}` : "";
    const doubt = point.quality >= BAD ? " · doubtful reading" : "";
    return `${moment(point.t, this.data.until)} · ${quantity(point.value, code)}${expected}${doubt}`;
  }
}
