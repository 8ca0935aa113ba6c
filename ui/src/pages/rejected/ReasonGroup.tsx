import { Button, Group, Paper, Stack, Table, Text, Title, VisuallyHidden } from "@mantine/core";
import { useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { spelled } from "@/common/marks";
import { count } from "@/common/numbers";
import type { Filter, Group as Found } from "./groups";
import { KindRow } from "./KindRow";
import type { Asked } from "./ReplayDialog";

/** Signals drawn at first, and more each time; there may be thousands. */
const AT_ONCE = 50;

type Props = {
  group: Found;
  filter: Filter;
  /** What is shown is that of other filters still. */
  stale: boolean;
  opened: ReadonlySet<string>;
  turn: (kind: string) => void;
  ticked: ReadonlySet<string>;
  tick: (id: string, on: boolean) => void;
  open: (id: string) => void;
  replay: (asked: Asked) => void;
};

/** All that was rejected for one reason: what to do about it, and whose signals they are. */
export function ReasonGroup({ group, filter, stale, opened, turn, ticked, tick, open, replay }: Props) {
  const [most, setMost] = useState(AT_ONCE);
  const name = spelled(group.reason);
  const title = name.charAt(0).toUpperCase() + name.slice(1);
  const all = { ...filter, reason: group.reason as NonNullable<Filter["reason"]> };
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start" gap="sm">
          <div style={{ flex: "1 1 16rem", minWidth: 0 }}>
            <Title order={2} size="h4">
              {title}{" "}
              <Text span c="dimmed" className="tabular">
                {count(group.events)}
              </Text>
            </Title>
            <Text size="sm" c="dimmed">
              {group.hint}
            </Text>
          </div>
          <AdminButton
            size="xs"
            variant="light"
            disabled={stale}
            onClick={() => replay({ filter: all, what: `all that is: ${name}`, events: group.events })}
          >
            Replay all {count(group.events)}
          </AdminButton>
        </Group>
        <Table layout="fixed" verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Signal</Table.Th>
              <Table.Th scope="col" w="5rem" ta="end">
                Events
              </Table.Th>
              <Table.Th scope="col" w="9rem" visibleFrom="md">
                Newest
              </Table.Th>
              <Table.Th scope="col" w="34%" visibleFrom="md">
                What was wrong with it
              </Table.Th>
              <Table.Th scope="col" w="11rem" visibleFrom="xs">
                <VisuallyHidden>What to do</VisuallyHidden>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {group.kinds.slice(0, most).map((kind) => (
              <KindRow
                key={kind.signal}
                kind={kind}
                filter={filter}
                stale={stale}
                opened={opened.has(`${kind.reason} ${kind.signal}`)}
                turn={turn}
                ticked={ticked}
                tick={tick}
                open={open}
                replay={replay}
              />
            ))}
          </Table.Tbody>
        </Table>
        {group.kinds.length > most && (
          <div>
            <Button size="xs" variant="default" onClick={() => setMost(most + AT_ONCE)}>
              More
            </Button>
          </div>
        )}
      </Stack>
    </Paper>
  );
}
