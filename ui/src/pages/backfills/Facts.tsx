import { Alert, Paper, Stack, Table, Text } from "@mantine/core";
import { Fact } from "@/common/Fact";
import { Moment } from "@/common/Moment";
import { count } from "@/common/numbers";
import { type Backfill, useWaiting } from "./queries";
import { DAY, State } from "./State";

/** What is known of a backfill, growing while it loads. */
export function Facts({ backfill }: { backfill: Backfill }) {
  const waiting = useWaiting();
  return (
    <Stack gap="sm">
      <Note backfill={backfill} />
      <Paper withBorder p="md">
        <Table variant="vertical" layout="fixed" withRowBorders={false}>
          <Table.Tbody>
            <Fact name="Status">
              <State backfill={backfill} />
            </Fact>
            <Fact name="Events">
              <span className="tabular">{backfill.events === null ? "not known now" : count(backfill.events)}</span>
              {waiting !== null && waiting > 0 && (
                <Text span size="sm" c="dimmed">
                  {" "}
                  · {count(waiting)} events of the migration lane wait to be stored
                </Text>
              )}
            </Fact>
            <Fact name="Rejected">
              <span className="tabular">{backfill.rejected === null ? "not known now" : count(backfill.rejected)}</span>
            </Fact>
            <Fact name="Created">
              <Moment at={backfill.created_at} precision="whole" />
            </Fact>
            {backfill.closed_at && (
              <Fact name="Closed">
                <Moment at={backfill.closed_at} precision="whole" />
              </Fact>
            )}
            {backfill.released_at && (
              <Fact name="Released">
                <Moment at={backfill.released_at} precision="whole" />
              </Fact>
            )}
            {backfill.reverted_at && (
              <Fact name="Reverted">
                <Moment at={backfill.reverted_at} precision="whole" />
              </Fact>
            )}
          </Table.Tbody>
        </Table>
      </Paper>
    </Stack>
  );
}

const SAID: Record<string, [string, string, string]> = {
  reverting: [
    "orange",
    "It is being reverted",
    "Its events count for nothing already in what is asked of the store. Profiles and live cohorts follow within moments.",
  ],
  releasing: ["water", "It is being released", "Its events count. Profiles and live cohorts follow within moments."],
  reverted: [
    "gray",
    "It is reverted",
    "None of its events counts; they stay readable. It cannot be loaded into again.",
  ],
};

/** What its state means for who looks at it. */
function Note({ backfill }: { backfill: Backfill }) {
  const [color, title, text] = SAID[backfill.status] ?? [];
  return (
    <>
      {title && (
        <Alert {...(color ? { color } : {})} title={title} role="status">
          {text}
        </Alert>
      )}
      {backfill.held && !title && (
        <Alert color="grape" title="It is held">
          Its events are stored and count for nobody. Look at the preview, then release it, or revert it and nothing
          ever happened.
        </Alert>
      )}
      {backfill.day && (
        <Text size="sm" c="dimmed">
          {DAY}
        </Text>
      )}
    </>
  );
}
