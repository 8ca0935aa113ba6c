import "@mantine/core/styles/Progress.css";
import { Button, Group, Modal, NativeSelect, Progress, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { FaultNote } from "@/common/Fault";
import { count } from "@/common/numbers";
import type { Filter } from "./groups";
import { RunOutcome } from "./RunOutcome";
import { type Lane, useReplay } from "./useReplay";

export type Asked = {
  filter: Filter;
  /** What is to be replayed, for people. */
  what: string;
  events: number;
};

const LANES = [
  { value: "", label: "Automatic: realtime where the date fits, else migration" },
  { value: "realtime", label: "Realtime: only recent dates pass" },
  { value: "migration", label: "Migration: every date passes" },
];

/** First says what would become of them, then does it. `close` is told whether anything was done. */
export function ReplayDialog({ asked, close }: { asked: Asked; close: (ran: boolean) => void }) {
  const [lane, setLane] = useState<Lane | null>(null);
  const { run, begin, stop, forget } = useReplay(asked.filter);
  const busy = run?.busy ?? false;
  const broken = run !== null && !busy && run.outcome !== null && run.outcome.next !== null;
  const done = run !== null && !run.dry && !busy && run.error === null && !broken;
  const leave = () => close(run !== null && !run.dry && run.outcome !== null);
  return (
    <Modal opened onClose={leave} title={`Replay ${asked.what}`} size="lg">
      <Stack gap="md">
        <Text size="sm">
          {count(asked.events)} {asked.events === 1 ? "event is" : "events are"} judged by what holds now: the signal as
          it is, and the newest version of its schema. Those that pass are taken, each under its own id; the others stay
          here. It is safe to run twice: no event is taken more than once.
        </Text>
        <NativeSelect
          label="Lane"
          data={LANES}
          value={lane ?? ""}
          disabled={busy || done}
          onChange={(event) => {
            setLane((event.currentTarget.value || null) as Lane | null);
            forget();
          }}
        />
        <div aria-live="polite">
          {run?.outcome && <RunOutcome run={run} outcome={run.outcome} />}
          {busy && (
            <Group mt="sm" wrap="nowrap">
              <Progress
                value={(100 * (run?.outcome?.matched ?? 0)) / Math.max(1, asked.events)}
                animated
                flex={1}
                aria-label="How far it has come"
              />
              <Text size="sm" className="tabular">
                {count(run?.outcome?.matched ?? 0)} of {count(asked.events)}
              </Text>
            </Group>
          )}
          {broken && !run.error && (
            <Text size="sm" mt="xs">
              Stopped after {count(run.outcome?.matched ?? 0)} events. What was done until then stays done.
            </Text>
          )}
        </div>
        {run?.error && <FaultNote error={run.error} what="It broke off; going on loses nothing" />}
        <Group justify="flex-end">
          {busy ? (
            <Button variant="default" onClick={stop}>
              Stop
            </Button>
          ) : (
            <Button variant="default" onClick={leave}>
              {done ? "Close" : "Cancel"}
            </Button>
          )}
          {!done && (
            <>
              <AdminButton
                variant="light"
                loading={busy && run?.dry === true}
                disabled={busy}
                onClick={() => void begin(true, lane)}
              >
                {broken && run.dry ? "Go on with the dry run" : "Dry run"}
              </AdminButton>
              <AdminButton loading={busy && run?.dry === false} disabled={busy} onClick={() => void begin(false, lane)}>
                {broken && !run.dry ? "Go on" : "Replay"}
              </AdminButton>
            </>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}
