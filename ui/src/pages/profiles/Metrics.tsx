import { Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import { Chart } from "@/common/Chart";
import { Empty } from "@/common/Empty";
import { Loaded } from "@/common/Loading";
import { SignalLink } from "@/common/marks";
import { count } from "@/common/numbers";

type Metric = Schemas["MetricOfProfile"];

/** Each metric of a profile over its last periods. */
export function Metrics({ identity, metrics }: { identity: string; metrics: Record<string, Metric> }) {
  const known = Object.entries(metrics);
  if (known.length === 0) return <Empty title="No metrics">A signal of type metric adds up numbers by period.</Empty>;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      {known.map(([slug, metric]) => (
        <One key={slug} identity={identity} slug={slug} metric={metric} />
      ))}
    </SimpleGrid>
  );
}

function One({ identity, slug, metric }: { identity: string; slug: string; metric: Metric }) {
  const periods = useQuery({
    queryKey: ["metric", slug, identity],
    queryFn: () =>
      told(api.GET("/v1/signals/{slug}/metrics", { params: { path: { slug }, query: { identity, limit: 366 } } })),
    refetchInterval: 15_000,
  });
  return (
    <Paper withBorder p="md" component="section">
      <Stack gap={4}>
        <Title order={2} size="h5">
          <SignalLink slug={slug} />
        </Title>
        <Text size="sm" c="dimmed">
          {metric.aggregation} by {metric.period}; this {metric.period}: {figure(metric.value)}
          {metric.total !== null && metric.total !== undefined && `; in all: ${figure(metric.total)}`}
        </Text>
        <Loaded query={periods} what="figures" lines={1} height={140}>
          {({ data }) => {
            const ordered = [...data].sort((a, b) => a.period_start.localeCompare(b.period_start));
            return (
              <Chart
                label={`${slug} by ${metric.period}: ${ordered.length} periods`}
                height={140}
                utc={metric.period !== "hour"}
                times={ordered.map((each) => Date.parse(each.period_start) / 1000)}
                lines={[{ label: slug, color: "water-5", values: ordered.map((each) => each.value), bars: true }]}
              />
            );
          }}
        </Loaded>
      </Stack>
    </Paper>
  );
}

function figure(value: unknown): string {
  return typeof value === "number" ? count(value) : value === null || value === undefined ? "none" : String(value);
}
