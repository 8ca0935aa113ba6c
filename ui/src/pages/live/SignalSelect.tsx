import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, told } from "@/api/client";
import type { ChooseSignal } from "./Filters";

type Props = ChooseSignal & { focused: boolean };

/** `focused`: it takes the place of something that had the focus. */
export function SignalSelect({ value, choose, focused }: Props) {
  const query = useQuery({
    queryKey: ["signals", "slugs"],
    queryFn: () => told(api.GET("/v1/signals", { params: { query: { limit: 1000 } } })),
    staleTime: 60_000,
  });
  const slugs = query.data?.data.map((signal) => signal.slug) ?? [];
  const known = value && !slugs.includes(value) ? [value, ...slugs] : slugs;
  return (
    <Select
      label="Signal"
      placeholder="Any"
      searchable
      autoFocus={focused}
      clearable
      clearButtonProps={{ "aria-label": "Any signal" }}
      limit={100}
      nothingFoundMessage="No such signal"
      data={known}
      value={value ?? null}
      onChange={(slug) => choose(slug ?? undefined)}
    />
  );
}
