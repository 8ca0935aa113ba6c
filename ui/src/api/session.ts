import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, Fault, type Schemas, told } from "./client";

/** How many ask that nobody be taken to the sign-in page for now. */
let staying = 0;

/** Leaves the page as it is while it shows what is shown this once, even when the session has ended: a look into another
 * window and back asks for everything anew. */
export function useStay() {
  useEffect(() => {
    staying += 1;
    return () => {
      staying -= 1;
    };
  }, []);
}

/** All tabs of a browser share its cookie: when that became another's, what they show is not theirs any more. So each
 * tells whom it found signed in, after a sign-in the page that came of it; what a page says as it goes may be lost. */
const tabs = new BroadcastChannel("headwater-session");
/** The id of the key that this tab shows things of; empty when nobody is signed in. */
let shown: string | undefined;
tabs.addEventListener("message", ({ data }) => {
  if (shown !== undefined && shown !== data && staying === 0) window.location.reload();
});

function found(session: Schemas["SessionAnswer"] | null) {
  shown = session?.key.id ?? "";
  tabs.postMessage(shown);
  return session;
}

/** Who is signed in: `data` is null when nobody is. */
export function useSession(enabled = true) {
  return useQuery({
    enabled,
    queryKey: ["session"],
    queryFn: async ({ client }): Promise<Schemas["SessionAnswer"] | null> => {
      try {
        return found(await told(api.GET("/v1/session")));
      } catch (error) {
        if (error instanceof Fault && error.status === 401) {
          const before = client.getQueryData<Schemas["SessionAnswer"]>(["session"]);
          return staying > 0 && before ? before : found(null);
        }
        throw error;
      }
    },
    staleTime: 60_000,
  });
}

/** Whether the key that is signed in has the scope; `admin` may do everything in its workspace. */
export function useMay(scope: "ingest" | "read" | "admin"): boolean {
  const scopes = useSession().data?.key.scopes ?? [];
  return scopes.includes(scope) || (scope === "read" && scopes.includes("admin"));
}

/** Signs in and goes to a page of ours. That page is loaded anew, so that nothing of another session is left in memory.
 * `data` is false when the browser did not keep the cookie. */
export function useSignIn(to: string) {
  return useMutation({
    mutationFn: async (body: { key: string } | { link: string }) => {
      await told(api.POST("/v1/session", { body }));
      const { response } = await api.GET("/v1/session");
      return response.ok;
    },
    onSuccess: (kept) => {
      if (kept) window.location.replace(`/ui${to}`);
    },
  });
}

export function useSignOut() {
  return useMutation({
    mutationFn: () => told(api.DELETE("/v1/session")),
    onSuccess: () => window.location.assign("/ui/sign-in"),
  });
}
