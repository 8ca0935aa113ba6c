import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What the server refused, as RFC 9457 problem details tell it, or that it could not be reached (status 0). */
export class Fault extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** The place of the fault in what was sent; empty when the server names none. */
    readonly path = "",
    readonly retryAfter = 0,
  ) {
    super(detail || title);
    this.name = "Fault";
  }
}

/** Typed by the server's own OpenAPI document. */
export const api = createClient<paths>({ baseUrl: window.location.origin, credentials: "same-origin" });

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** What the answer says; throws a Fault for any other than a success. */
export async function told<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Fault(0, "No answer", "The server cannot be reached. It is tried again.");
  }
  if (!answer.response.ok) throw faultOf(answer.response, answer.error);
  return answer.data as T;
}

export function faultOf(response: Response, body: unknown): Fault {
  const problem = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  const text = (name: string) => (typeof problem[name] === "string" ? (problem[name] as string) : "");
  return new Fault(
    response.status,
    text("title") || response.statusText || `Error ${response.status}`,
    text("detail") || text("error"),
    text("path"),
    Number(response.headers.get("retry-after") ?? 0),
  );
}
