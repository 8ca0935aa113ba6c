import "@mantine/core/styles/Progress.css";
import { Alert, Progress as Bar, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { IconCheck, IconPlayerPause, IconPlayerPlay, IconX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { useNow } from "@/common/Moment";
import { count } from "@/common/numbers";
import { Cut, Outside } from "@/common/Outside";
import { lasting } from "@/common/time";
import { RefusedRows } from "./RefusedRows";
import type { Phase, Progress, Upload } from "./upload";

const TITLES: Record<Phase, string> = {
  looking: "Looking at the file",
  running: "Sending",
  paused: "Paused",
  done: "All is sent",
  stopped: "It could not go on",
  cancelled: "Cancelled",
};

type Props = { upload: Upload; leave: () => void };

/** How far an upload is, and what became of its rows. */
export function Sending({ upload, leave }: Props) {
  const progress = useSyncExternalStore(upload.subscribe, upload.snapshot);
  const queries = useQueryClient();
  const ended = ["done", "stopped", "cancelled"].includes(progress.phase);
  useEffect(() => {
    if (ended) void queries.invalidateQueries({ queryKey: ["backfills"] });
  }, [ended, queries]);
  return (
    <Paper withBorder p="md">
      <Stack gap="sm">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <div style={{ minWidth: 0 }}>
            <Text fw={600} role="status">
              {TITLES[progress.phase]}
            </Text>
            <Cut text={upload.plan.file.name} />
          </div>
          <Controls upload={upload} phase={progress.phase} leave={leave} />
        </Group>
        <Bar value={share(progress)} aria-label="How much of the file is sent" color={colorOf(progress.phase)} />
        <Text size="sm" c="dimmed" className="tabular" mih={22} component="div">
          <Figures progress={progress} />
        </Text>
        <Why progress={progress} />
        {progress.phase === "done" && (
          <Text size="sm">
            {count(progress.taken)} of {count(progress.rows)} rows were taken
            {progress.duplicates > 0 && `, ${count(progress.duplicates)} of them known by their reference before`}. They
            are stored within moments; what they change is in the preview.
          </Text>
        )}
        {progress.refused > 0 && <RefusedRows upload={upload} total={progress.refused} />}
      </Stack>
    </Paper>
  );
}

const share = ({ at, total }: Progress): number => (total > 0 ? Math.min(100, (100 * at) / total) : 100);

function colorOf(phase: Phase): string {
  return phase === "stopped" ? "red" : phase === "done" ? "teal" : "water";
}

function Figures({ progress }: { progress: Progress }) {
  const { phase, rows, seconds, at, total } = progress;
  if (phase === "looking") return `${Math.floor(share(progress))} % read, to know it again`;
  const speed = seconds > 0.3 ? rows / seconds : 0;
  const left = seconds > 1 && at > 0 ? (seconds * (total - at)) / at : 0;
  const parts = [`${count(rows)} rows`];
  if (speed > 0) parts.push(`${count(Math.round(speed))} events/s`);
  if (phase === "running" && left > 1) parts.push(`about ${lasting(left)} left`);
  return parts.join(" · ");
}

function Why({ progress }: { progress: Progress }) {
  const now = useNow(1000);
  if (progress.phase === "stopped") {
    return (
      <Alert color="red" role="alert">
        <Outside text={progress.why} />
      </Alert>
    );
  }
  if (progress.phase === "cancelled") {
    return (
      <Text size="sm">
        What was taken stays in the backfill. To go on, choose the same file again; to take it back, revert the
        backfill.
      </Text>
    );
  }
  if (!progress.waiting || progress.phase === "done") return null;
  const seconds = Math.max(0, Math.round((progress.waiting.until - now) / 1000));
  return (
    <Alert color="yellow" p="xs" role="status">
      waiting {seconds} s: <Outside text={progress.waiting.why} />
      {progress.waiting.why.startsWith("rate limit") && (
        <Text size="sm">
          A history is seldom worth waiting for a limit by the minute: take it off on the signal's page while this
          loads.
        </Text>
      )}
    </Alert>
  );
}

function Controls({ upload, phase, leave }: { upload: Upload; phase: Phase; leave: () => void }) {
  if (["done", "stopped", "cancelled"].includes(phase)) {
    return (
      <Button variant="default" leftSection={<IconCheck size={16} aria-hidden />} onClick={leave}>
        Another file
      </Button>
    );
  }
  return (
    <Group gap="xs">
      {phase === "paused" ? (
        <Button leftSection={<IconPlayerPlay size={16} aria-hidden />} onClick={() => upload.resume()}>
          Resume
        </Button>
      ) : (
        <Button
          variant="default"
          leftSection={<IconPlayerPause size={16} aria-hidden />}
          disabled={phase === "looking"}
          onClick={() => upload.pause()}
        >
          Pause
        </Button>
      )}
      <Button
        variant="default"
        color="red"
        leftSection={<IconX size={16} aria-hidden />}
        onClick={() => upload.cancel()}
      >
        Cancel
      </Button>
    </Group>
  );
}
