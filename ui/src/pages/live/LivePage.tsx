import { Button, Group, SegmentedControl, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { count } from "@/common/numbers";
import { Page } from "@/common/Page";
import { useKept } from "@/common/search";
import { Charts } from "./Charts";
import { EventList } from "./EventList";
import { Filters } from "./Filters";
import { FirstEvents } from "./FirstEvents";
import type { Feed } from "./feed";
import { LinkState } from "./LinkState";
import { useLive, type Wanted } from "./useLive";
import { usePauseKey } from "./usePauseKey";

const EventDrawer = lazy(async () => ({ default: (await import("./EventDrawer")).EventDrawer }));

/** What comes in and what becomes of it, as it happens. */
export function LivePage() {
  const [kept, keep] = useKept();
  const { signal, status, lane, identity, event } = kept;
  const live = useLive({ signal, status, lane, identity } as Wanted);
  const { feed, change, before } = live;
  const narrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [paused, setPaused] = useState(false);
  const [reading, setReading] = useState(false);
  const toggle = useCallback(() => setPaused((now) => !now), []);
  const newest = useCallback(() => setPaused(false), []);
  const open = useCallback((id: string) => keep({ event: id }), [keep]);
  usePauseKey(toggle, event === undefined);

  const held = paused || reading || event !== undefined;
  useEffect(() => change({ type: "hold", held }), [change, held]);

  const frozen = useFrozen({ points: live.points, lanes: live.lanes }, paused);
  const minutes = kept.minutes === "15" ? 15 : 5;
  const filtered = [signal, status, lane, identity].some(Boolean);
  const nothing = before.isSuccess && feed.rows.length === 0 && feed.missed === 0;
  const any = useQuery({
    queryKey: ["events", "any"],
    queryFn: () => told(api.GET("/v1/events", { params: { query: { limit: 1 } } })),
    enabled: nothing && !filtered,
  });
  const empty = nothing && !filtered && any.data?.data.length === 0;
  const charts = <Charts {...frozen} minutes={minutes} height={narrow ? 90 : 120} />;
  const loading = before.isPending || (nothing && !filtered && any.isPending);
  return (
    <Page
      title="Live"
      about="What comes in, and what becomes of it."
      actions={
        <>
          <LinkState link={live.link} paused={paused} />
          <SegmentedControl
            size="xs"
            aria-label="Time that the charts show"
            data={[
              { value: "5", label: "5 min" },
              { value: "15", label: "15 min" },
            ]}
            value={String(minutes)}
            onChange={(value) => keep({ minutes: value === "15" ? value : undefined })}
          />
          <Button
            size="xs"
            w="6.5rem"
            variant={paused ? "filled" : "default"}
            leftSection={paused ? <IconPlayerPlay size={14} aria-hidden /> : <IconPlayerPause size={14} aria-hidden />}
            onClick={toggle}
            aria-keyshortcuts="p"
            title="Key: p"
          >
            {paused ? "Resume" : "Pause"}
          </Button>
        </>
      }
    >
      {live.fault && live.link === "refused" && <FaultNote error={live.fault} what="Nothing is told live" />}
      {!narrow && charts}
      <Filters kept={kept} keep={keep} narrow={narrow ?? false} />
      {empty ? (
        <FirstEvents />
      ) : (
        <div>
          <EventList
            rows={feed.rows}
            missed={feed.missed}
            narrow={narrow ?? false}
            selected={event}
            none={<None loading={loading} error={before.error} />}
            open={open}
            reading={setReading}
            newest={newest}
          />
          <Told feed={feed} />
        </div>
      )}
      {narrow && charts}
      <Suspense fallback={null}>
        {event !== undefined && <EventDrawer id={event} close={() => keep({ event: undefined })} open={open} />}
      </Suspense>
    </Page>
  );
}

function None({ loading, error }: { loading: boolean; error: Error | null }) {
  if (loading) return <Lines count={7} height={24} />;
  if (error) return <FaultNote error={error} what="No events to show" />;
  return "No event fits yet. Those that come and do are shown here.";
}

/** What the list does not show, so that nobody takes it for all there is. */
function Told({ feed }: { feed: Feed }) {
  const { matched, listed, sampled } = feed.second;
  const rate = matched > listed ? `${sampled ? "About " : ""}${count(matched)} came in the last second` : "";
  return (
    <Group justify="space-between" gap="xs" mt={6} mih="1.3rem">
      <Text size="xs" c="dimmed" className="tabular">
        {rate ? `${rate}, ${count(listed)} of them are listed` : "Enter opens an event, p pauses"}
      </Text>
      <Text size="xs" c="dimmed" className="tabular">
        {count(feed.rows.length)} listed
      </Text>
    </Group>
  );
}

/** The value as it was when it froze. */
function useFrozen<T>(value: T, frozen: boolean): T {
  const last = useRef(value);
  if (!frozen) last.current = value;
  return last.current;
}
