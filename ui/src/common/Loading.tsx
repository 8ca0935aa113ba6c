import { Skeleton, Stack, VisuallyHidden } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useMemo } from "react";
import { FaultNote } from "./Fault";

/** Room for what comes, of the height that it will have. */
export function Lines({ count = 6, height = 36 }: { count?: number; height?: number }) {
  const keys = useMemo(() => Array.from({ length: count }, (_, index) => `line ${index}`), [count]);
  return (
    <Stack gap="xs" aria-busy="true">
      <VisuallyHidden>Loading</VisuallyHidden>
      {keys.map((key) => (
        <Skeleton key={key} height={height} />
      ))}
    </Stack>
  );
}

type Props<T> = {
  query: UseQueryResult<T, Error>;
  what: string;
  lines?: number;
  height?: number;
  children: (data: T) => ReactNode;
};

/** What a query gives, or that it is on its way, or why it does not come. What is known stays in sight. */
export function Loaded<T>({ query, what, lines, height, children }: Props<T>) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) {
    return <FaultNote error={query.error} what={`No ${what} to show`} again={() => void query.refetch()} />;
  }
  return <Lines {...(lines === undefined ? {} : { count: lines })} {...(height === undefined ? {} : { height })} />;
}
