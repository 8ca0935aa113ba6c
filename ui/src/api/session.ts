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

/** Who is signed in: `data` is null when nobody is. */
export function useSession(enabled = true) {
  return useQuery({
    enabled,
    queryKey: ["session"],
    queryFn: async ({ client }): Promise<Schemas["SessionAnswer"] | null> => {
      try {
        return await told(api.GET("/v1/session"));
      } catch (error) {
        if (error instanceof Fault && error.status === 401) {
          return (staying > 0 && client.getQueryData<Schemas["SessionAnswer"]>(["session"])) || null;
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

/** All tabs of a browser share its cookie: when that became another's, what they show is not theirs any more. Told by
 * what is stored, for a message is lost when its sender goes to another page at once. */
const TOLD = "headwater-session";
window.addEventListener("storage", (event) => {
  if (event.key === TOLD) window.location.reload();
});
const tellTabs = () => localStorage.setItem(TOLD, String(Date.now()));

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
      if (!kept) return;
      tellTabs();
      window.location.replace(`/ui${to}`);
    },
  });
}

export function useSignOut() {
  return useMutation({
    mutationFn: () => told(api.DELETE("/v1/session")),
    onSuccess: () => {
      tellTabs();
      window.location.assign("/ui/sign-in");
    },
  });
}
