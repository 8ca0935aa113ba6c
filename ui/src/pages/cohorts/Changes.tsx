import { Anchor, Badge, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, type Schemas, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { More } from "@/common/More";
import { Identities } from "@/common/marks";
import classes from "./list.module.css";
import type { Cohort } from "./queries";

type Change = Schemas["ChangePage"]["data"][number];

const PAGE = 50;
const LIVE_PAGES = 3;
const WHY: Record<Change["kind"], string> = {
  event: "by an event",
  clock: "time has passed",
  profile: "identities were connected or cut",
  backfill: "a backfill was released or reverted",
  retention: "old events were removed",
  caught_up: "happened while headwater was away",
};

/** Who came and went, the newest first, and what made the difference. */
export function Changes({ cohort: { id } }: { cohort: Cohort }) {
  const changes = useInfiniteQuery({
    queryKey: ["cohorts", "changes", id],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, cursor: pageParam };
      return told(api.GET("/v1/cohorts/{id}/changes", { params: { path: { id }, query }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > LIVE_PAGES ? false : 2_500),
  });
  const all = changes.data?.pages.flatMap((page) => page.data) ?? [];
  if (changes.isPending) return <Lines count={8} height={36} />;
  if (changes.error && all.length === 0) {
    return <FaultNote error={changes.error} what="No changes to show" again={() => void changes.refetch()} />;
  }
  if (all.length === 0) {
    return (
      <Text size="sm">
        Nobody has entered or left since the cohort was made. Whoever does is here at once, with the reason.
      </Text>
    );
  }
  return (
    <Stack gap="sm">
      <ol className={classes.tree} aria-label="Changes, newest first">
        {all.map((each) => (
          <Row key={`${each.at} ${each.profile_id} ${each.change}`} change={each} />
        ))}
      </ol>
      <More of={changes} />
    </Stack>
  );
}

function Row({ change }: { change: Change }) {
  const entered = change.change === "entered";
  return (
    <li className={classes.change}>
      <Badge variant="light" color={entered ? "teal" : "orange"} tt="none">
        {change.change}
      </Badge>
      <Identities identities={change.identities} />
      <Text size="sm" c="dimmed" component="div">
        {change.event_id ? (
          <Anchor component={Link} to="/events/$id" params={{ id: change.event_id } as never} size="sm">
            {WHY[change.kind]}
          </Anchor>
        ) : (
          WHY[change.kind]
        )}{" "}
        · <Moment at={change.at} precision="minute" />
      </Text>
    </li>
  );
}
