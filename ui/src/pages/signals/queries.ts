import { useQuery } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";

export type Signal = Schemas["SignalAnswer"];
export type Activity = Schemas["ActivityAnswer"];
export type Limit = Schemas["LimitAnswer"];
export type Version = Schemas["VersionAnswer"];

const PAGE = 1000;

/** Every page of a list, one after the other. */
async function all<T>(page: (cursor: string | undefined) => Promise<{ data: T[]; next: string | null }>): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | undefined;
  do {
    const answer = await page(cursor);
    found.push(...answer.data);
    cursor = answer.next ?? undefined;
  } while (cursor);
  return found;
}

export function useSignals() {
  return useQuery({
    queryKey: ["signals", "all"],
    queryFn: () =>
      all((cursor) =>
        told(api.GET("/v1/signals", { params: { query: { limit: PAGE, ...(cursor ? { cursor } : {}) } } })),
      ),
  });
}

export function useSignal(slug: string) {
  return useQuery({
    queryKey: ["signals", "one", slug],
    queryFn: () => told(api.GET("/v1/signals/{slug}", { params: { path: { slug } } })),
  });
}

/** Published schemas, oldest first. */
export function useVersions(slug: string) {
  return useQuery({
    queryKey: ["signals", "versions", slug],
    queryFn: () =>
      all((cursor) => {
        const query = { limit: PAGE, ...(cursor ? { cursor } : {}) };
        return told(api.GET("/v1/signals/{slug}/versions", { params: { path: { slug }, query } }));
      }),
  });
}

export function useActivity(hours: number) {
  return useQuery({
    queryKey: ["activity", hours],
    queryFn: () => told(api.GET("/v1/activity", { params: { query: { hours } } })),
    refetchInterval: 15_000,
  });
}

/** What is left of the rate limits in the minute that runs. */
export function useLimits() {
  return useQuery({
    queryKey: ["limits"],
    queryFn: () => told(api.GET("/v1/limits")),
    refetchInterval: 5_000,
  });
}
