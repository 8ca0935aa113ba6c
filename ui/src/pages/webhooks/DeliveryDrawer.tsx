import { Anchor, Badge, Drawer, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { AdminButton } from "@/common/AdminButton";
import { FaultNote } from "@/common/Fault";
import { Loaded } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { Status } from "@/common/marks";
import { count } from "@/common/numbers";
import { Id, Outside, Snippet } from "@/common/Outside";
import { replayDelivery, useDelivery, useWebhookChange } from "./queries";
import { type Attempt, outcome, type Webhook } from "./words";

type Props = { webhook: Webhook; message: string; close: () => void };

/** One delivery: what is sent, and what was answered each time. */
export function DeliveryDrawer({ webhook, message, close }: Props) {
  const delivery = useDelivery(webhook.id, message);
  const replay = useWebhookChange(replayDelivery);
  return (
    <Drawer
      opened
      onClose={close}
      title="Delivery"
      position="right"
      size="lg"
      closeButtonProps={{ "aria-label": "Close the delivery" }}
    >
      <Loaded query={delivery} what="delivery">
        {(known) => (
          <Stack gap="md">
            <Group justify="space-between">
              <Group gap="xs">
                <Status status={known.status} />
                <Text size="sm">{known.type}</Text>
              </Group>
              <AdminButton
                variant="default"
                disabled={known.body === null}
                loading={replay.isPending}
                onClick={() => replay.mutate({ id: webhook.id, message })}
              >
                Replay
              </AdminButton>
            </Group>
            {replay.error && <FaultNote error={replay.error} what="It was not replayed" />}
            <Id id={known.id} what="webhook-id" />
            {known.event_id && (
              <Anchor component={Link} to="/events/$id" params={{ id: known.event_id } as never} size="sm">
                The event that led to it
              </Anchor>
            )}
            <Title order={3} size="h5">
              Attempts
            </Title>
            {known.log.length === 0 && (
              <Text size="sm" c="dimmed">
                None yet.
              </Text>
            )}
            {known.log.map((each) => (
              <Tried key={each.at} attempt={each} />
            ))}
            <Title order={3} size="h5">
              What is sent
            </Title>
            {known.body === null ? (
              <Text size="sm" c="dimmed">
                Somebody was erased of whom it told: its content is gone, and it is not sent again.
              </Text>
            ) : (
              <Snippet text={JSON.stringify(known.body, null, 2)} what="body" />
            )}
          </Stack>
        )}
      </Loaded>
    </Drawer>
  );
}

function Tried({ attempt }: { attempt: Attempt }) {
  return (
    <Paper withBorder p="sm">
      <Group justify="space-between" gap="xs">
        <Moment at={attempt.at} precision="whole" />
        <Group gap={6}>
          <Text size="xs" c="dimmed" className="tabular">
            {count(attempt.ms)} ms
          </Text>
          <Badge variant="light" color={attempt.error === null ? "teal" : "red"} tt="none">
            {attempt.status ?? "no answer"}
          </Badge>
        </Group>
      </Group>
      <Text size="sm" mt={4} component="div">
        <Outside text={outcome(attempt)} />
      </Text>
      {attempt.answer && (
        <Text size="xs" c="dimmed" mt={4} component="div">
          <Outside text={attempt.answer} mono />
        </Text>
      )}
    </Paper>
  );
}
