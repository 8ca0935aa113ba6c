import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import type { Status } from "./words";

export type MadeWebhook = Schemas["WebhookMade"];

const EVERY_MS = 3_000;

export function useWebhooks() {
  return useQuery({
    queryKey: ["webhooks", "list"],
    queryFn: () => told(api.GET("/v1/webhooks", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
}

export function useWebhook(id: string) {
  return useQuery({
    queryKey: ["webhooks", "one", id],
    queryFn: () => told(api.GET("/v1/webhooks/{id}", { params: { path: { id } } })),
    refetchInterval: EVERY_MS,
  });
}

/** The log, newest first; what is in sight is asked for again every few seconds. */
export function useDeliveries(id: string, status: Status | undefined) {
  return useInfiniteQuery({
    queryKey: ["webhooks", "log", id, status ?? ""],
    queryFn: ({ pageParam }) => {
      const query = { limit: 50, ...(status ? { status } : {}), ...(pageParam ? { cursor: pageParam } : {}) };
      return told(api.GET("/v1/webhooks/{id}/deliveries", { params: { path: { id }, query } }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    refetchInterval: EVERY_MS,
  });
}

export function useDelivery(id: string, message: string) {
  return useQuery({
    queryKey: ["webhooks", "delivery", id, message],
    queryFn: () => told(api.GET("/v1/webhooks/{id}/deliveries/{message}", { params: { path: { id, message } } })),
    refetchInterval: EVERY_MS,
  });
}

/** Cohorts to choose from. */
export function useCohortNames() {
  return useQuery({
    queryKey: ["cohorts", "names"],
    queryFn: () => told(api.GET("/v1/cohorts", { params: { query: { limit: 1000 } } })),
  });
}

/** Something done to webhooks, after which all that is shown of them is asked for anew. */
export function useWebhookChange<In, Out>(act: (input: In) => Promise<Out>, done?: (out: Out) => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: (out) => {
      void queries.invalidateQueries({ queryKey: ["webhooks"] });
      done?.(out);
    },
  });
}

const at = (id: string) => ({ params: { path: { id } } });

export const createWebhook = (body: Schemas["WebhookBody"]) => told(api.POST("/v1/webhooks", { body }));
export const deleteWebhook = (id: string) => told(api.DELETE("/v1/webhooks/{id}", at(id)));
export const pingWebhook = (id: string) => told(api.POST("/v1/webhooks/{id}/test", at(id)));
export const pauseWebhook = (id: string) => told(api.PATCH("/v1/webhooks/{id}", { ...at(id), body: { paused: true } }));
export const resumeWebhook = ({ id, skip }: { id: string; skip: boolean }) =>
  told(api.POST("/v1/webhooks/{id}/resume", { ...at(id), body: { skip } }));
export const rotateSecret = ({ id, hours }: { id: string; hours: number }) =>
  told(api.POST("/v1/webhooks/{id}/rotate", { ...at(id), body: { overlap_hours: hours } }));
export const replayDelivery = ({ id, message }: { id: string; message: string }) =>
  told(api.POST("/v1/webhooks/{id}/deliveries/{message}/replay", { params: { path: { id, message } } }));
export const replayFailed = ({ id, since }: { id: string; since: string }) =>
  told(api.POST("/v1/webhooks/{id}/replay", { ...at(id), body: { since } }));
