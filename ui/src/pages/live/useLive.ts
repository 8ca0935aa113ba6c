import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useReducer, useRef, useState } from "react";
import { api, type Fault, told } from "@/api/client";
import { changed, EMPTY, type LaneNow, rowOf } from "./feed";
import { continued, type Point } from "./series";
import { type Link, listen } from "./stream";

export type Wanted = {
  signal?: string | undefined;
  status?: "pending" | "processed" | "rejected" | "reverted" | undefined;
  lane?: "realtime" | "migration" | undefined;
  identity?: string | undefined;
};

const FIRST = 50;
const NEWEST = ["events", "newest"];

/** The events that fit, as they come, and the counts of every second; all of it bounded. */
export function useLive(wanted: Wanted) {
  const [feed, change] = useReducer(changed, EMPTY);
  const [points, setPoints] = useState<readonly Point[]>([]);
  const [lanes, setLanes] = useState<readonly LaneNow[]>([]);
  const [{ link, fault }, setLink] = useState<{ link: Link; fault: Fault | null }>({ link: "connecting", fault: null });
  const newestLanes = useRef<readonly LaneNow[]>([]);
  const queries = useQueryClient();
  const { signal, status, lane, identity } = wanted;
  const url = `/v1/live?${new URLSearchParams(Object.entries(wanted).filter(([, value]) => value))}`;

  const before = useQuery({
    queryKey: [...NEWEST, url],
    queryFn: () => told(api.GET("/v1/events", { params: { query: { signal, status, lane, identity, ...lately() } } })),
    staleTime: 0,
  });

  useEffect(() => {
    change({ type: "clear" });
    let begun = 0;
    return listen(url, {
      hello: (history) => {
        setPoints((known) => continued(known, history));
        begun += 1;
        if (begun > 1) void queries.invalidateQueries({ queryKey: NEWEST }); // what came meanwhile
      },
      tick: (tick) => {
        newestLanes.current = tick.lanes;
        change({ type: "tick", tick });
      },
      point: (point) => {
        setPoints((known) => continued(known, [point]));
        setLanes(newestLanes.current); // once a second, with the charts
        change({ type: "second" });
      },
      link: (link, fault) => {
        setLink({ link, fault });
        if (fault?.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
      },
    });
  }, [url, queries]);

  useEffect(() => {
    if (before.data) change({ type: "fill", events: before.data.data.map(rowOf) });
  }, [before.data]);

  return { feed, change, points, lanes, link, fault, before };
}

/** The newest by when they occurred; those with a date ahead would stay on top for ever. */
function lately(): { limit: number; to: string } {
  return { limit: FIRST, to: new Date(Date.now() + 60_000).toISOString() };
}
