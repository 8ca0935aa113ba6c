import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, type Schemas, told } from "@/api/client";

export type Backfill = Schemas["BackfillAnswer"];
export type Preview = Schemas["BackfillPreview"];

export function useBackfills() {
  return useInfiniteQuery({
    queryKey: ["backfills", "list"],
    queryFn: ({ pageParam }) =>
      told(api.GET("/v1/backfills", { params: { query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    refetchInterval: 15_000,
  });
}

const RECENTLY_MS = 20_000;

/** One backfill: each second while its figures grow or something is being done with it, else now and then. */
export function useBackfill(id: string) {
  const grown = useRef({ events: -1, at: 0 });
  const [lively, setLively] = useState(true);
  const backfill = useQuery({
    queryKey: ["backfills", "one", id],
    queryFn: () => told(api.GET("/v1/backfills/{id}", { params: { path: { id } } })),
    refetchInterval: lively ? 1_000 : 10_000,
  });
  const { data, dataUpdatedAt } = backfill;
  useEffect(() => {
    if (!data) return;
    if ((data.events ?? 0) !== grown.current.events) grown.current = { events: data.events ?? 0, at: dataUpdatedAt };
    const busy = data.status.endsWith("ing");
    setLively(busy || (data.status === "open" && dataUpdatedAt - grown.current.at < RECENTLY_MS));
  }, [data, dataUpdatedAt]);
  return backfill;
}

/** How many events of the migration lane have no outcome yet. */
export function useWaiting() {
  const pipelines = useQuery({
    queryKey: ["pipelines"],
    queryFn: () => told(api.GET("/v1/pipelines")),
    refetchInterval: 1_000,
  });
  return pipelines.data?.data.find((each) => each.lane === "migration")?.events ?? null;
}

export type Verb = "close" | "release" | "revert";

/** Changes a backfill; where it counts or does not, all figures change. */
export function useChange(id: string, verb: Verb, done: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => {
      const params = { params: { path: { id } } };
      if (verb === "close") return told(api.POST("/v1/backfills/{id}/close", params));
      if (verb === "release") return told(api.POST("/v1/backfills/{id}/release", params));
      return told(api.POST("/v1/backfills/{id}/revert", params));
    },
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["backfills"] });
      queries.removeQueries({ queryKey: ["backfill-preview", id] });
      done();
    },
  });
}

/** Asked only when one wants it: it takes seconds. */
export function usePreview(id: string) {
  return useQuery({
    queryKey: ["backfill-preview", id],
    queryFn: () => told(api.GET("/v1/backfills/{id}/preview", { params: { path: { id } } })),
    enabled: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
}
