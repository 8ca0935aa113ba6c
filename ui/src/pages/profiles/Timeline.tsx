import { Anchor, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, type Schemas, told } from "@/api/client";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { SignalLink, Status, spelled } from "@/common/marks";
import { Cut, shortened } from "@/common/Outside";
import { local } from "@/common/time";

type Event = Schemas["EventAnswer"];

/** What somebody did, newest first, by day. */
export function Timeline({ identity }: { identity: string }) {
  const pages = useInfiniteQuery({
    queryKey: ["profile", identity, "events"],
    queryFn: ({ pageParam }) =>
      told(
        api.GET("/v1/profiles/{key}/events", {
          params: { path: { key: identity }, query: { limit: 50, cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
  });
  if (pages.error && !pages.data) return <FaultNote error={pages.error} again={() => void pages.refetch()} />;
  if (!pages.data) return <Lines count={8} height={52} />;
  const events = pages.data.pages.flatMap((page) => page.data);
  if (events.length === 0) return <Empty title="No events">None names this profile any more.</Empty>;
  return (
    <Stack gap="md">
      {byDay(events).map(([day, those]) => (
        <Stack key={day} gap={6} component="section" aria-label={day}>
          <Text component="h2" fw={600} size="sm" m={0}>
            {day}
          </Text>
          {those.map((event) => (
            <Row key={event.id} event={event} />
          ))}
        </Stack>
      ))}
      {pages.hasNextPage && (
        <Button variant="default" onClick={() => void pages.fetchNextPage()} loading={pages.isFetchingNextPage}>
          Earlier events
        </Button>
      )}
    </Stack>
  );
}

function Row({ event }: { event: Event }) {
  return (
    <Paper withBorder px="sm" py={8}>
      <Group gap="sm" wrap="nowrap" justify="space-between">
        <Group gap={8} style={{ minWidth: 0 }}>
          <SignalLink slug={event.signal} width="12rem" />
          {event.status !== "processed" && <Status status={event.status} />}
          {event.reason && (
            <Text size="xs" c="dimmed">
              {spelled(event.reason)}
            </Text>
          )}
        </Group>
        <Anchor component={Link} to={`/events/${event.id}`} size="sm" title="The whole event">
          <Moment at={event.occurred_at} precision="second" />
        </Anchor>
      </Group>
      <Text size="xs" c="dimmed">
        <Cut text={inShort(event.data)} />
      </Text>
    </Paper>
  );
}

/** The beginning of what an event says, on one line. */
export function inShort(data: unknown): string {
  if (typeof data !== "object" || data === null) return shortened(JSON.stringify(data) ?? "");
  const parts = Object.entries(data).slice(0, 12);
  const text = parts.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return shortened(text.join(" · "));
}

function byDay(events: readonly Event[]): [string, Event[]][] {
  const days = new Map<string, Event[]>();
  for (const event of events) {
    const day = local(event.occurred_at, "day");
    const those = days.get(day);
    if (those) those.push(event);
    else days.set(day, [event]);
  }
  return [...days];
}
