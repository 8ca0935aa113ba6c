import { Anchor, Button, Stack, Table, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { More } from "@/common/More";
import { count } from "@/common/numbers";
import { Cut } from "@/common/Outside";
import { Page } from "@/common/Page";
import type { Json } from "./builder/json";
import { things } from "./builder/PreviewPanel";
import { read } from "./builder/read";
import { type Known, sentence } from "./builder/words";
import classes from "./list.module.css";
import { type Cohort, useCohorts, useSignals } from "./queries";

/** All cohorts with who belongs, and how many they are now. */
export function CohortsPage() {
  const cohorts = useCohorts();
  const all = cohorts.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <Page
      title="Cohorts"
      about="People, accounts or deals who fulfil a definition. They enter and leave by themselves."
      actions={
        <Button component={Link} to="/cohorts/new" leftSection={<IconPlus size={16} aria-hidden />}>
          New cohort
        </Button>
      }
    >
      {cohorts.error && all.length === 0 && (
        <FaultNote error={cohorts.error} what="No cohorts to show" again={() => void cohorts.refetch()} />
      )}
      {cohorts.isPending && <Lines count={8} height={52} />}
      {cohorts.data && all.length === 0 && <None />}
      {all.length > 0 && <List cohorts={all} />}
      <More of={cohorts} />
    </Page>
  );
}

function None() {
  return (
    <Empty title="No cohort yet">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          A cohort is a definition, such as “ordered at least 3 times in the last 90 days, and not seen for 14 days”.
          Whoever fulfils it is in, at once; whoever no longer does is out, even if only time has passed. Every coming
          and going is kept with its cause.
        </Text>
        <Anchor component={Link} to="/cohorts/new" size="sm">
          Build the first one, from a template or from nothing
        </Anchor>
      </Stack>
    </Empty>
  );
}

function List({ cohorts }: { cohorts: readonly Cohort[] }) {
  const signals = useSignals();
  const known = useMemo(() => new Map((signals.data ?? []).map((each) => [each.slug, each])), [signals.data]);
  return (
    <Table highlightOnHover verticalSpacing="xs" className={classes.table}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Cohort</Table.Th>
          <Table.Th scope="col" className={classes.size}>
            In it now
          </Table.Th>
          <Table.Th scope="col" className={classes.created}>
            Created
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {cohorts.map((each) => (
          <Row key={each.id} cohort={each} known={known} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Row({ cohort, known }: { cohort: Cohort; known: Known }) {
  const model = useMemo(() => read(cohort.definition as Json), [cohort.definition]);
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400}>
        <Anchor component={Link} to="/cohorts/$id" params={{ id: cohort.id } as never} fw={600} size="sm">
          <Cut text={cohort.name} />
        </Anchor>
        <Text size="xs" c="dimmed" className="outside" lineClamp={2}>
          {sentence(model, known)}
        </Text>
      </Table.Th>
      <Table.Td className={classes.size}>
        <Text size="sm" fw={600} className="tabular" data-size={cohort.size ?? undefined}>
          {cohort.size === null ? "…" : count(cohort.size)}
        </Text>
        <Text size="xs" c="dimmed">
          {cohort.size === null ? "being found" : <Cut text={things(cohort.size, model.subject)} />}
        </Text>
      </Table.Td>
      <Table.Td className={classes.created}>
        <Moment at={cohort.created_at} precision="day" />
      </Table.Td>
    </Table.Tr>
  );
}
