import { Group, NativeSelect, Stack, Table, Text, Title, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Ago, Moment } from "@/common/Moment";
import { More } from "@/common/More";
import { Status } from "@/common/marks";
import { count } from "@/common/numbers";
import { Cut } from "@/common/Outside";
import { DeliveryDrawer } from "./DeliveryDrawer";
import { useDeliveries } from "./queries";
import { ReplayFailed } from "./ReplayFailed";
import { type Delivery, isWaiting, STATUSES, statusOf, type Webhook } from "./words";

const SHOWN = [{ value: "", label: "All" }, ...STATUSES.map((each) => ({ value: each, label: each }))];

/** The log: what was delivered, what waits, what failed. */
export function Deliveries({ webhook }: { webhook: Webhook }) {
  const [status, setStatus] = useState("");
  const [opened, open] = useState<string | null>(null);
  const [replaying, replay] = useState(false);
  const log = useDeliveries(webhook.id, statusOf(status));
  const known = log.data?.pages.flatMap((page) => page.data);
  return (
    <Stack gap="sm" component="section">
      <Group justify="space-between" align="flex-end">
        <div>
          <Title order={2} size="h4">
            Deliveries
          </Title>
          <Text size="sm" c="dimmed">
            Newest first, kept for 30 days.
          </Text>
        </div>
        <Group gap="xs" align="flex-end">
          <NativeSelect
            label="Status"
            data={SHOWN}
            value={status}
            onChange={(event) => setStatus(event.currentTarget.value)}
          />
          <AdminButton variant="default" onClick={() => replay(true)}>
            Replay failed
          </AdminButton>
        </Group>
      </Group>
      {known === undefined ? (
        log.error ? (
          <FaultNote error={log.error} what="No deliveries to show" again={() => void log.refetch()} />
        ) : (
          <Lines count={4} height={44} />
        )
      ) : known.length === 0 ? (
        <Text size="sm" c="dimmed">
          {status ? `None is ${status}.` : "Nothing was delivered yet: send a ping to see whether it works."}
        </Text>
      ) : (
        <>
          <Known deliveries={known} open={open} />
          <More of={log} />
        </>
      )}
      {opened && <DeliveryDrawer webhook={webhook} message={opened} close={() => open(null)} />}
      {replaying && <ReplayFailed webhook={webhook} close={() => replay(false)} />}
    </Stack>
  );
}

function Known({ deliveries, open }: { deliveries: readonly Delivery[]; open: (id: string) => void }) {
  return (
    <Table layout="fixed" highlightOnHover verticalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Delivery</Table.Th>
          <Table.Th scope="col" w="6.5rem">
            Status
          </Table.Th>
          <Table.Th scope="col" w="6rem" ta="right" visibleFrom="sm">
            Attempts
          </Table.Th>
          <Table.Th scope="col" w="11rem" ta="right" visibleFrom="md">
            Next attempt
          </Table.Th>
          <Table.Th scope="col" w="8rem" ta="right" visibleFrom="sm">
            Made
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {deliveries.map((each) => (
          <Table.Tr key={each.id}>
            <Table.Td>
              <UnstyledButton onClick={() => open(each.id)} c="var(--mantine-color-anchor)" fz="sm" maw="100%">
                <Cut text={each.type} />
              </UnstyledButton>
              <Text size="xs" c="dimmed" component="div">
                <Cut text={each.id} mono />
              </Text>
            </Table.Td>
            <Table.Td>
              <Status status={each.status} />
            </Table.Td>
            <Table.Td ta="right" className="tabular" visibleFrom="sm">
              {count(each.attempts)}
            </Table.Td>
            <Table.Td ta="right" visibleFrom="md">
              {isWaiting(each) && each.next_attempt_at ? <Moment at={each.next_attempt_at} /> : "–"}
            </Table.Td>
            <Table.Td ta="right" visibleFrom="sm">
              <Ago at={each.created_at} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
