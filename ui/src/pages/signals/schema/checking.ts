import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import { inferred } from "./infer";
import type { JsonObject } from "./json";

export type Check = Schemas["CheckAnswer"];

/** How many of the newest events a schema is tried on. */
const SAMPLE = 1000;
/** How many it is inferred from. */
const LOOKED_AT = 200;

/** Tries a schema on the signal's newest events; nothing is changed by it. */
export function useCheck(slug: string) {
  return useMutation({
    mutationFn: (schema: JsonObject) =>
      told(
        api.POST("/v1/signals/{slug}/versions/check", {
          params: { path: { slug } },
          body: { schema, sample: SAMPLE },
        }),
      ),
  });
}

export function usePublish(slug: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (schema: JsonObject) =>
      told(api.POST("/v1/signals/{slug}/versions", { params: { path: { slug } }, body: { schema } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["signals"] }),
  });
}

export type Inferred = { schema: JsonObject; events: number };

/** A schema of what came last: of processed events, or of any where none was processed. */
export function useInference(slug: string) {
  return useMutation({
    mutationFn: async (): Promise<Inferred> => {
      const taken = await newest(slug, "processed");
      const seen = taken.length > 0 ? taken : await newest(slug);
      return { schema: inferred(seen), events: seen.length };
    },
  });
}

async function newest(slug: string, status?: "processed"): Promise<JsonObject[]> {
  const query = { signal: slug, limit: LOOKED_AT, ...(status ? { status } : {}) };
  const page = await told(api.GET("/v1/events", { params: { query } }));
  return page.data.map((event) => event.data as JsonObject);
}
