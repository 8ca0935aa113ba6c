/** The audit's entries in words. */

import type { Schemas } from "@/api/client";

export type Change = Schemas["AuditAnswer"];

const ACTIONS: Record<string, string> = {
  "workspace.create": "made the workspace",
  "workspace.update": "changed the workspace",
  "signal.create": "made a signal",
  "signal.update": "changed a signal",
  "signal.archive": "archived a signal",
  "signal.publish": "published a schema",
  "key.create": "made a key",
  "key.rotate": "rotated a key",
  "key.revoke": "revoked a key",
  "session.create": "signed in",
  "session.end": "signed out",
  "session.link": "made a sign-in link",
  "backfill.create": "made a backfill",
  "backfill.close": "closed a backfill",
  "backfill.release": "released a backfill",
  "backfill.revert": "reverted a backfill",
  "cohort.create": "made a cohort",
  "cohort.update": "changed a cohort",
  "cohort.delete": "deleted a cohort",
  "profile.erase": "had a person erased",
  "profile.unmerge": "took a profile apart",
  "rejected.replay": "replayed rejected events",
};

/** What was done; an action that has no words here is told by its name. */
export function actionWords(action: string): string {
  return Object.hasOwn(ACTIONS, action) ? (ACTIONS[action] ?? action) : action;
}

const ACTORS: Record<string, string> = {
  "command-line": "the command line",
  "first-start": "the first start",
  gateway: "headwater itself",
};

/** Who did it: a key by its name where it has one. */
export function actorWords(actor: string, names: ReadonlyMap<string, string>): string {
  if (Object.hasOwn(ACTORS, actor)) return ACTORS[actor] ?? actor;
  return names.get(actor) || actor;
}

/** What more is known of it: `rate_limit: 100, active: no`. */
export function detailWords(detail: Change["detail"]): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${valueWords(value)}`)
    .join(", ");
}

function valueWords(value: unknown): string {
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (Array.isArray(value))
    return value.length > 5 ? `${value.length} values` : value.map(valueWords).join(" + ") || "none";
  return JSON.stringify(value);
}

/** Whether an entry has the text anywhere in what is shown of it. */
export function found(change: Change, text: string, names: ReadonlyMap<string, string>): boolean {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return true;
  const shown = [
    actorWords(change.actor, names),
    change.actor,
    actionWords(change.action),
    change.action,
    change.target,
    detailWords(change.detail),
    change.address ?? "",
  ];
  return shown.some((each) => each.toLowerCase().includes(wanted));
}
