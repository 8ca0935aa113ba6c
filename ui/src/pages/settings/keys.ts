/** API keys: what they may do, and whether they still do it. */

import type { Schemas } from "@/api/client";

export type Key = Schemas["KeyAnswer"];
export type NewKey = Schemas["NewKeyAnswer"];
export type Scope = Key["scopes"][number];

export const SCOPES: readonly { value: Scope; label: string; description: string }[] = [
  { value: "ingest", label: "ingest", description: "Send events. For shops, back ends and CRMs; it can read nothing." },
  { value: "read", label: "read", description: "Ask: events, profiles, cohorts, signals, this list of keys." },
  { value: "admin", label: "admin", description: "Change signals, cohorts, keys and the workspace; erase people." },
  { value: "operator", label: "operator", description: "Make further workspaces in this installation." },
];

export type Standing = "works" | "expired" | "revoked";

export function standingOf(key: Pick<Key, "expires_at" | "revoked_at">, now: number): Standing {
  if (key.revoked_at) return "revoked";
  return key.expires_at && Date.parse(key.expires_at) <= now ? "expired" : "works";
}

/** Those that work first; among them, and among the others, the newest. */
export function ordered(keys: readonly Key[], now: number): Key[] {
  const rank = (key: Key) => (standingOf(key, now) === "works" ? 0 : 1);
  return keys.toSorted((one, other) => rank(one) - rank(other) || other.created_at.localeCompare(one.created_at));
}
