// Scales and ticks of a chart.

import { minuteOfDay } from "./words.js";

const MINUTE_MS = 60_000;
const TIME_STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];

/** Map [from, to] linearly to [start, end]. */
export function linear(from, to, start, end) {
  const factor = (end - start) / (to - from || 1);
  return (value) => start + (value - from) * factor;
}

/** Round numbers that cover [low, high], about `wanted` of them. */
export function valueTicks(low, high, wanted) {
  const raw = (high - low) / wanted || 1;
  const scale = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * scale >= raw) * scale;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

/** Times at round local hours or minutes in [since, until], at most `most` of them; right across a change of clocks. */
export function timeTicks(since, until, most) {
  const minutes = (until - since) / MINUTE_MS;
  const step = TIME_STEPS_MIN.find((s) => minutes / s <= most) ?? TIME_STEPS_MIN.at(-1);
  // Zones are off by whole quarters of an hour: strides that divide both meet every round local time.
  const stride = (step % 15 === 0 ? 15 : step % 5 === 0 ? 5 : 1) * MINUTE_MS;
  const ticks = [];
  for (let t = Math.ceil(since / stride) * stride; t <= until; t += stride) {
    if (minuteOfDay(t) % Math.min(step, 1440) === 0) ticks.push(t);
  }
  const skip = Math.max(1, Math.round(step / 1440));
  return ticks.filter((_, k) => k % skip === 0);
}

/** Median distance between neighbours, in milliseconds; Infinity for fewer than two. */
export function usualGap(times) {
  if (times.length < 2) return Infinity;
  const gaps = times.slice(1).map((t, k) => t - times[k]);
  return gaps.sort((a, b) => a - b)[gaps.length >> 1];
}

/** Split points where more than three usual gaps lie between two of them: a line must not bridge what is missing. */
export function unbroken(points, gap) {
  const runs = [];
  points.forEach((point, k) => {
    if (k === 0 || point.t - points[k - 1].t > 3 * gap) runs.push([]);
    runs.at(-1).push(point);
  });
  return runs;
}
