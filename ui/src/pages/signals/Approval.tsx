import { Alert, Group, Stack, Text } from "@mantine/core";
import { IconHourglass } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, told } from "@/api/client";
import { AdminButton } from "@/common/AdminButton";
import { FaultNote } from "@/common/Fault";
import { count } from "@/common/numbers";
import type { Signal } from "./queries";

/** What a draft is, and the way to make a signal of it; then what became of the events that waited. */
export function Approval({ signal }: { signal: Signal }) {
  const queries = useQueryClient();
  const approve = useMutation({
    mutationFn: () => told(api.POST("/v1/signals/{slug}/approve", { params: { path: { slug: signal.slug } } })),
    onSettled: async () => {
      await Promise.all([
        queries.invalidateQueries({ queryKey: ["signals"] }),
        queries.invalidateQueries({ queryKey: ["activity"] }),
      ]);
    },
  });
  const taken = approve.data?.replay;
  if (!signal.draft) {
    if (!taken) return null;
    const pending = approve.data?.pending;
    return (
      <Alert color={pending ? "yellow" : "teal"} p="sm" role="status">
        Approved. {count(taken.replayed)} of {count(taken.matched)} events that waited were taken.
        {pending && " Further ones are still to be stored: replay them later, on the page Rejected."}
      </Alert>
    );
  }
  return (
    <Alert icon={<IconHourglass aria-hidden />} color="yellow" p="sm" title="This signal waits for approval">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          It was made because an event named it. Its events are kept, and count for nothing; approve it, and they are
          taken. Archive it on the tab Settings, and further ones are refused.
        </Text>
        {approve.error && <FaultNote error={approve.error} what="Not all of it was done" />}
        <Group>
          <AdminButton onClick={() => approve.mutate()} loading={approve.isPending}>
            Approve
          </AdminButton>
        </Group>
      </Stack>
    </Alert>
  );
}
