import "@mantine/core/styles/Checkbox.css";
import { Button, Checkbox, Group, Stack, Table, Text, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { keyOf } from "@/common/marks";
import { Cut, Outside } from "@/common/Outside";
import { local, utc } from "@/common/time";
import { type Filter, type Kind, type Reason, wrongWith } from "./groups";
import styles from "./rejected.module.css";

const PAGE = 10;

type Props = {
  kind: Kind;
  filter: Filter;
  ticked: ReadonlySet<string>;
  tick: (id: string, on: boolean) => void;
  open: (id: string) => void;
};

/** The events of one group, newest first by when they occurred, to look at and to tick. */
export function Samples({ kind, filter, ticked, tick, open }: Props) {
  const query = useInfiniteQuery({
    queryKey: ["rejected", "events", kind.reason, kind.signal, filter],
    queryFn: ({ pageParam }) => {
      const { backfill, from, to } = filter;
      const asked = { backfill, from, to, reason: kind.reason as Reason, signal: kind.signal };
      return told(api.GET("/v1/rejected", { params: { query: { ...asked, limit: PAGE, cursor: pageParam } } }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
  if (query.error && !query.data) return <FaultNote error={query.error} what="No events to show" />;
  if (!query.data) return <Lines count={4} height={28} />;
  const events = query.data.pages.flatMap((page) => page.data);
  return (
    <Stack gap="xs" className={styles.samples ?? ""}>
      <Table layout="fixed" verticalSpacing={4} aria-label={`Rejected events of ${kind.signal}`}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col" w="2.5rem">
              <VisuallyHidden>Ticked</VisuallyHidden>
            </Table.Th>
            <Table.Th scope="col" w="10.5rem">
              Occurred
            </Table.Th>
            <Table.Th scope="col">Identity</Table.Th>
            <Table.Th scope="col" w="50%" visibleFrom="sm">
              What was wrong
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {events.map((event) => (
            <Table.Tr key={event.id}>
              <Table.Td>
                <Checkbox
                  size="xs"
                  aria-label={`Tick the event of ${local(event.occurred_at)}`}
                  checked={ticked.has(event.id)}
                  onChange={(change) => tick(event.id, change.currentTarget.checked)}
                />
              </Table.Td>
              <Table.Td>
                <UnstyledButton
                  className={styles.open ?? ""}
                  onClick={() => open(event.id)}
                  title={utc(event.occurred_at)}
                >
                  <time dateTime={event.occurred_at}>{local(event.occurred_at, "minute")}</time>
                </UnstyledButton>
              </Table.Td>
              <Table.Td>
                <Cut text={event.identities.map(keyOf).join(", ")} />
              </Table.Td>
              <Table.Td visibleFrom="sm">
                <Text size="sm" c="dimmed" component="div">
                  <Outside text={wrongWith({ ...event, reason: kind.reason })} />
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {query.hasNextPage && (
        <Group>
          <Button
            size="xs"
            variant="default"
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            More
          </Button>
        </Group>
      )}
    </Stack>
  );
}
