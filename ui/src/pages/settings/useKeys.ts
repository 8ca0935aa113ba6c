import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import type { Key, NewKey } from "./keys";

export function useKeys() {
  return useQuery({
    queryKey: ["keys", "all"],
    queryFn: async () => {
      const found: Key[] = [];
      let cursor: string | undefined;
      do {
        const query = { limit: 1000, ...(cursor ? { cursor } : {}) };
        const page = await told(api.GET("/v1/keys", { params: { query } }));
        found.push(...page.data);
        cursor = page.next ?? undefined;
      } while (cursor);
      return found;
    },
  });
}

/** Something done to keys, after which the list is asked for anew. */
export function useKeyChange<In, Out>(act: (input: In) => Promise<Out>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
}

/** Something that makes a key, which is shown this once: whoever shows it has it before anything else is asked. The list
 * waits until it is closed, for when it replaced the key that is signed in with, the next answer is a 401. */
export function useNewKey<In>(make: (input: In) => Promise<NewKey>, made: (key: NewKey) => void) {
  return useMutation({ mutationFn: make, onSuccess: (key) => made(key) });
}

export const createKey = (body: Schemas["KeyBody"]) => told(api.POST("/v1/keys", { body }));

export const revokeKey = (id: string) => told(api.DELETE("/v1/keys/{id}", { params: { path: { id } } }));

export const rotateKey = ({ id, grace_seconds }: { id: string; grace_seconds: number }) =>
  told(api.POST("/v1/keys/{id}/rotate", { params: { path: { id } }, body: { grace_seconds } }));
