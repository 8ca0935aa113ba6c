import { Button, Center, Stack, Table, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Chart } from "@/common/Chart";
import { Legend } from "@/common/Legend";
import { SignalLink } from "@/common/marks";
import { count } from "@/common/numbers";
import type { Preview } from "./queries";

const AT_FIRST = 15;

/** Its events by the day on which they occurred: as bars, and as figures by signal. */
export function Days({ days }: { days: Preview["days"] }) {
  const [most, setMost] = useState(AT_FIRST);
  if (days.length === 0) return <Text size="sm">There are no events in it yet.</Text>;
  const bars = byDay(days);
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        By signal and day
      </Title>
      {bars.length > 1 && (
        <>
          <Chart
            label={`Events by day, ${bars.length} days`}
            height={140}
            utc
            times={bars.map((bar) => Date.parse(bar.day) / 1000)}
            lines={[
              { label: "events", color: "water-5", values: bars.map((bar) => bar.events), bars: true },
              { label: "rejected", color: "red-6", values: bars.map((bar) => bar.rejected), bars: true },
            ]}
          />
          <Legend
            items={[
              { label: "events", color: "water-5" },
              { label: "rejected", color: "red-6" },
            ]}
          />
        </>
      )}
      <Table layout="fixed" aria-label="Events by signal and day">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col" w="7rem">
              Day, UTC
            </Table.Th>
            <Table.Th scope="col">Signal</Table.Th>
            <Table.Th scope="col" ta="right" w="5.5rem">
              Events
            </Table.Th>
            <Table.Th scope="col" ta="right" w="5.5rem" visibleFrom="xs">
              Rejected
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {days.slice(0, most).map((each) => (
            <Table.Tr key={`${each.day} ${each.signal}`}>
              <Table.Td className="tabular">{each.day}</Table.Td>
              <Table.Td>
                <SignalLink slug={each.signal} width="100%" />
              </Table.Td>
              <Table.Td ta="right" className="tabular">
                {count(each.events)}
              </Table.Td>
              <Table.Td ta="right" className="tabular" visibleFrom="xs">
                {count(each.rejected)}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {days.length > most && (
        <Center>
          <Button variant="default" size="compact-sm" onClick={() => setMost(most + 200)}>
            More ({count(days.length - most)} left)
          </Button>
        </Center>
      )}
      {days.length >= 1000 && (
        <Text size="sm" c="dimmed">
          The newest 1,000 rows; there may be earlier days.
        </Text>
      )}
    </Stack>
  );
}

type Bar = { day: string; events: number; rejected: number };

function byDay(days: Preview["days"]): Bar[] {
  const found = new Map<string, Bar>();
  for (const { day, events, rejected } of days) {
    const bar = found.get(day) ?? { day, events: 0, rejected: 0 };
    bar.events += events;
    bar.rejected += rejected;
    found.set(day, bar);
  }
  return [...found.values()].sort((one, other) => one.day.localeCompare(other.day));
}
