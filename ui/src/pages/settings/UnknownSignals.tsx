import "@mantine/core/styles/Switch.css";
import { Paper, Stack, Switch, Text, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import { useMay } from "@/api/session";
import { FaultNote } from "@/common/Fault";

/** What becomes of events whose signal there is not. */
export function UnknownSignals({ workspace }: { workspace: Schemas["WorkspaceAnswer"] }) {
  const queries = useQueryClient();
  const may = useMay("admin");
  const save = useMutation({
    mutationFn: (drafts: boolean) =>
      told(api.PATCH("/v1/workspace", { body: { unknown_signals: drafts ? "draft" : "refuse" } })),
    onSuccess: (saved) => queries.setQueryData(["workspace"], saved),
  });
  return (
    <Paper withBorder p="md">
      <Stack gap="sm">
        <Title order={2} size="h4">
          Events that nobody knows
        </Title>
        <Switch
          label="Make drafts of unknown signals"
          checked={workspace.unknown_signals === "draft"}
          disabled={!may || save.isPending}
          onChange={(event) => save.mutate(event.currentTarget.checked)}
        />
        <Text size="sm" c="dimmed">
          An event whose signal there is not is refused. With drafts it is kept instead, and its signal waits for
          approval on the page Signals; nothing counts until then. At most 200 may wait.
        </Text>
        {save.error && <FaultNote error={save.error} what="It was not saved" />}
      </Stack>
    </Paper>
  );
}
