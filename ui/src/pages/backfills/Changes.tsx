import { Anchor, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { SignalLink } from "@/common/marks";
import { count } from "@/common/numbers";
import { Cut } from "@/common/Outside";
import type { Preview } from "./queries";

type Props = { counts: boolean; changes: Preview["changes"] };

const figure = (value: number | null): string => (value === null ? "–" : count(value));

/** Profiles, metrics, states and cohorts with a backfill and without. */
export function Changes({ counts, changes }: Props) {
  const { profiles, metrics, states, cohorts } = changes;
  return (
    <Stack gap="md">
      <Title order={3} size="h5">
        {counts ? "What it has changed" : "What it would change"}
      </Title>
      <SimpleGrid cols={3} spacing="xs">
        <Big value={profiles.named} what="profiles its events name" />
        <Big value={profiles.new} what="of these are new" />
        <Big value={profiles.joined} what="are joined of several" />
      </SimpleGrid>
      <Figures what="Metrics, over all times" columns={["Metric", "Without it", "With it"]} none={metrics.length === 0}>
        {metrics.map((each) => (
          <Table.Tr key={each.signal}>
            <Table.Td>
              <SignalLink slug={each.signal} width="100%" />
              <Text size="xs" c="dimmed">
                {each.aggregation}
              </Text>
            </Table.Td>
            <Cell>{figure(each.without)}</Cell>
            <Cell>{figure(each.with)}</Cell>
          </Table.Tr>
        ))}
      </Figures>
      <Figures what="States" columns={["State", "Identities with another value"]} none={states.length === 0}>
        {states.map((each) => (
          <Table.Tr key={each.signal}>
            <Table.Td>
              <SignalLink slug={each.signal} width="100%" />
            </Table.Td>
            <Cell>{count(each.changed)}</Cell>
          </Table.Tr>
        ))}
      </Figures>
      <Figures
        what="Cohorts"
        columns={["Cohort", "Without it", "With it", "Enter", "Leave"]}
        none={cohorts.length === 0}
      >
        {cohorts.map((each) => (
          <Table.Tr key={each.id}>
            <Table.Td>
              <Anchor component={Link} to="/cohorts/$id" params={{ id: each.id } as never} size="sm">
                <Cut text={each.name} />
              </Anchor>
            </Table.Td>
            <Cell>{figure(each.without)}</Cell>
            <Cell>{figure(each.with)}</Cell>
            <Cell>{each.enter ? `+${count(each.enter)}` : figure(each.enter)}</Cell>
            <Cell>{each.leave ? `−${count(each.leave)}` : figure(each.leave)}</Cell>
          </Table.Tr>
        ))}
      </Figures>
      {cohorts.some((each) => each.with === null) && (
        <Text size="sm" c="dimmed">
          A dash: there was no time to look at that cohort. Look again when less is going on.
        </Text>
      )}
    </Stack>
  );
}

function Big({ value, what }: { value: number; what: string }) {
  return (
    <div>
      <Text size="xl" fw={600} className="tabular">
        {count(value)}
      </Text>
      <Text size="sm" c="dimmed">
        {what}
      </Text>
    </div>
  );
}

function Cell({ children }: { children: ReactNode }) {
  return (
    <Table.Td ta="right" className="tabular">
      {children}
    </Table.Td>
  );
}

type FiguresProps = { what: string; columns: readonly [string, ...string[]]; none: boolean; children: ReactNode };

function Figures({ what, columns: [name, ...figures], none, children }: FiguresProps) {
  return (
    <Stack gap={4}>
      <Title order={4} size="h6">
        {what}
      </Title>
      {none ? (
        <Text size="sm" c="dimmed">
          Nothing is otherwise.
        </Text>
      ) : (
        <Table.ScrollContainer minWidth={figures.length > 2 ? 440 : 280}>
          <Table aria-label={what}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">{name}</Table.Th>
                {figures.map((each) => (
                  <Table.Th key={each} scope="col" ta="right">
                    {each}
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>{children}</Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  );
}
