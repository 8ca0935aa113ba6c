import { Button, Group, Paper, SegmentedControl, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useMemo, useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { FaultNote } from "@/common/Fault";
import { Loaded } from "@/common/Loading";
import { count } from "@/common/numbers";
import { type Signal, useVersions, type Version } from "../queries";
import { CheckReport } from "./CheckReport";
import { useCheck, useInference } from "./checking";
import { Changes } from "./DiffView";
import { FieldsForm } from "./FieldsForm";
import { JsonEditor } from "./JsonEditor";
import { type JsonObject, pretty, type Read, read, same } from "./json";
import { PublishDialog } from "./PublishDialog";
import { summary } from "./summary";
import { Versions } from "./Versions";

const EMPTY: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {},
};

/** What is being edited; undefined: the latest version, as it is. */
export type Edited = { text: string | undefined; edit: (text: string | undefined) => void };
type Props = { signal: Signal } & Edited;

/** The next version of a signal's schema, and those before. */
export function SchemaTab({ signal, text, edit }: Props) {
  const versions = useVersions(signal.slug);
  return (
    <Loaded query={versions} what="versions" lines={10} height={48}>
      {(known) => <Editing signal={signal} versions={known} text={text} edit={edit} />}
    </Loaded>
  );
}

function Editing({ signal, versions, text, edit }: Props & { versions: readonly Version[] }) {
  const latest = versions.at(-1)?.schema as JsonObject | undefined;
  const now = text ?? pretty(latest ?? EMPTY);
  const found = useMemo(() => read(now), [now]);
  return (
    <Stack gap="md">
      <Paper withBorder p="md">
        <Stack gap="md">
          <Group justify="space-between" align="flex-end">
            <div>
              <Title order={2} size="h4">
                Version {versions.length + 1}
              </Title>
              <Text size="sm" c="dimmed">
                What an event's data must be (JSON Schema). Nothing holds before it is published.
              </Text>
            </div>
            <Beginnings slug={signal.slug} latest={latest} edit={edit} />
          </Group>
          <Editors text={now} found={found} edit={edit} />
          <Next
            signal={signal}
            found={found}
            latest={latest}
            version={versions.length + 1}
            published={() => edit(undefined)}
          />
        </Stack>
      </Paper>
      <Versions
        versions={versions}
        edited={found.value}
        edit={(version) => edit(pretty(version.schema as JsonObject))}
      />
    </Stack>
  );
}

function Beginnings({ slug, latest, edit }: { slug: string; latest: JsonObject | undefined; edit: Edited["edit"] }) {
  const inference = useInference(slug);
  const words = inference.data
    ? inference.data.events > 0
      ? `Made from the newest ${count(inference.data.events)} events: look it over, they may not show everything.`
      : "There are no events to look at yet."
    : "";
  return (
    <Stack gap={4}>
      <Group gap="xs">
        <Text size="sm" c="dimmed">
          Start from
        </Text>
        <Button size="xs" variant="default" onClick={() => edit(undefined)}>
          {latest ? "the latest version" : "an empty schema"}
        </Button>
        <Button
          size="xs"
          variant="default"
          loading={inference.isPending}
          onClick={() => inference.mutate(undefined, { onSuccess: ({ schema }) => edit(pretty(schema)) })}
        >
          the newest events
        </Button>
      </Group>
      <Text size="xs" c="dimmed" role="status">
        {inference.error ? inference.error.message : words}
      </Text>
    </Stack>
  );
}

/** The same schema as fields and as text, side by side where there is room. */
function Editors({ text, found, edit }: { text: string; found: Read; edit: Edited["edit"] }) {
  const wide = useMediaQuery("(min-width: 80em)", undefined, { getInitialValueInEffect: false });
  const [shown, setShown] = useState("fields");
  const form = (
    <section aria-label="Schema as fields" style={{ minWidth: 0 }}>
      {found.value ? (
        <FieldsForm node={found.value} change={(schema) => edit(pretty(schema))} inside="" levels={4} />
      ) : (
        <Text size="sm" c="dimmed">
          The text cannot be read just now, so there are no fields to show. Mend line {found.fault.line} first.
        </Text>
      )}
    </section>
  );
  const json = <JsonEditor text={text} change={edit} fault={found.fault} label="Schema as JSON" />;
  if (wide) {
    return (
      <SimpleGrid cols={2} spacing="md">
        {form}
        {json}
      </SimpleGrid>
    );
  }
  return (
    <Stack gap="sm">
      <SegmentedControl
        value={shown}
        onChange={setShown}
        data={[
          { value: "fields", label: "Fields" },
          { value: "json", label: "JSON" },
        ]}
        aria-label="How the schema is shown"
      />
      {shown === "json" ? json : form}
    </Stack>
  );
}

type NextProps = {
  signal: Signal;
  found: Read;
  latest: JsonObject | undefined;
  version: number;
  published: () => void;
};

/** What the new version changes, whether recent events fit it, and the way to publish it. */
function Next({ signal, found, latest, version, published }: NextProps) {
  const check = useCheck(signal.slug);
  const [asked, setAsked] = useState<JsonObject>();
  const schema = found.value;
  const isAbout = check.variables === schema; // a report on another text says nothing of this one
  const isNew = schema !== undefined && !(latest && same(latest, schema));
  return (
    <Stack gap="sm">
      {schema && latest && isNew && (
        <div>
          <Text size="sm" fw={500} mb={4}>
            Against version {version - 1}
          </Text>
          <Changes changes={summary(latest, schema)} />
        </div>
      )}
      {isAbout && check.error && (
        <FaultNote error={check.error} what="It could not be checked" again={() => schema && check.mutate(schema)} />
      )}
      {isAbout && check.data && <CheckReport check={check.data} />}
      <Group justify="flex-end">
        <Text size="sm" c="dimmed">
          {schema && !isNew ? "As the latest version: nothing to publish." : ""}
        </Text>
        <Button
          variant="default"
          disabled={!schema}
          loading={isAbout && check.isPending}
          onClick={() => schema && check.mutate(schema)}
        >
          Check against recent events
        </Button>
        <AdminButton disabled={!isNew} onClick={() => setAsked(schema)}>
          Publish…
        </AdminButton>
      </Group>
      {asked && (
        <PublishDialog
          signal={signal}
          schema={asked}
          version={version}
          close={() => setAsked(undefined)}
          done={() => {
            setAsked(undefined);
            published();
          }}
        />
      )}
    </Stack>
  );
}
