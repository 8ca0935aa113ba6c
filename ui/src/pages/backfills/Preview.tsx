import { Alert, Anchor, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { SignalLink, spelled } from "@/common/marks";
import { count } from "@/common/numbers";
import { Outside } from "@/common/Outside";
import { Changes } from "./Changes";
import { Days } from "./Days";
import { type Backfill, type Preview, usePreview } from "./queries";

/** What is in a backfill, and what is otherwise with it: asked for by a button, for it takes a while. */
export function PreviewSection({ backfill }: { backfill: Backfill }) {
  const preview = usePreview(backfill.id);
  const grown = preview.data && preview.data.events !== backfill.events;
  return (
    <Stack gap="sm" component="section">
      <Group justify="space-between">
        <Title order={2} size="h4">
          Preview
        </Title>
        <Button variant="default" loading={preview.isFetching} onClick={() => void preview.refetch()}>
          {preview.data ? "Look again" : "Look at what it changes"}
        </Button>
      </Group>
      {preview.isFetching && (
        <Text size="sm" c="dimmed" role="status">
          Profiles, metrics, states and cohorts are looked at with it and without. With many events that takes up to
          half a minute.
        </Text>
      )}
      {preview.error && !preview.isFetching && <FaultNote error={preview.error} what="No preview" />}
      {preview.isFetching && !preview.data && <Lines count={6} />}
      {grown && !preview.isFetching && (
        <Alert color="yellow" p="xs">
          Its events are others now: look again.
        </Alert>
      )}
      {preview.data ? (
        <Shown preview={preview.data} />
      ) : (
        !preview.isFetching && (
          <Text size="sm" c="dimmed">
            Its events by signal and day, what was rejected and why, and what is otherwise with it.
          </Text>
        )
      )}
    </Stack>
  );
}

function Shown({ preview }: { preview: Preview }) {
  return (
    <Stack gap="lg">
      <Days days={preview.days} />
      <Rejects preview={preview} />
      <Changes counts={preview.counts} changes={preview.changes} />
    </Stack>
  );
}

function Rejects({ preview }: { preview: Preview }) {
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={3} size="h5">
          Rejected
        </Title>
        {preview.rejects.length > 0 && (
          <Anchor component={Link} to="/rejected" search={{ backfill: preview.id } as never} size="sm">
            All that were rejected
          </Anchor>
        )}
      </Group>
      {preview.rejects.length === 0 && <Text size="sm">None of its events was rejected.</Text>}
      {preview.rejects.map((each) => (
        <Paper key={`${each.signal} ${each.reason}`} withBorder p="xs">
          <Group gap="xs">
            <Text size="sm" fw={600} className="tabular">
              {count(each.events)}
            </Text>
            <SignalLink slug={each.signal} />
            <Text size="sm">{spelled(each.reason)}</Text>
          </Group>
          <Text size="sm" c="dimmed" component="div">
            <Outside text={each.sample.detail} />{" "}
            <Anchor component={Link} to="/events/$id" params={{ id: each.sample.id } as never} size="sm">
              The newest of them
            </Anchor>
          </Text>
        </Paper>
      ))}
    </Stack>
  );
}
