import { Badge, Group, Tooltip } from "@mantine/core";
import { Status } from "@/common/marks";
import type { Backfill } from "./queries";

/** What is the matter with a backfill, in a word or two. */
export function State({ backfill }: { backfill: Backfill }) {
  return (
    <Group gap={6}>
      <Status status={backfill.status} />
      {backfill.held && !backfill.reverted_at && (
        <Tooltip label="Its events count for nobody until it is released.">
          <Badge variant="light" color="grape" tt="none" tabIndex={0}>
            held
          </Badge>
        </Tooltip>
      )}
      {backfill.day && (
        <Tooltip label={DAY}>
          <Badge variant="outline" color="gray" tt="none" tabIndex={0}>
            standing
          </Badge>
        </Tooltip>
      )}
    </Group>
  );
}

export const DAY =
  "Of one UTC day: it was made by itself, for events that say isMigration and name no backfill. What comes on another " +
  "day joins another one.";
