import "@mantine/core/styles/Switch.css";
import { Button, Group, Paper, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api, told } from "@/api/client";
import { AdminButton } from "@/common/AdminButton";
import { Confirm } from "@/common/Confirm";
import { FaultNote } from "@/common/Fault";
import { Outside } from "@/common/Outside";
import { useDraft } from "@/common/useDraft";
import { draftOf, faultsOf, patchOf } from "./draft";
import type { Signal } from "./queries";
import { Measures, RateLimit, Rules } from "./SignalFields";

/** How a signal is handled, to be changed; and the way to end it. */
export function SettingsTab({ signal }: { signal: Signal }) {
  return (
    <Stack gap="md" maw={720}>
      <Change key={signal.id} signal={signal} />
      <Archive signal={signal} />
    </Stack>
  );
}

function Change({ signal }: { signal: Signal }) {
  const { from, draft, patch, changed, change, begin } = useDraft(signal, draftOf, patchOf);
  const queries = useQueryClient();
  const faults = faultsOf(draft, from);
  const save = useMutation({
    mutationFn: () => told(api.PATCH("/v1/signals/{slug}", { params: { path: { slug: signal.slug } }, body: patch })),
    onSuccess: async (saved) => {
      queries.setQueryData(["signals", "one", signal.slug], saved);
      begin(saved);
      await Promise.all([
        queries.invalidateQueries({ queryKey: ["signals"] }),
        queries.invalidateQueries({ queryKey: ["limits"] }),
      ]);
    },
  });
  const ready = changed && Object.keys(faults).length === 0;
  const shared = { draft, change, faults };
  return (
    <Paper withBorder p="md">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) save.mutate();
        }}
      >
        <Stack gap="md">
          <div>
            <Title order={2} size="h4">
              How it is handled
            </Title>
            <Text size="sm" c="dimmed">
              Changes hold from the next request on. Events that were taken already keep what they were given.
            </Text>
          </div>
          <TextInput
            label="Name"
            value={draft.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
            error={faults.name}
            maxLength={200}
          />
          <Switch
            label="Active"
            description="The events of an inactive signal are refused."
            checked={draft.active}
            onChange={(event) => change({ active: event.currentTarget.checked })}
          />
          <Measures {...shared} />
          <RateLimit {...shared} />
          <Rules {...shared} />
          {save.error && <FaultNote error={save.error} what="It was not saved" />}
          <Group justify="flex-end">
            <Text size="sm" c="dimmed" role="status">
              {changed ? "Not saved yet" : save.isSuccess ? "Saved" : ""}
            </Text>
            <Button variant="default" disabled={!changed} onClick={() => begin(signal)}>
              Undo
            </Button>
            <AdminButton type="submit" disabled={!ready} loading={save.isPending}>
              Save
            </AdminButton>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

function Archive({ signal }: { signal: Signal }) {
  const [opened, { open, close }] = useDisclosure();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const archive = useMutation({
    mutationFn: () => told(api.DELETE("/v1/signals/{slug}", { params: { path: { slug: signal.slug } } })),
    onSuccess: () => {
      void navigate({ to: "/signals" });
      void queries.invalidateQueries({ queryKey: ["signals", "all"] });
    },
  });
  return (
    <Paper withBorder p="md">
      <Title order={2} size="h4">
        Archive
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Its events are refused from the next request on, and it leaves the lists. What was stored stays. This cannot be
        undone, and its slug is never given again; to stop it for a while, make it inactive instead.
      </Text>
      <AdminButton color="red" variant="light" onClick={open}>
        Archive this signal
      </AdminButton>
      <Confirm
        opened={opened}
        close={close}
        title="Archive this signal?"
        verb="Archive"
        typed={signal.slug}
        busy={archive.isPending}
        error={archive.error}
        act={() => archive.mutate()}
      >
        Senders of <Outside text={signal.slug} mono /> get errors from now on. Cohorts that look at it see no new
        events.
      </Confirm>
    </Paper>
  );
}
