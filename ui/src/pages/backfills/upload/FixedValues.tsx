import { ActionIcon, Button, Group, NativeSelect, Paper, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import type { Dialect } from "./base";
import { type Draft, type Fixed, newKey } from "./draft";
import { DATA } from "./mapping";
import { PlaceFields } from "./PlaceFields";

type Props = { dialect: Dialect; draft: Draft; signals: readonly string[]; change: (draft: Draft) => void };

/** What is the same in every event, and where all other columns go. */
export function FixedValues({ dialect, draft, signals, change }: Props) {
  const put = (next: Fixed) =>
    change({ ...draft, fixed: draft.fixed.map((each) => (each.key === next.key ? next : each)) });
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        The same in every event
      </Title>
      {draft.fixed.length === 0 && (
        <Text size="sm" c="dimmed">
          Nothing. The name of the signal, for instance, where no column tells it.
        </Text>
      )}
      {draft.fixed.map((each, at) => (
        <Paper key={each.key} withBorder p="xs">
          <Group gap={6} align="flex-start" wrap="nowrap">
            <Stack gap={6} style={{ flex: 1, minWidth: 0 }}>
              <PlaceFields
                path={each.path}
                type={each.type}
                dialect={dialect}
                of={`value ${at + 1}`}
                none="Choose a field"
                change={(place) => put({ ...each, ...place })}
              />
              <Value fixed={each} at={at + 1} signals={signals} put={put} />
            </Stack>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove value ${at + 1}`}
              onClick={() => change({ ...draft, fixed: draft.fixed.filter(({ key }) => key !== each.key) })}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </Group>
        </Paper>
      ))}
      <div>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() =>
            change({ ...draft, fixed: [...draft.fixed, { key: newKey(), path: "", type: "", value: "" }] })
          }
        >
          Add a value
        </Button>
      </div>
      <TextInput
        label="All other columns"
        description={`A path below which they go under their own names, as ${DATA[dialect]}. Empty: they are left out.`}
        value={draft.rest}
        onChange={(event) => change({ ...draft, rest: event.currentTarget.value.trim() })}
        placeholder={DATA[dialect]}
        spellCheck={false}
        autoComplete="off"
      />
    </Stack>
  );
}

type ValueProps = { fixed: Fixed; at: number; signals: readonly string[]; put: (fixed: Fixed) => void };

/** A signal is picked from those that there are. */
function Value({ fixed, at, signals, put }: ValueProps) {
  if ((fixed.path === "eventName" || fixed.path === "signal") && signals.length > 0) {
    const known = fixed.value === "" || signals.includes(fixed.value) ? signals : [fixed.value, ...signals];
    return (
      <NativeSelect
        label={`The signal of every event`}
        value={fixed.value}
        onChange={(event) => put({ ...fixed, value: event.currentTarget.value })}
        data={[{ value: "", label: "Choose a signal" }, ...known.map((slug) => ({ value: slug, label: slug }))]}
      />
    );
  }
  return (
    <TextInput
      label={fixed.path ? `${fixed.path} of every event` : `Value ${at}`}
      value={fixed.value}
      onChange={(event) => put({ ...fixed, value: event.currentTarget.value })}
      autoComplete="off"
    />
  );
}
