import { useState } from "react";

/** What one changes of something that others may change too: what is sent is what is other than when one began, or Save
 * would take back what a colleague saved meanwhile. As long as nothing is changed, it follows what is there. */
export function useDraft<E, D extends object, P extends object>(
  known: E,
  draftOf: (known: E) => D,
  patchOf: (from: E, draft: D) => P,
) {
  const [{ from, draft, seen }, set] = useState(() => ({ from: known, draft: draftOf(known), seen: known }));
  const begin = (entity: E) => set({ from: entity, draft: draftOf(entity), seen: known });
  const change = (part: Partial<D>) => set((old) => ({ ...old, draft: { ...old.draft, ...part } }));
  const patch = patchOf(from, draft);
  const changed = Object.keys(patch).length > 0;
  if (seen !== known) {
    // not whenever `from` is another: just after Save what is known is the old one for a moment
    if (changed) set({ from, draft, seen: known });
    else begin(known);
  }
  return { from, draft, patch, changed, change, begin };
}
