import { ActionIcon, Group, Table, Text, Tooltip } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Cut } from "@/common/Outside";
import type { Dialect } from "./base";
import { type Draft, newKey, type Pick } from "./draft";
import { PlaceFields } from "./PlaceFields";
import type { Head } from "./table";

type Props = { head: Head; dialect: Dialect; draft: Draft; change: (draft: Draft) => void };

/** What each column becomes. */
export function Columns({ head, dialect, draft, change }: Props) {
  const put = (next: Pick) =>
    change({ ...draft, picks: draft.picks.map((each) => (each.key === next.key ? next : each)) });
  const another = (after: Pick) =>
    change({
      ...draft,
      picks: draft.picks.flatMap((each) =>
        each.key === after.key ? [each, { ...each, key: newKey(), path: "", type: "" as const }] : [each],
      ),
    });
  return (
    <Table layout="fixed" verticalSpacing="xs" aria-label="What each column becomes">
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col" w="36%">
            Column
          </Table.Th>
          <Table.Th scope="col">Becomes</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {draft.picks.map((pick) => (
          <Table.Tr key={pick.key} style={{ verticalAlign: "top" }}>
            <Table.Th scope="row">
              <Group gap={4} wrap="nowrap" justify="space-between">
                <Cut text={pick.column || "(no name)"} />
                {pick.path && (
                  <Tooltip label="Put this column in another place as well">
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      size="sm"
                      aria-label={`Another place for ${pick.column}`}
                      onClick={() => another(pick)}
                    >
                      <IconPlus size={14} />
                    </ActionIcon>
                  </Tooltip>
                )}
              </Group>
              <Text size="xs" c="dimmed" fw={400} component="div">
                <Cut text={sample(head, pick.column)} />
              </Text>
            </Table.Th>
            <Table.Td>
              <PlaceFields
                path={pick.path}
                type={pick.type}
                dialect={dialect}
                of={pick.column}
                none={draft.rest ? "With the rest" : "Leave out"}
                change={(place) => put({ ...pick, ...place })}
              />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** The first value that a column has. */
function sample(head: Head, column: string): string {
  const at = head.header.indexOf(column);
  if (at < 0) return "not in this file";
  return head.samples.map((row) => row[at]).find((value) => value?.trim()) ?? "empty";
}
