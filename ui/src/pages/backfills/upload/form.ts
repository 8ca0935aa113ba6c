import { type Dialect, type Flaw, flaw } from "./base";
import { isObject } from "./ndjson";

const CONTACT = "either 'email' or 'phoneNumber' is required";

/** What a server would say about the form of an event. A schema is not looked at: that is known when it is sent. */
export function formFlaw(dialect: Dialect, event: string, signals: ReadonlySet<string> | null): Flaw | null {
  const found: unknown = JSON.parse(event);
  if (!isObject(found)) return flaw("type", "", "must be an object");
  return dialect === "bik" ? bik(found, signals) : bigmind(found, signals);
}

function bik(event: Record<string, unknown>, signals: ReadonlySet<string> | null): Flaw | null {
  return (
    text(event, "eventName", "eventName", true) ??
    unknown(event.eventName, "eventName", signals) ??
    object(event.eventProperties, "eventProperties", true) ??
    ["name", "email", "phoneNumber", "createdAt"].map((field) => text(event, field, field)).find(Boolean) ??
    (blank(event.email) && blank(event.phoneNumber) ? flaw("contact", "", CONTACT) : null) ??
    (blank(event.email) || /^[^\s@]+@[^\s@]+$/.test(String(event.email).trim())
      ? null
      : flaw("identity", "email", "must be an e-mail address")) ??
    date(event.createdAt, "createdAt")
  );
}

function bigmind(event: Record<string, unknown>, signals: ReadonlySet<string> | null): Flaw | null {
  const { identity } = event;
  return (
    text(event, "signal", "signal", true) ??
    unknown(event.signal, "signal", signals) ??
    object(identity, "identity", true) ??
    (isObject(identity)
      ? (text(identity, "type", "identity.type", true) ?? text(identity, "id", "identity.id", true))
      : null) ??
    object(event.data, "data", false) ??
    text(event, "reference", "reference") ??
    text(event, "timestamp", "timestamp") ??
    date(event.timestamp, "timestamp")
  );
}

const blank = (value: unknown): boolean => value === undefined || value === null || String(value).trim() === "";

function text(within: Record<string, unknown>, field: string, path: string, required = false): Flaw | null {
  const value = within[field];
  if (value === undefined || value === null || (required && value === "")) {
    return required ? flaw("required", path, "is required") : null;
  }
  return typeof value === "string" ? null : flaw("type", path, "must be a string");
}

function object(value: unknown, path: string, required: boolean): Flaw | null {
  if (value === undefined || value === null) return required ? flaw("required", path, "is required") : null;
  return isObject(value) ? null : flaw("type", path, "must be an object");
}

function unknown(slug: unknown, path: string, signals: ReadonlySet<string> | null): Flaw | null {
  if (signals === null || signals.has(String(slug))) return null;
  return flaw("unknown_signal", path, `there is no signal '${String(slug)}'`, "make it on the page Signals");
}

const DATE = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|[+-]\d{2}:?\d{2}))?)?$/i;

function date(value: unknown, path: string): Flaw | null {
  if (typeof value !== "string" || DATE.test(value.trim())) return null;
  return flaw("date", path, "must be an ISO 8601 date", "seconds or milliseconds since 1970 have a type of their own");
}
