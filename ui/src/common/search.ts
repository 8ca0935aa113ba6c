import { useDebouncedCallback } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Search } from "@/router";

export type Keep = (change: Search, how?: { replace: boolean }) => void;

/** What the page keeps in its address, and a way to change some of it. Going back undoes it, unless it replaces. */
export function useKept(): [Search, Keep] {
  const kept = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const keep = useCallback(
    (change: Search, { replace } = { replace: false }) =>
      void navigate({
        to: ".",
        search: ((old: Search) => ({ ...old, ...change })) as never,
        replace,
        resetScroll: false,
      }),
    [navigate],
  );
  return [kept, keep];
}

/**
 * The text that is searched for, kept in the address as `q` so many milliseconds after the last letter, without making
 * every letter a page to go back to. What changes `q` otherwise (going back, a link) changes the text.
 */
export function useTyped(wait = 0): [string, (text: string) => void] {
  const [{ q = "" }, keep] = useKept();
  const [text, setText] = useState(q);
  /** What the address has by typing: all that was written and may not have come yet. */
  const written = useRef([q]);
  const write = useDebouncedCallback((typed: string) => {
    if (typed === written.current.at(-1)) return;
    written.current.push(typed);
    keep({ q: typed || undefined }, { replace: true });
  }, wait);
  useEffect(() => {
    const at = written.current.lastIndexOf(q);
    written.current = at < 0 ? [q] : written.current.slice(at);
    if (at >= 0) return;
    write.cancel(); // what was being typed was for the page before
    setText(q);
  }, [q, write]);
  const type = (typed: string) => {
    setText(typed);
    write(typed.trim());
    if (wait === 0) write.flush();
  };
  return [text, type];
}
