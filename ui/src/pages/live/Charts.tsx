import { Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { memo, useMemo } from "react";
import { Chart, type Line } from "@/common/Chart";
import { count } from "@/common/numbers";
import { lasting } from "@/common/time";
import type { LaneNow } from "./feed";
import styles from "./live.module.css";
import { columns, type LaneName, type Point, type Series } from "./series";

const OUTCOMES = [
  { label: "Realtime", lane: "realtime", what: "processed", color: "teal-6" },
  { label: "Migration", lane: "migration", what: "processed", color: "grape-5" },
  { label: "Realtime rejected", lane: "realtime", what: "rejected", color: "red-6" },
  { label: "Migration rejected", lane: "migration", what: "rejected", color: "orange-6", dash: [4, 3] },
] as const;
const BACKLOGS = [
  { label: "Realtime", lane: "realtime", what: "backlog", color: "teal-6" },
  { label: "Migration", lane: "migration", what: "backlog", color: "grape-5" },
] as const;

type Props = { points: readonly Point[]; lanes: readonly LaneNow[]; minutes: number; height: number };

/** Events a second, and what waits, of both lanes: exact counts of the whole workspace, whatever is filtered. */
export const Charts = memo(function Charts({ points, lanes, minutes, height }: Props) {
  const series = useMemo(() => columns(points, minutes * 60), [points, minutes]);
  const rates = useMemo(() => linesOf(OUTCOMES, series), [series]);
  const backlogs = useMemo(() => linesOf(BACKLOGS, series), [series]);
  const newest = points.at(-1);
  const shared = { times: series.times, height, span: minutes * 60 };
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
      <Paper withBorder p="sm">
        <Title order={2} size="h6" mb={4}>
          Events a second
        </Title>
        <Chart
          {...shared}
          lines={rates}
          label={`Events a second over the last ${minutes} minutes, by lane and outcome`}
        />
        <Figures
          items={OUTCOMES.map(({ label, color, lane, what }) => ({
            label,
            color,
            value: count(newest?.lanes[lane]?.[what] ?? 0),
          }))}
        />
      </Paper>
      <Paper withBorder p="sm">
        <Title order={2} size="h6" mb={4}>
          Waiting to be stored
        </Title>
        <Chart {...shared} lines={backlogs} label={`Events that waited over the last ${minutes} minutes, by lane`} />
        <Figures
          items={BACKLOGS.map(({ label, color, lane }) => ({
            label,
            color,
            value: count(newest?.lanes[lane]?.backlog ?? 0),
            more: oldest(lanes.find((each) => each.lane === lane)),
          }))}
        />
      </Paper>
    </SimpleGrid>
  );
});

type Asked = { label: string; lane: LaneName; what: "processed" | "rejected" | "backlog"; color: string };

function linesOf(asked: readonly (Asked & { dash?: readonly number[] })[], series: Series): Line[] {
  return asked.map(({ label, lane, what, color, dash }) => ({
    label,
    color,
    values: series.of(lane, what),
    ...(dash ? { dash: [...dash] } : {}),
  }));
}

function oldest(lane: LaneNow | undefined): string {
  return lane && lane.backlog > 0 ? `oldest ${lasting(lane.age_seconds)}` : "nothing waits";
}

type Figure = { label: string; color: string; value: string; more?: string };

/** The newest figures, in places that do not move when they grow; they say what the colours mean, too. */
function Figures({ items }: { items: readonly Figure[] }) {
  return (
    <SimpleGrid cols={2} spacing="sm" verticalSpacing={2} mih="2.6rem">
      {items.map(({ label, color, value, more }) => (
        <Text key={label} size="xs" c="dimmed" className="tabular" component="div">
          <span aria-hidden className={styles.mark} style={{ background: `var(--mantine-color-${color})` }} />
          {label} <b>{value}</b>
          {more && <div>{more}</div>}
        </Text>
      ))}
    </SimpleGrid>
  );
}
