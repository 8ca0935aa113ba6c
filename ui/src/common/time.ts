const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const minute = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});
const minuteOfYear = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});
const second = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export type Precision = "day" | "minute" | "second" | "whole";

/** A moment in the viewer's own zone; to the minute it has the year only where that is not this one. */
export function local(iso: string, precision: Precision = "whole"): string {
  const moment = new Date(iso);
  const isOfNow = moment.getFullYear() === new Date().getFullYear();
  return { day, minute: isOfNow ? minute : minuteOfYear, second, whole }[precision].format(moment);
}

/** The same moment in UTC, to the millisecond, as the API gives it. */
export function utc(iso: string): string {
  return `${new Date(iso).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** How long ago, roughly. */
export function ago(iso: string, now: number): string {
  const past = new Date(iso).getTime() - now;
  const size = Math.abs(past);
  if (size < MINUTE) return relative.format(Math.round(past / 1000), "second");
  if (size < HOUR) return relative.format(Math.round(past / MINUTE), "minute");
  if (size < DAY) return relative.format(Math.round(past / HOUR), "hour");
  return relative.format(Math.round(past / DAY), "day");
}

/** A length of time, roughly: what waits, how long something took. */
export function lasting(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const date = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const dateUtc = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
const hourUtc = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

/** A mark on an axis of time, in the viewer's zone: `at` and `step` (to the next mark) in seconds. */
export function tick(at: number, step: number): string {
  const moment = new Date(at * 1000);
  if (step < 60) return second.format(moment);
  const midnight = moment.getHours() === 0 && moment.getMinutes() === 0;
  return step < 86_400 && !midnight ? hour.format(moment) : date.format(moment);
}

/** A mark on an axis of UTC days, weeks or months, which are the same for every viewer. */
export function tickUtc(at: number, step: number): string {
  const moment = new Date(at * 1000);
  return step < 86_400 && at % 86_400 !== 0 ? hourUtc.format(moment) : dateUtc.format(moment);
}
