import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { api, told } from "@/api/client";
import { AdminButton } from "@/common/AdminButton";
import { Empty } from "@/common/Empty";
import { Loaded } from "@/common/Loading";
import { count } from "@/common/numbers";
import { Page } from "@/common/Page";
import { useKept } from "@/common/search";
import { Filters } from "./Filters";
import { type Filter, grouped } from "./groups";
import { ReasonGroup } from "./ReasonGroup";
import { type Asked, ReplayDialog } from "./ReplayDialog";
import styles from "./rejected.module.css";

const EventDrawer = lazy(async () => ({ default: (await import("@/pages/live/EventDrawer")).EventDrawer }));

/** Events that a replay may name one by one. */
const MOST_TICKED = 1_000;

/** What was acknowledged and could not count, why, and how it is taken after all. */
export function RejectedPage() {
  const [kept, keep] = useKept();
  const { signal, backfill, from, to } = kept;
  const filter: Filter = { reason: kept.reason as Filter["reason"], signal, backfill, from, to };
  const filtered = Object.values(filter).some(Boolean);
  const summary = useQuery({
    queryKey: ["rejected", "summary", filter],
    queryFn: () => told(api.GET("/v1/rejected/summary", { params: { query: filter as never } })),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });
  const stale = summary.isPlaceholderData; // of the filters before: nothing to be replayed by
  const [opened, turn] = useTurned();
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [asked, replay] = useState<Asked>();
  const open = (id: string) => keep({ event: id });
  const tick = (id: string, on: boolean) =>
    setTicked((known) => {
      const others = [...known].filter((each) => each !== id);
      return new Set(on && known.size < MOST_TICKED ? [...others, id] : others);
    });

  return (
    <Page
      title="Rejected"
      about="Events that were acknowledged but could not count as they stood. They are kept: mend the cause, then replay them."
      actions={
        <AdminButton
          disabled={!summary.data?.events || stale}
          onClick={() =>
            replay({
              filter,
              what: filtered ? "all that fit the filters" : "everything",
              events: summary.data?.events ?? 0,
            })
          }
        >
          {filtered ? "Replay all that fit" : "Replay all"}
        </AdminButton>
      }
    >
      <Filters kept={kept} keep={keep} />
      <Loaded query={summary} what="rejected events" lines={5} height={140}>
        {({ data, events }) =>
          events === 0 ? (
            <Nothing filtered={filtered} />
          ) : (
            <Stack gap="md" style={{ opacity: stale ? 0.6 : 1 }} aria-busy={stale}>
              <Text size="sm" c="dimmed" className="tabular">
                {count(events)} rejected {events === 1 ? "event" : "events"}
                {filtered ? " that fit" : ""}
              </Text>
              {grouped(data).map((group) => (
                <ReasonGroup
                  key={group.reason}
                  {...{ group, filter, stale, opened, turn, ticked, tick, open, replay }}
                />
              ))}
            </Stack>
          )
        }
      </Loaded>
      {ticked.size > 0 && (
        <Paper withBorder p="sm" className={styles.bar ?? ""}>
          <Group justify="space-between">
            <Text size="sm" role="status">
              {count(ticked.size)} ticked
            </Text>
            <Group gap="xs">
              <Button size="xs" variant="default" onClick={() => setTicked(new Set())}>
                Untick
              </Button>
              <AdminButton
                size="xs"
                onClick={() =>
                  replay({ filter: { ids: [...ticked] }, what: "those that are ticked", events: ticked.size })
                }
              >
                Replay ticked
              </AdminButton>
            </Group>
          </Group>
        </Paper>
      )}
      {asked && (
        <ReplayDialog
          asked={asked}
          close={(ran) => {
            if (ran && asked.filter.ids) setTicked(new Set());
            replay(undefined);
          }}
        />
      )}
      <Suspense fallback={null}>
        {kept.event && <EventDrawer id={kept.event} close={() => keep({ event: undefined })} open={open} />}
      </Suspense>
    </Page>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  if (filtered) return <Empty title="Nothing that is rejected fits these filters" />;
  return (
    <Empty title="Nothing is rejected">
      Every event that was acknowledged counts. One that does not fit its signal's schema, lacks its metric's number or
      has a date that its lane does not take would be kept here, with the reason and what to do about it.
    </Empty>
  );
}

/** Which groups are unfolded. */
function useTurned(): [ReadonlySet<string>, (name: string) => void] {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const turn = (name: string) =>
    setOpened((known) => new Set(known.has(name) ? [...known].filter((each) => each !== name) : [...known, name]));
  return [opened, turn];
}
