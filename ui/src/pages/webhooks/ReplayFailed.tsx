import { NativeSelect, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Confirm } from "@/common/Confirm";
import { replayFailed, useWebhookChange } from "./queries";
import type { Webhook } from "./words";

const HOUR = 3_600_000;
const SINCE = [
  { value: "1", label: "The last hour" },
  { value: "24", label: "The last day" },
  { value: "168", label: "The last 7 days" },
  { value: "720", label: "The last 30 days" },
];

/** Sends all again that failed, from a time on. */
export function ReplayFailed({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const [hours, setHours] = useState("24");
  const replay = useWebhookChange(replayFailed, close);
  const act = () => replay.mutate({ id: webhook.id, since: new Date(Date.now() - Number(hours) * HOUR).toISOString() });
  const shared = { opened: true, close, busy: replay.isPending, error: replay.error, act };
  return (
    <Confirm {...shared} title="Replay failed deliveries" verb="Replay" danger={false}>
      <Stack gap="sm">
        <Text size="sm">
          Each is sent again under its own webhook-id, so that a receiver that took it after all can tell.
        </Text>
        <NativeSelect
          label="Made in"
          data={SINCE}
          value={hours}
          onChange={(event) => setHours(event.currentTarget.value)}
        />
      </Stack>
    </Confirm>
  );
}
