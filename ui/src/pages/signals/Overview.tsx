import { Anchor, Group, Paper, SegmentedControl, SimpleGrid, Skeleton, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Chart } from "@/common/Chart";
import { FaultNote } from "@/common/Fault";
import { Legend } from "@/common/Legend";
import { Ago, Moment } from "@/common/Moment";
import { count, share } from "@/common/numbers";
import { Id } from "@/common/Outside";
import { useKept } from "@/common/search";
import { type Fact, Facts } from "./Facts";
import { Nearness } from "./Nearness";
import { type Activity, type Signal, useActivity, useLimits } from "./queries";

/** What a signal is, and how busy. */
export function Overview({ signal }: { signal: Signal }) {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
      <About signal={signal} />
      <Busy slug={signal.slug} />
    </SimpleGrid>
  );
}

function About({ signal }: { signal: Signal }) {
  const limits = useLimits();
  const limit = limits.data?.data.find((each) => each.signal === signal.slug);
  const facts: Fact[] = [
    { term: "Slug", value: <Id id={signal.slug} what="slug" /> },
    { term: "Id", value: <Id id={signal.id} /> },
    { term: "Type", value: kindOf(signal) },
    { term: "Schema", value: schemaOf(signal) },
    { term: "Enforcement", value: enforcementOf(signal) },
    { term: "Limit, this minute", value: <Nearness signal={signal} limit={limit} loading={limits.isPending} /> },
    {
      term: "Duplicates",
      value: signal.dedupe_by ? "left out, by the event's reference" : "every event counts as one of its own",
    },
    {
      term: "Kept",
      value: signal.retention_days === null ? "for ever" : `${count(signal.retention_days)} days after it occurred`,
    },
    { term: "Made", value: <Moment at={signal.created_at} precision="whole" /> },
  ];
  return (
    <Paper withBorder p="md">
      <Title order={2} size="h4" mb="sm">
        What it is
      </Title>
      <Facts facts={facts} />
    </Paper>
  );
}

function kindOf(signal: Signal): string {
  if (signal.type === "metric") {
    const of = signal.value ? ` of ${signal.value}` : "";
    return `metric: ${signal.aggregation}${of} by the ${signal.period}`;
  }
  return signal.type === "state" ? `state: the newest ${signal.value}` : "event";
}

function schemaOf(signal: Signal): string {
  return signal.latest_version === null ? "none: any data is taken" : `version ${signal.latest_version}`;
}

function enforcementOf(signal: Signal): string {
  return signal.enforcement === "reject"
    ? "reject: what does not fit the schema is refused with 400"
    : "quarantine: what does not fit the schema is kept among the rejected";
}

const RANGES = [
  { value: "24", label: "24 hours" },
  { value: "168", label: "7 days" },
];

function Busy({ slug }: { slug: string }) {
  const [kept, keep] = useKept();
  const hours = kept.hours === "168" ? 168 : 24;
  const activity = useActivity(hours);
  return (
    <Paper withBorder p="md">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Activity by the hour
        </Title>
        <SegmentedControl
          size="xs"
          data={RANGES}
          value={String(hours)}
          onChange={(value) => keep({ hours: value === "24" ? undefined : value })}
          aria-label="How far back"
        />
      </Group>
      {activity.data ? (
        <Hours activity={activity.data} slug={slug} hours={hours} />
      ) : activity.error ? (
        <FaultNote error={activity.error} what="No activity to show" again={() => void activity.refetch()} />
      ) : (
        <Skeleton height={276} />
      )}
    </Paper>
  );
}

function Hours({ activity, slug, hours }: { activity: Activity; slug: string; hours: number }) {
  const seen = activity.data.find((each) => each.signal === slug);
  const none = Array.from({ length: hours }, () => 0);
  const [processed, rejected] = [seen?.processed ?? none, seen?.rejected ?? none];
  const begin = Date.parse(activity.from) / 1000;
  const times = processed.map((_, index) => begin + index * activity.step_seconds);
  const all = processed.map((value, index) => value + (rejected[index] ?? 0));
  const sum = (values: readonly number[]) => values.reduce((before, each) => before + each, 0);
  const [taken, wrong] = [sum(processed), sum(rejected)];
  const words = `${count(taken)} processed and ${count(wrong)} rejected in ${hours === 24 ? "24 hours" : "7 days"}`;
  return (
    <Stack gap="xs" mih={276}>
      <Legend
        items={[
          { label: "processed", color: "water-5", value: count(taken) },
          { label: "rejected", color: "red-6", value: `${count(wrong)} (${share(wrong, taken + wrong)})` },
        ]}
      />
      <Chart
        times={times}
        lines={[
          { label: "all", color: "water-5", values: all.map(some), bars: true },
          { label: "rejected", color: "red-6", values: rejected.map(some), bars: true },
        ]}
        label={`Events by the hour: ${words}`}
        height={200}
      />
      <Text size="sm" c="dimmed" component="div">
        {seen ? (
          <>
            Last received <Ago at={seen.last_received_at} />.{" "}
            {wrong > 0 && (
              <Anchor underline="always" component={Link} to="/rejected" search={{ signal: slug } as never}>
                Why some were rejected
              </Anchor>
            )}
          </>
        ) : (
          "Nothing was received in this time."
        )}
      </Text>
    </Stack>
  );
}

/** A bar of no height would still be drawn as a line. */
function some(value: number): number | null {
  return value > 0 ? value : null;
}
