import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, told } from "@/api/client";
import type { Filter } from "./groups";
import { added, type Outcome } from "./outcome";

/** Rejected events judged between two looks at whether to stop. */
const PAGE = 1_000;
/** After so many milliseconds what was replayed is stored again, or later. */
const STORED = [300, 1_000, 2_500, 6_000];

export type Lane = "realtime" | "migration";
export type Run = {
  dry: boolean;
  outcome: Outcome | null;
  busy: boolean;
  /** It was stopped, or failed, before all were looked at. */
  error: Error | null;
};

/** A replay page by page: `begin` starts one, or goes on with one that was broken off; `stop` ends it after its page. */
export function useReplay(filter: Filter) {
  const [run, setRun] = useState<Run | null>(null);
  const stopped = useRef(false);
  const queries = useQueryClient();
  const refresh = useCallback(() => {
    for (const wait of STORED) {
      setTimeout(() => {
        void queries.invalidateQueries({ queryKey: ["rejected"] });
        void queries.invalidateQueries({ queryKey: ["event"] });
      }, wait);
    }
  }, [queries]);

  useEffect(() => {
    stopped.current = false;
    return () => {
      stopped.current = true; // whoever closes the dialog wants no more of it
    };
  }, []);

  async function begin(dry: boolean, lane: Lane | null): Promise<void> {
    stopped.current = false;
    const before = run && run.dry === dry && run.outcome?.next ? run.outcome : null;
    let outcome = before;
    let error: Error | null = null;
    setRun({ dry, outcome, busy: true, error });
    try {
      do {
        const body = { filter, lane, dry_run: dry, limit: PAGE, cursor: outcome?.next ?? null };
        outcome = added(outcome, await told(api.POST("/v1/rejected/replay", { body })));
        setRun({ dry, outcome, busy: true, error });
      } while (outcome.next !== null && !stopped.current);
    } catch (fault) {
      error = fault as Error;
    }
    setRun({ dry, outcome, busy: false, error });
    if (!dry) refresh();
  }

  const stop = () => {
    stopped.current = true;
  };
  return { run, begin, stop, forget: () => setRun(null) };
}
