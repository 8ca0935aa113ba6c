import { Button, Stack, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { More } from "@/common/More";
import { Identities, keyOf } from "@/common/marks";
import { count } from "@/common/numbers";
import classes from "./list.module.css";
import type { Cohort } from "./queries";

const PAGE = 50;
/** As long as few pages are open, they are kept right; many would be much to ask again and again. */
const LIVE_PAGES = 3;

type Props = { cohort: Cohort; why: (who: string) => void };

export function Members({ cohort, why }: Props) {
  const { id } = cohort;
  const members = useInfiniteQuery({
    queryKey: ["cohorts", "members", id],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, cursor: pageParam };
      return told(api.GET("/v1/cohorts/{id}/members", { params: { path: { id }, query }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > LIVE_PAGES ? false : 5_000),
  });
  const all = members.data?.pages.flatMap((page) => page.data) ?? [];
  if (members.isPending) return <Lines count={10} height={40} />;
  if (members.error && all.length === 0) {
    return <FaultNote error={members.error} what="No members to show" again={() => void members.refetch()} />;
  }
  if (all.length === 0) {
    return <Text size="sm">Nobody is in it now. Whoever fulfils the definition enters by itself.</Text>;
  }
  return (
    <Stack gap="sm">
      <Table className={classes.table} verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Member</Table.Th>
            <Table.Th scope="col" className={classes.since}>
              In since
            </Table.Th>
            <Table.Th scope="col" className={classes.why}>
              Why
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {all.map((each) => {
            const [first] = each.identities;
            const key = first ? keyOf(first) : "";
            return (
              <Table.Tr key={each.profile_id}>
                <Table.Th scope="row" fw={400} className={classes.member}>
                  <Identities identities={each.identities} />
                  <Text size="xs" c="dimmed" component="div" className={classes.narrow}>
                    since <Moment at={each.since} />
                  </Text>
                </Table.Th>
                <Table.Td className={classes.since}>
                  <Moment at={each.since} />
                </Table.Td>
                <Table.Td className={classes.why}>
                  <Button size="compact-xs" variant="subtle" onClick={() => why(key)} aria-label={`Why is ${key} in?`}>
                    Why?
                  </Button>
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
      <Text size="xs" c="dimmed">
        {count(all.length)} shown{cohort.size === null ? "" : ` of ${count(cohort.size)}`}
      </Text>
      <More of={members} />
    </Stack>
  );
}
