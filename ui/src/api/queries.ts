import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { Fault } from "./client";

/** Who asks was signed out meanwhile, or the key was revoked: the session is asked for anew, and with it the page. */
function signedOut(error: Error): void {
  if (error instanceof Fault && error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
}

/** Only what may mend itself is asked again: the engine starts, the server restarts, the network comes back. */
function again(count: number, error: Error): boolean {
  if (!(error instanceof Fault)) return false;
  return (error.status === 0 || error.status === 503) && count < 5;
}

export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      if (query.queryKey[0] !== "session") signedOut(error);
    },
  }),
  mutationCache: new MutationCache({ onError: signedOut }),
  defaultOptions: {
    queries: {
      retry: again,
      retryDelay: (count, error) =>
        Math.max(error instanceof Fault ? error.retryAfter * 1000 : 0, Math.min(500 * 2 ** count, 8000)),
      staleTime: 5_000,
      networkMode: "always", // the server may be on this machine, with no network at all
    },
    mutations: { networkMode: "always" },
  },
});
