import { Group, Paper, SegmentedControl, Skeleton, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, told } from "@/api/client";
import { Chart } from "@/common/Chart";
import { FaultNote } from "@/common/Fault";
import { Legend } from "@/common/Legend";
import { count } from "@/common/numbers";
import { barsOf, linesOf, type Step } from "./steps";

type Length = "hour" | "day";

const STEPS: Record<Length, number> = { hour: 48, day: 60 };
const MS: Record<Length, number> = { hour: 3_600_000, day: 86_400_000 };
const LIVE_MS = 5_000;

/** How the size went, and how many entered and left in each hour or day. */
export function History({ id, size }: { id: string; size: number | null }) {
  const [length, setLength] = useState<Length>("hour");
  const history = useQuery({
    queryKey: ["cohorts", "history", id, length],
    queryFn: ({ signal }) => {
      const from = new Date(Date.now() - (STEPS[length] - 1) * MS[length]).toISOString();
      const query = { step: length, from };
      return told(api.GET("/v1/cohorts/{id}/history", { params: { path: { id }, query }, signal }));
    },
    enabled: size !== null,
    refetchInterval: LIVE_MS,
  });
  const steps = history.data?.data;
  return (
    <Paper withBorder p="md" component="section" aria-label="History" mih={300}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="sm" c="dimmed">
          Entered and left
        </Title>
        <SegmentedControl
          size="xs"
          aria-label="Length of a step"
          value={length}
          onChange={(value) => setLength(value as Length)}
          data={[
            { value: "hour", label: "By hour" },
            { value: "day", label: "By day" },
          ]}
        />
      </Group>
      {steps ? (
        <Drawn steps={steps} length={length} />
      ) : history.error ? (
        <FaultNote error={history.error} what="No history to show" />
      ) : (
        <Skeleton height={220} />
      )}
    </Paper>
  );
}

function Drawn({ steps, length }: { steps: readonly Step[]; length: Length }) {
  const lines = useMemo(() => linesOf(steps, MS[length] / 1000), [steps, length]);
  const bars = useMemo(() => barsOf(steps, MS[length] / 1000), [steps, length]);
  const entered = steps.reduce((sum, step) => sum + step.entered, 0);
  const left = steps.reduce((sum, step) => sum + step.left, 0);
  const size = steps.at(-1)?.size ?? 0;
  return (
    <>
      <Chart
        times={lines.times}
        lines={lines.lines}
        height={110}
        label={`Size, now ${count(size)}`}
        utc={length === "day"}
      />
      <Chart
        times={bars.times}
        lines={bars.lines}
        height={90}
        utc={length === "day"}
        label={`${count(entered)} entered and ${count(left)} left`}
      />
      <Legend
        items={[
          { label: "Size", color: "water-6", value: count(size) },
          { label: "Entered", color: "teal-6", value: count(entered) },
          { label: "Left", color: "orange-6", value: count(left) },
        ]}
      />
      <Text size="xs" c="dimmed" mt={4}>
        Known from the moment on when the cohort was made; its first members did not enter, they were there.
      </Text>
    </>
  );
}
