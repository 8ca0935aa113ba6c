import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Search } from "@/router";

/** What the page keeps in its address, and a way to change some of it. Going back undoes it. */
export function useKept(): [Search, (change: Search) => void] {
  const kept = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const keep = useCallback(
    (change: Search) =>
      void navigate({
        to: ".",
        search: ((old: Search) => ({ ...old, ...change })) as never,
        replace: false,
        resetScroll: false,
      }),
    [navigate],
  );
  return [kept, keep];
}
