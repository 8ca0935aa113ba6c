import { Stack, Table, Text } from "@mantine/core";
import { spelled } from "@/common/marks";
import { count } from "@/common/numbers";
import { Outside } from "@/common/Outside";
import { plain } from "./groups";
import { lanesOf, type Outcome } from "./outcome";
import type { Run } from "./useReplay";

/** What a replay came to, or would come to. */
export function RunOutcome({ run, outcome }: { run: Run; outcome: Outcome }) {
  return (
    <Stack gap="xs">
      <Text fw={600}>{headline(run, outcome)}</Text>
      {outcome.would_pass > 0 && (
        <Text size="sm">
          {run.dry ? "They would go" : "They went"} {lanesOf(outcome, count)}.
        </Text>
      )}
      {outcome.already > 0 && (
        <Text size="sm">Somebody else replayed {count(outcome.already)} of them in the same moment.</Text>
      )}
      {outcome.failing.length > 0 && (
        <Table layout="fixed" verticalSpacing={6} captionSide="top">
          <Table.Caption ta="start">Why the others do not pass, and what to do about it</Table.Caption>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Why</Table.Th>
              <Table.Th scope="col" w="35%">
                Signal
              </Table.Th>
              <Table.Th scope="col" w="5rem" ta="end">
                Events
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {outcome.failing.map((each) => (
              <Table.Tr key={`${each.reason} ${each.signal}`}>
                <Table.Td>
                  <Text size="sm">{spelled(each.reason)}</Text>
                  <Text size="xs" c="dimmed" component="div">
                    {each.detail && (
                      <div>
                        <Outside text={each.detail} />
                      </div>
                    )}
                    {plain(each.hint)}
                  </Text>
                </Table.Td>
                <Table.Td>
                  <Outside text={each.signal} />
                </Table.Td>
                <Table.Td ta="end" className="tabular">
                  {count(each.events)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Stack>
  );
}

function headline({ dry }: Run, { matched, would_pass, replayed }: Outcome): string {
  if (matched === 0) return "None of them is rejected any more.";
  if (dry) return `Of ${count(matched)}, ${count(would_pass)} would pass now.`;
  return `Of ${count(matched)}, ${count(replayed)} ${replayed === 1 ? "was" : "were"} replayed.`;
}
