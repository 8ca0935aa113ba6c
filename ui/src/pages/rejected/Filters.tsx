import { NativeSelect, SimpleGrid, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { api, told } from "@/api/client";
import { spelled } from "@/common/marks";
import { Clear, SignalFilter } from "@/pages/live/Filters";
import type { Search } from "@/router";
import { REASONS } from "./groups";

type Props = { kept: Search; keep: (change: Search) => void };

const NOTHING = { reason: undefined, signal: undefined, backfill: undefined, from: undefined, to: undefined };

/** Which rejected events are meant: for what is shown, and for what is replayed. */
export function Filters({ kept, keep }: Props) {
  const backfills = useQuery({
    queryKey: ["backfills", "names"],
    queryFn: () => told(api.GET("/v1/backfills", { params: { query: { limit: 1000 } } })),
    staleTime: 60_000,
  });
  const named = (backfills.data?.data ?? []).map(({ id, name }) => ({ value: id, label: name }));
  const some = Object.keys(NOTHING).some((name) => kept[name]);
  return (
    <search aria-label="Filters">
      <SimpleGrid cols={{ base: 2, md: 3, lg: 6 }} spacing="sm" verticalSpacing="xs">
        <NativeSelect
          label="Reason"
          data={[{ value: "", label: "Any" }, ...REASONS.map((value) => ({ value, label: spelled(value) }))]}
          value={kept.reason ?? ""}
          onChange={(event) => keep({ reason: event.currentTarget.value || undefined })}
        />
        <SignalFilter value={kept.signal} choose={(signal) => keep({ signal })} />
        <NativeSelect
          label="Backfill"
          data={[{ value: "", label: "Any, or none" }, ...named]}
          value={kept.backfill ?? ""}
          onChange={(event) => keep({ backfill: event.currentTarget.value || undefined })}
        />
        <Time label="Occurred from" value={kept.from} choose={(from) => keep({ from })} />
        <Time label="Occurred before" value={kept.to} choose={(to) => keep({ to })} />
        <Clear shown={some} clear={() => keep(NOTHING)} />
      </SimpleGrid>
    </search>
  );
}

type TimeProps = { label: string; value: string | undefined; choose: (iso: string | undefined) => void };

/** A moment in the viewer's zone, kept in UTC. */
function Time({ label, value, choose }: TimeProps) {
  const before = useRef(""); // as the browser spells it: who only passes by changes nothing
  return (
    <TextInput
      key={value ?? ""}
      type="datetime-local"
      step="any"
      label={label}
      defaultValue={value ? inZone(value) : ""}
      onFocus={(event) => {
        before.current = event.currentTarget.value;
      }}
      onBlur={(event) => {
        if (event.currentTarget.value === before.current) return;
        const at = new Date(event.currentTarget.value);
        const iso = Number.isNaN(at.getTime()) ? undefined : at.toISOString();
        if (iso !== value) choose(iso);
      }}
    />
  );
}

/** As a `datetime-local` input wants it; empty for what is no moment. */
function inZone(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 23);
  return local.replace(/\.000$/, "").replace(/(T\d\d:\d\d):00$/, "$1");
}
