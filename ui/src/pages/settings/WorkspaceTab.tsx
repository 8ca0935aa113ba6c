import "@mantine/core/styles/NumberInput.css";
import { Group, NumberInput, Paper, Stack, Text, Textarea, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import { AdminButton } from "@/common/AdminButton";
import { FaultNote } from "@/common/Fault";
import { Loaded } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { count } from "@/common/numbers";
import { Id, Outside } from "@/common/Outside";
import { useDraft } from "@/common/useDraft";
import { Facts } from "@/pages/signals/Facts";
import { UnknownSignals } from "./UnknownSignals";
import { draftOf, linesOf, patchOf } from "./workspace";

type Workspace = Schemas["WorkspaceAnswer"];

/** The workspace, and how it tells people apart. */
export function WorkspaceTab() {
  const workspace = useQuery({ queryKey: ["workspace"], queryFn: () => told(api.GET("/v1/workspace")) });
  return (
    <Loaded query={workspace} what="workspace" lines={6} height={64}>
      {(known) => (
        <Stack gap="md" maw={720}>
          <Paper withBorder p="md">
            <Title order={2} size="h4" mb="sm">
              This workspace
            </Title>
            <Facts
              facts={[
                { term: "Name", value: <Outside text={known.name} /> },
                { term: "Id", value: <Id id={known.id} /> },
                { term: "Made", value: <Moment at={known.created_at} precision="whole" /> },
              ]}
            />
          </Paper>
          <People workspace={known} />
          <UnknownSignals workspace={known} />
        </Stack>
      )}
    </Loaded>
  );
}

function People({ workspace }: { workspace: Workspace }) {
  const { draft, patch, changed, change, begin } = useDraft(workspace, draftOf, patchOf);
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => told(api.PATCH("/v1/workspace", { body: patch })),
    onSuccess: (saved) => {
      queries.setQueryData(["workspace"], saved);
      begin(saved);
    },
  });
  return (
    <Paper withBorder p="md">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (changed) save.mutate();
        }}
      >
        <Stack gap="md">
          <div>
            <Title order={2} size="h4">
              How people are told apart
            </Title>
            <Text size="sm" c="dimmed">
              Profiles and cohorts follow within a second; after a change of the list below, once all events have been
              looked at anew.
            </Text>
          </div>
          <TextInput
            label="Default region"
            description="Where phone numbers without a country code are from: two letters, as IN. Empty: such numbers cannot be read."
            value={draft.region}
            onChange={(event) => change({ region: event.currentTarget.value.toUpperCase() })}
            maxLength={2}
            maw={360}
            autoComplete="off"
          />
          <Textarea
            label="Never connect"
            description="E-mail addresses, phone numbers, or identities as type:id that many people give, one a line: they never make two people one."
            value={draft.never}
            onChange={(event) => change({ never: event.currentTarget.value })}
            rows={6}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--outside-font)" } }}
          />
          <Text size="xs" c="dimmed" mt={-10}>
            {count(linesOf(draft.never).length)} of at most 1,000
          </Text>
          <NumberInput
            label="Most identities of one profile"
            description="A profile that would have more is not joined further: from 2 to 1,000."
            value={draft.most}
            onChange={(most) => change({ most: typeof most === "number" ? most : "" })}
            min={2}
            max={1000}
            allowDecimal={false}
            maw={360}
          />
          {save.error && <FaultNote error={save.error} what="It was not saved" />}
          <Group justify="flex-end">
            <Text size="sm" c="dimmed" role="status">
              {changed ? "Not saved yet" : save.isSuccess ? "Saved" : ""}
            </Text>
            <AdminButton type="submit" disabled={!changed} loading={save.isPending}>
              Save
            </AdminButton>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}
