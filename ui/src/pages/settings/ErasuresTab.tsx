import { Badge, Stack, Table, Text, Title } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, type Schemas, told } from "@/api/client";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { More } from "@/common/More";
import { count } from "@/common/numbers";
import { Id, Outside } from "@/common/Outside";

type Erasure = Schemas["ErasureAnswer"];

function useErasures() {
  return useInfiniteQuery({
    queryKey: ["erasures"],
    queryFn: ({ pageParam }) => {
      const query = { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) };
      return told(api.GET("/v1/erasures", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.data.some((each) => each.status !== "done")) ? 3_000 : 30_000,
  });
}

/** People who were erased, and how far that is. */
export function ErasuresTab() {
  const erasures = useErasures();
  const known = erasures.data?.pages.flatMap((page) => page.data);
  return (
    <Stack gap="md">
      <div>
        <Title order={2} size="h4">
          Erasures
        </Title>
        <Text size="sm" c="dimmed">
          People whose every event was taken out: from the store, the log, cohorts, and backups that are restored. It is
          not kept who they were. One is begun on a person's profile.
        </Text>
      </div>
      {erasures.error && (
        <FaultNote error={erasures.error} what="No erasures to show" again={() => void erasures.refetch()} />
      )}
      {erasures.isPending && <Lines count={4} height={44} />}
      {known?.length === 0 && (
        <Empty title="Nobody was erased">
          When a person asks for it, open the profile and choose “Erase”. It is done in some minutes and shown here.
        </Empty>
      )}
      {known && known.length > 0 && <ErasureTable erasures={known} />}
      <More of={erasures} />
    </Stack>
  );
}

function ErasureTable({ erasures }: { erasures: readonly Erasure[] }) {
  return (
    <Table verticalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Erasure</Table.Th>
          <Table.Th scope="col">Status</Table.Th>
          <Table.Th scope="col" ta="right" visibleFrom="sm">
            Identities
          </Table.Th>
          <Table.Th scope="col" ta="right" visibleFrom="sm">
            Events
          </Table.Th>
          <Table.Th scope="col" visibleFrom="md">
            Asked for
          </Table.Th>
          <Table.Th scope="col" visibleFrom="md">
            Done
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {erasures.map((each) => (
          <Table.Tr key={each.id}>
            <Table.Td maw="12rem">
              <Id id={each.id} />
            </Table.Td>
            <Table.Td>
              <Badge variant="light" color={each.status === "done" ? "teal" : "orange"} tt="none">
                {each.status}
              </Badge>
              {each.step && (
                <Text size="xs" c="dimmed">
                  step: {each.step}
                </Text>
              )}
              {each.failure && (
                <Text size="xs" c="var(--mantine-color-error)" component="div">
                  It is tried again: <Outside text={each.failure} />
                </Text>
              )}
            </Table.Td>
            <Table.Td ta="right" visibleFrom="sm" className="tabular">
              {count(each.identities)}
            </Table.Td>
            <Table.Td ta="right" visibleFrom="sm" className="tabular">
              {count(each.events)}
            </Table.Td>
            <Table.Td visibleFrom="md">
              <Moment at={each.requested_at} />
            </Table.Td>
            <Table.Td visibleFrom="md">{each.done_at ? <Moment at={each.done_at} /> : "–"}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
