import { Alert, Anchor, Stack, Table, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconInfoCircle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Moment } from "@/common/Moment";
import { Status } from "@/common/marks";
import { count } from "@/common/numbers";
import { Outside } from "@/common/Outside";
import type { Check } from "./checking";

/** What became of the newest events under a schema that is tried. */
export function CheckReport({ check }: { check: Check }) {
  if (check.checked === 0) {
    return (
      <Alert color="gray" icon={<IconInfoCircle aria-hidden />} role="status">
        There are no events of this signal yet to try it on.
      </Alert>
    );
  }
  if (check.failed === 0) {
    return (
      <Alert color="teal" icon={<IconCheck aria-hidden />} role="status">
        All of the newest {count(check.checked)} events fit.
      </Alert>
    );
  }
  return (
    <Stack gap="xs">
      <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} role="status">
        {count(check.failed)} of the newest {count(check.checked)} events would not fit; {count(check.passed)} would.
      </Alert>
      <Text size="sm" fw={500}>
        {check.faults.length < check.failed ? `The newest ${check.faults.length} that fail` : "Those that fail"}
      </Text>
      <Faults faults={check.faults} />
    </Stack>
  );
}

function Faults({ faults }: Pick<Check, "faults">) {
  return (
    <Table verticalSpacing={6} style={{ tableLayout: "fixed" }}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col" w="9.5rem" visibleFrom="sm">
            Occurred
          </Table.Th>
          <Table.Th scope="col">Why</Table.Th>
          <Table.Th scope="col" w="6.5rem">
            Event
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {faults.map((fault) => (
          <Table.Tr key={fault.event_id}>
            <Table.Td visibleFrom="sm">
              <Moment at={fault.occurred_at} />
            </Table.Td>
            <Table.Td>
              <Outside text={fault.path} mono /> <Outside text={fault.message} />
            </Table.Td>
            <Table.Td>
              <Stack gap={2} align="flex-start">
                <Status status={fault.status} />
                <Anchor
                  component={Link}
                  to="/events/$id"
                  params={{ id: fault.event_id } as never}
                  size="sm"
                  target="_blank"
                  aria-label={`Look at it: event ${fault.event_id}, in a new tab`}
                >
                  Look at it
                </Anchor>
              </Stack>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
