import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useRef } from "react";
import type { Schemas } from "@/api/client";
import { api, told } from "@/api/client";
import { fieldsOf } from "./builder/fields";
import { type Json, type JsonObject, toJson } from "./builder/json";

export type Cohort = Schemas["CohortAnswer"];
export type Preview = Schemas["PreviewAnswer"];

const LIVE_MS = 5_000;
/** As long as few pages are open, they are kept right; many would be much to ask again and again. */
const LIVE_PAGES = 3;
const DEBOUNCE_MS = 400;
const RECENT = 50;
const MOST_SIGNALS = 5_000;

/** Bodies whose numbers mean to the server what they mean here. */
export const asJson = { bodySerializer: (body: unknown) => toJson(body as Json) };

export function useCohorts() {
  return useInfiniteQuery({
    queryKey: ["cohorts", "list"],
    queryFn: ({ pageParam, signal }) =>
      told(api.GET("/v1/cohorts", { params: { query: { limit: 100, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > LIVE_PAGES ? false : LIVE_MS),
  });
}

export function useCohort(id: string, live = true) {
  return useQuery({
    queryKey: ["cohorts", "one", id],
    queryFn: ({ signal }) => told(api.GET("/v1/cohorts/{id}", { params: { path: { id } }, signal })),
    enabled: id !== "",
    refetchInterval: live ? LIVE_MS / 2 : false,
  });
}

/** All signals that are in use. */
export function useSignals() {
  return useQuery({
    queryKey: ["signals", "all"],
    queryFn: async ({ signal }) => {
      const all: Schemas["SignalAnswer"][] = [];
      let cursor: string | undefined;
      do {
        const page = await told(api.GET("/v1/signals", { params: { query: { limit: 1000, cursor } }, signal }));
        all.push(...page.data);
        cursor = page.next ?? undefined;
      } while (cursor && all.length < MOST_SIGNALS);
      return all;
    },
    staleTime: 30_000,
  });
}

/** The properties that a signal's newest events have. */
export function useFields(signal: string) {
  const events = useQuery({
    queryKey: ["cohorts", "fields", signal],
    queryFn: async ({ signal: abort }) => {
      const query = { signal, limit: RECENT };
      const page = await told(api.GET("/v1/events", { params: { query }, signal: abort }));
      return page.data.map((event) => event.data as unknown);
    },
    enabled: signal !== "",
    staleTime: 60_000,
    retry: false,
  });
  return useMemo(() => fieldsOf(events.data ?? []), [events.data]);
}

/**
 * Who would be in now: asked a moment after the last change; what was asked before is given up. `known` is the newest
 * answer there is, `stale` as long as it is another definition's.
 */
export function usePreview(definition: JsonObject | null) {
  const text = definition ? toJson(definition) : "";
  const [settled] = useDebouncedValue(text, DEBOUNCE_MS);
  const asked = useQuery({
    queryKey: ["cohorts", "preview", settled],
    queryFn: ({ signal }) =>
      told(api.POST("/v1/cohorts/preview", { body: { definition: JSON.parse(settled) }, ...asJson, signal })),
    enabled: settled !== "" && text !== "",
    staleTime: 0,
    gcTime: 10_000,
    refetchInterval: (query) => (query.state.error ? false : 4 * LIVE_MS),
  });
  const last = useRef<Preview | null>(null);
  if (asked.data && text === settled) last.current = asked.data;
  const current = text !== "" && text === settled;
  return {
    known: text === "" ? null : last.current,
    stale: !current || asked.data === undefined,
    busy: text !== "" && (!current || asked.isFetching),
    /** What was asked about: the places of a fault are its places. */
    error: current ? asked.error : null,
  };
}
