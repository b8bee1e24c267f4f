// Numbers, times and codes as words that people read.

const LEVELS = [
  { from: 75, level: 4, name: "severe", word: "Severe" },
  { from: 50, level: 3, name: "high", word: "High" },
  { from: 25, level: 2, name: "medium", word: "Medium" },
  { from: 0, level: 1, name: "low", word: "Low" },
];

const STATES = {
  open: "Open",
  acknowledged: "Acknowledged",
  in_progress: "In progress",
  resolved: "Resolved",
  dismissed: "Dismissed",
};

const UNITS = {
  "m3/h": "m³/h", "m3": "m³", "m/s2": "m/s²", "m[H2O]": "m H₂O", Cel: "°C", deg: "°", "0/1": "", count: "", ratio: "",
  "kW.h": "kWh", "W.h": "Wh", bool: "", raw: "", "[ppm]": "ppm",
};

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;

let zone = "UTC";

/** Set the time zone that all local times are told in. */
export function setZone(name) {
  zone = name;
  formats.clear();
}

const formats = new Map();

function format(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** 14:05 */
export const clock = (time) => format(CLOCK).format(time);

/** 14:05:09 */
export const clockWithSeconds = (time) => format({ ...CLOCK, second: "2-digit" }).format(time);

/** Mon 23 Nov */
export const day = (time) => format({ weekday: "short", day: "numeric", month: "short" }).format(time).replace(",", "");

/** 14:05 on the day of `now`, Mon 23 Nov 14:05 on another. */
export const moment = (time, now) => (day(time) === day(now) ? clock(time) : `${day(time)} ${clock(time)}`);

/** Local hour and minute of the day, as minutes since midnight. */
export function minuteOfDay(time) {
  const [hour, minute] = clock(time).split(":");
  return Number(hour) * 60 + Number(minute);
}

/** A length of time in at most two units. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < MINUTE_S) return `${s} s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min`;
  const [big, small, bigWord, smallWord] =
    s < DAY_S ? [HOUR_S, MINUTE_S, "h", "min"] : [DAY_S, HOUR_S, s < 2 * DAY_S ? "day" : "days", "h"];
  const rest = Math.floor((s % big) / small);
  return `${Math.floor(s / big)} ${bigWord}${rest ? ` ${rest} ${smallWord}` : ""}`;
}

/** "3 assets", "1 asset", "No assets". */
export function count(number, word, none = "No") {
  const shown = number === 0 ? none : number.toLocaleString("en-GB");
  return `${shown} ${word}${number === 1 || word === "series" ? "" : "s"}`;
}

/** UCUM code as people write it. */
export const unit = (code) => UNITS[code] ?? code.replace(/\[|\]/g, "");

/** A number with as many digits as its size deserves. */
export function number(value) {
  if (value == null) return "–";
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en-GB", { maximumFractionDigits: digits }).replace("-", "−");
}

/** A number with its unit. */
export const quantity = (value, code) => `${number(value)}${unit(code) ? ` ${unit(code)}` : ""}`;

/** "active_power" as "Active power"; short codes such as "dma" in capitals. */
export function title(code) {
  if (code.length <= 3) return code.toUpperCase();
  const text = code.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The class of a severity from 0 to 100. */
export const severity = (value) => LEVELS.find((level) => value >= level.from) ?? LEVELS.at(-1);

/** Where an incident stands. */
export const state = (code) => STATES[code] ?? title(code);

/** How sure we are, short and at length. */
export function certainty(found) {
  if (!found || found.p_value == null) return { short: "Taken back", long: "Late data shows that it was normal." };
  const p = found.p_value;
  const short = title(found.sureness);
  const often = p < 1e-6 ? "less than once in a million" : `about once in ${rounded(1 / p)}`;
  return { short, long: `Normal data looks like this ${often} checks.` };
}

function rounded(value) {
  const scale = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return (Math.round(value / scale) * scale).toLocaleString("en-GB");
}

/** How good the data of the last abnormal hour is, short and at length. */
export function quality(found) {
  if (!found) return { short: "", long: "" };
  const { readings, doubtful, expected } = found;
  const total = expected != null && expected > readings ? expected : readings;
  if (readings === 0) return { short: "No data", long: "No reading arrived in the last abnormal hour." };
  const long = `${readings} of ${total} readings arrived in the last abnormal hour, ${doubtful || "none"} doubtful.`;
  if (doubtful > 0) return { short: `${doubtful} of ${readings} readings doubtful`, long };
  if (readings < 0.9 * total) return { short: `${readings} of ${total} readings`, long };
  return { short: "Data complete", long };
}
