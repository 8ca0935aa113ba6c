import type { Schemas } from "@/api/client";

export type Draft = { region: string; never: string; most: number | "" };

export function draftOf(workspace: Schemas["WorkspaceAnswer"]): Draft {
  return {
    region: workspace.default_region ?? "",
    never: workspace.never_connect.join("\n"),
    most: workspace.max_identities,
  };
}

export function linesOf(text: string): string[] {
  return [...new Set(text.split("\n").map((line) => line.trim()))].filter((line) => line !== "");
}

/** Only what is other than it was: a list that is not sent is not looked at anew. */
export function patchOf(workspace: Schemas["WorkspaceAnswer"], draft: Draft): Schemas["WorkspacePatch"] {
  const never = linesOf(draft.never);
  const had = new Set(workspace.never_connect);
  const isSame = never.length === had.size && never.every((each) => had.has(each));
  const region = draft.region.trim() || null;
  return {
    ...(region === workspace.default_region ? {} : { default_region: region }),
    ...(isSame ? {} : { never_connect: never }),
    ...(draft.most === "" || draft.most === workspace.max_identities ? {} : { max_identities: draft.most }),
  };
}
