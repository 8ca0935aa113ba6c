import { Paper, Stack, Text, Title } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { Fault } from "@/api/client";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { KeptTabs } from "@/common/KeptTabs";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { count } from "@/common/numbers";
import { Id, Snippet } from "@/common/Outside";
import { Page } from "@/common/Page";
import { useKept } from "@/common/search";
import { type Json, toJson } from "./builder/json";
import { things } from "./builder/PreviewPanel";
import { read } from "./builder/read";
import { sentence } from "./builder/words";
import { Changes } from "./Changes";
import { CohortActions } from "./CohortActions";
import { History } from "./History";
import classes from "./list.module.css";
import { Members } from "./Members";
import { type Cohort, useCohort, useSignals } from "./queries";
import { Why } from "./Why";

export function CohortPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const cohort = useCohort(id);
  if (cohort.data) return <Shown cohort={cohort.data} error={cohort.error} />;
  const gone = cohort.error instanceof Fault && cohort.error.status === 404;
  return (
    <Page title="Cohort">
      {gone && <Empty title="There is no such cohort">It may have been deleted. The list has all there are.</Empty>}
      {cohort.error && !gone && (
        <FaultNote error={cohort.error} what="No cohort to show" again={() => void cohort.refetch()} />
      )}
      {cohort.isPending && <Lines count={10} height={48} />}
    </Page>
  );
}

function Shown({ cohort, error }: { cohort: Cohort; error: Error | null }) {
  const [kept, keep] = useKept();
  const signals = useSignals();
  const model = useMemo(() => read(cohort.definition as Json), [cohort.definition]);
  const known = useMemo(() => new Map((signals.data ?? []).map((each) => [each.slug, each])), [signals.data]);
  const said = sentence(model, known);
  return (
    <Page
      title="Cohort"
      subject={cohort.name}
      about={<span className="outside">{said}</span>}
      actions={<CohortActions cohort={cohort} />}
    >
      {error && <FaultNote error={error} what="This is not the newest" />}
      <div className={classes.top}>
        <Size cohort={cohort} subject={model.subject} />
        <History id={cohort.id} size={cohort.size} />
      </div>
      <KeptTabs
        tabs={[
          {
            value: "members",
            label: "Members",
            show: () => <Members cohort={cohort} why={(who) => keep({ tab: "why", who })} />,
          },
          { value: "changes", label: "Entered and left", show: () => <Changes cohort={cohort} /> },
          {
            value: "why",
            label: "Why in or out?",
            show: () => <Why cohort={cohort} model={model} who={kept.who ?? ""} ask={(who) => keep({ who })} />,
          },
          { value: "definition", label: "Definition", show: () => <Definition said={said} cohort={cohort} /> },
        ]}
      />
    </Page>
  );
}

function Size({ cohort, subject }: { cohort: Cohort; subject: string }) {
  return (
    <Paper withBorder p="md" component="section" aria-label="Size">
      <Stack gap={4} h="100%" justify="space-between">
        <div>
          <Title order={2} size="sm" c="dimmed">
            In it now
          </Title>
          <Text fz={44} fw={650} lh={1.15} className="tabular" aria-live="polite" data-size={cohort.size ?? undefined}>
            {cohort.size === null ? "…" : count(cohort.size)}
          </Text>
          <Text size="sm" c="dimmed" className="outside">
            {cohort.size === null ? "its first members are being found" : things(cohort.size, subject)}
          </Text>
        </div>
        <Text size="xs" c="dimmed" component="div">
          <Id id={cohort.id} what="cohort id" />
          Created <Moment at={cohort.created_at} /> · as of <Moment at={cohort.as_of} precision="second" />
        </Text>
      </Stack>
    </Paper>
  );
}

function Definition({ said, cohort }: { said: string; cohort: Cohort }) {
  return (
    <Stack gap="sm">
      <Title order={2} size="sm">
        In words
      </Title>
      <Text size="sm" className="outside">
        {said}
      </Text>
      <Title order={2} size="sm">
        As JSON
      </Title>
      <Snippet text={toJson(cohort.definition as Json, 2)} what="definition" />
      <Text size="sm" c="dimmed">
        A definition does not change, so that its history means one thing. “Duplicate and edit” makes another cohort of
        it.
      </Text>
    </Stack>
  );
}
