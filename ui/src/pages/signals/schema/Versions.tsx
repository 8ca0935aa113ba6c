import { Button, Group, NativeSelect, Paper, Stack, Table, Text, Title, VisuallyHidden } from "@mantine/core";
import { useState } from "react";
import { Moment } from "@/common/Moment";
import { count } from "@/common/numbers";
import type { Version } from "../queries";
import { DiffView } from "./DiffView";
import { fieldsOf } from "./fields";
import type { JsonObject } from "./json";

type Props = { versions: readonly Version[]; edited: JsonObject | undefined; edit: (version: Version) => void };

const EDITED = "edited";
const AT_FIRST = 10;

/** What was published, newest first, and what changed between any two. */
export function Versions({ versions, edited, edit }: Props) {
  const [most, setMost] = useState(AT_FIRST);
  const newest = versions.toReversed();
  return (
    <Paper withBorder p="md">
      <Stack gap="sm">
        <Title order={2} size="h4">
          Versions
        </Title>
        {versions.length === 0 ? (
          <Text size="sm" c="dimmed">
            None is published: any data is taken.
          </Text>
        ) : (
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">Version</Table.Th>
                <Table.Th scope="col">Published</Table.Th>
                <Table.Th scope="col" visibleFrom="sm" ta="right">
                  Fields
                </Table.Th>
                <Table.Th scope="col">
                  <VisuallyHidden>Actions</VisuallyHidden>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {newest.slice(0, most).map((version) => (
                <Table.Tr key={version.version}>
                  <Table.Td className="tabular">
                    {version.version}
                    {version === newest[0] && " (latest)"}
                  </Table.Td>
                  <Table.Td>
                    <Moment at={version.created_at} />
                  </Table.Td>
                  <Table.Td visibleFrom="sm" ta="right" className="tabular">
                    {count(fieldsOf(version.schema as JsonObject).length)}
                  </Table.Td>
                  <Table.Td ta="right">
                    <Button
                      size="compact-sm"
                      variant="subtle"
                      onClick={() => edit(version)}
                      aria-label={`Edit from version ${version.version}`}
                    >
                      Edit
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
        {newest.length > most && (
          <Group>
            <Button variant="default" size="xs" onClick={() => setMost(newest.length)}>
              All {count(newest.length)}
            </Button>
          </Group>
        )}
        {versions.length > 0 && <Compare versions={newest} edited={edited} />}
      </Stack>
    </Paper>
  );
}

function Compare({ versions, edited }: { versions: readonly Version[]; edited: JsonObject | undefined }) {
  const [from, setFrom] = useState<string>();
  const [to, setTo] = useState<string>();
  const data = versions.map((each) => ({ value: String(each.version), label: `Version ${each.version}` }));
  const candidates = edited ? [{ value: EDITED, label: "What is being edited" }, ...data] : data;
  const of = (value: string | undefined) =>
    value === EDITED
      ? edited
      : (versions.find((each) => String(each.version) === value)?.schema as JsonObject | undefined);
  const [latest, before] = versions;
  const one = from ?? String((before ?? latest)?.version ?? "");
  const other = to ?? String(latest?.version ?? "");
  const [old, now] = [of(one), of(other)];
  return (
    <Stack gap="sm" component="section" aria-label="Differences">
      <Title order={3} size="h5">
        Differences
      </Title>
      <Group grow maw={420}>
        <NativeSelect
          label="From"
          data={candidates}
          value={one}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <NativeSelect
          label="To"
          data={candidates}
          value={other}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
      </Group>
      {old && now && <DiffView old={old} now={now} />}
    </Stack>
  );
}
