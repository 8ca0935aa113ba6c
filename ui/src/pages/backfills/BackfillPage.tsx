import { Stack, Text, Title } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { Fault } from "@/api/client";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Id, Snippet } from "@/common/Outside";
import { Page } from "@/common/Page";
import { Actions } from "./Actions";
import { sendInto } from "./commands";
import { Facts } from "./Facts";
import { PreviewSection } from "./Preview";
import { useBackfill } from "./queries";
import { UploadFile } from "./upload/UploadFile";
import { uploads } from "./upload/upload";

/** One load of history: what is in it, what it changes, and what can be done with it. */
export function BackfillPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  return <One key={id} id={id} />;
}

function One({ id }: { id: string }) {
  const backfill = useBackfill(id);
  if (!backfill.data) {
    const missing = backfill.error instanceof Fault && backfill.error.status === 404;
    return (
      <Page title="Backfill">
        {missing ? (
          <Empty title="There is no such backfill">It may be another workspace's.</Empty>
        ) : backfill.error ? (
          <FaultNote error={backfill.error} again={() => void backfill.refetch()} />
        ) : (
          <Lines count={8} />
        )}
      </Page>
    );
  }
  const known = backfill.data;
  const open = known.status === "open";
  return (
    <Page title="Backfill" subject={known.name} about={<Id id={known.id} />} actions={<Actions backfill={known} />}>
      <Facts backfill={known} />
      {(open || uploads.has(known.id)) && !known.day && <UploadFile backfill={known} />}
      <PreviewSection backfill={known} />
      {open && !known.day && (
        <Stack gap="xs" component="section">
          <Title order={2} size="h4">
            Send events into it
          </Title>
          <Text size="sm" c="dimmed">
            With its id in a header, whichever way they are sent. They may have any date, and take the migration lane.
          </Text>
          <Snippet text={sendInto(known.id)} />
        </Stack>
      )}
    </Page>
  );
}
