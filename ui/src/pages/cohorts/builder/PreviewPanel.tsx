import { Group, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import { FaultNote } from "@/common/Fault";
import { Identities } from "@/common/marks";
import { count } from "@/common/numbers";
import type { usePreview } from "../queries";
import classes from "./builder.module.css";

import { FAULT_COLOR } from "./Faulty";

type Props = { preview: ReturnType<typeof usePreview>; left: number; subject: string; placed: boolean };

/** How many would be in, and some of them. */
export function PreviewPanel({ preview, left, subject, placed }: Props) {
  const { known, busy, error } = preview;
  const stale = known !== null && preview.stale;
  return (
    <Paper withBorder p="md" component="section" aria-label="Preview" mih={320}>
      <Stack gap="xs">
        <Group justify="space-between" h={22}>
          <Title order={2} size="sm" c="dimmed">
            In it now
          </Title>
          {busy && <Loader size={14} aria-label="Counting" />}
        </Group>
        <div className={stale ? classes.stale : undefined} aria-live="polite">
          <Text fz={34} fw={650} lh={1.1} className="tabular" data-size={stale ? undefined : known?.size}>
            {known ? count(known.size) : "–"}
          </Text>
          <Text size="sm" c="dimmed">
            {known ? things(known.size, subject) : busy ? "Counting…" : "Nothing to count yet"}
          </Text>
        </div>
        <Text size="sm" mih={21}>
          {left > 0 && <Left count={left} />}
        </Text>
        {error && !placed && <FaultNote error={error} what="This cannot be counted" />}
        {error && placed && (
          <Text size="sm" c={FAULT_COLOR}>
            One condition is refused: see its row.
          </Text>
        )}
        {known && known.sample.length > 0 && (
          <div className={stale ? classes.stale : undefined}>
            <Title order={3} size="xs" c="dimmed" mb={4}>
              Some of them
            </Title>
            <Stack gap={4}>
              {known.sample.map((each) => (
                <Identities key={each.profile_id} identities={each.identities} most={1} />
              ))}
            </Stack>
          </div>
        )}
      </Stack>
    </Paper>
  );
}

export function Left({ count: number }: { count: number }) {
  return (
    <>
      {number === 1 ? "1 condition is not complete" : `${count(number)} conditions are not complete`}, and left out
      here.
    </>
  );
}

/** “people”, “accounts”: what a cohort's size counts. */
export function things(size: number, subject: string): string {
  if (subject === "person") return size === 1 ? "person" : "people";
  return size === 1 ? subject : `${subject}s`;
}
