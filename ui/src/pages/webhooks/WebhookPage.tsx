import { Alert, Paper, Stack, Table, Text } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { Fault } from "@/api/client";
import { Empty } from "@/common/Empty";
import { Fact } from "@/common/Fact";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { count } from "@/common/numbers";
import { Id, Outside } from "@/common/Outside";
import { Page } from "@/common/Page";
import { Actions } from "./Actions";
import { Deliveries } from "./Deliveries";
import { useCohortNames, useWebhook } from "./queries";
import { Standing } from "./WebhooksPage";
import { PAUSES, type Webhook } from "./words";

/** One webhook: whether it works, and what was delivered. */
export function WebhookPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  return <One key={id} id={id} />;
}

function One({ id }: { id: string }) {
  const webhook = useWebhook(id);
  if (!webhook.data) {
    const missing = webhook.error instanceof Fault && webhook.error.status === 404;
    return (
      <Page title="Webhook">
        {missing ? (
          <Empty title="There is no such webhook">It may be another workspace's, or deleted.</Empty>
        ) : webhook.error ? (
          <FaultNote error={webhook.error} again={() => void webhook.refetch()} />
        ) : (
          <Lines count={8} />
        )}
      </Page>
    );
  }
  const known = webhook.data;
  return (
    <Page
      title="Webhook"
      subject={known.description || known.url}
      about={<Id id={known.id} />}
      actions={<Actions webhook={known} />}
    >
      {known.paused && (
        <Alert color="orange" title="It is paused" role="status">
          {PAUSES[known.paused]}
        </Alert>
      )}
      <Facts webhook={known} />
      <Deliveries webhook={known} />
    </Page>
  );
}

function Facts({ webhook }: { webhook: Webhook }) {
  return (
    <Paper withBorder p="md">
      <Table variant="vertical" layout="fixed" withRowBorders={false}>
        <Table.Tbody>
          <Fact name="URL">
            <Outside text={webhook.url} mono />
          </Fact>
          <Fact name="Status">
            <Standing webhook={webhook} />
          </Fact>
          <Fact name="Events">{webhook.events.join(", ")}</Fact>
          {webhook.cohorts.length > 0 && (
            <Fact name="Cohorts">
              <Cohorts ids={webhook.cohorts} />
            </Fact>
          )}
          <Fact name="Waiting">
            <span className="tabular">{count(webhook.pending)}</span>
          </Fact>
          <Fact name="Delivered">
            {webhook.delivered_at ? <Moment at={webhook.delivered_at} precision="whole" /> : "nothing yet"}
          </Fact>
          {webhook.failing_since && (
            <Fact name="Failing">
              since <Moment at={webhook.failing_since} precision="whole" />
            </Fact>
          )}
          {webhook.old_secret_until && (
            <Fact name="Secrets">
              two sign, the old one until <Moment at={webhook.old_secret_until} precision="whole" />
            </Fact>
          )}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function Cohorts({ ids }: { ids: readonly string[] }) {
  const names = new Map(useCohortNames().data?.data.map((each) => [each.id, each.name]));
  return (
    <Stack gap={2}>
      {ids.map((id) => (
        <Text key={id} size="sm" component="div">
          <Outside text={names.get(id) ?? id} />
        </Text>
      ))}
    </Stack>
  );
}
