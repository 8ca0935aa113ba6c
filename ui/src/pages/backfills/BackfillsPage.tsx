import { Anchor, Stack, Table, Text, Title } from "@mantine/core";
import { IconFileUpload, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Ago } from "@/common/Moment";
import { More } from "@/common/More";
import { count } from "@/common/numbers";
import { Cut, Snippet } from "@/common/Outside";
import { Page } from "@/common/Page";
import { firstBackfill, IMPORT } from "./commands";
import { New } from "./New";
import { type Backfill, useBackfills } from "./queries";
import { DAY, State } from "./State";

/** All loads of history, the newest first. */
export function BackfillsPage() {
  const [making, make] = useState<"empty" | "file" | null>(null);
  const backfills = useBackfills();
  const known = backfills.data?.pages.flatMap((page) => page.data);
  return (
    <Page
      title="Backfills"
      about="Loads of history: each can be looked at, and taken back, as one."
      actions={
        <>
          <AdminButton
            variant="default"
            leftSection={<IconFileUpload size={16} aria-hidden />}
            onClick={() => make("file")}
          >
            Upload a file
          </AdminButton>
          <AdminButton leftSection={<IconPlus size={16} aria-hidden />} onClick={() => make("empty")}>
            New backfill
          </AdminButton>
        </>
      }
    >
      {known === undefined ? (
        backfills.error ? (
          <FaultNote error={backfills.error} what="No backfills to show" again={() => void backfills.refetch()} />
        ) : (
          <Lines count={8} height={44} />
        )
      ) : known.length === 0 ? (
        <Nothing />
      ) : (
        <Stack gap="sm">
          <Known backfills={known} />
          <More of={backfills} />
        </Stack>
      )}
      <New opened={making} close={() => make(null)} />
    </Page>
  );
}

function Known({ backfills }: { backfills: readonly Backfill[] }) {
  return (
    <>
      <Table layout="fixed" highlightOnHover verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Name</Table.Th>
            <Table.Th scope="col" w={{ base: "6.5rem", sm: "9.5rem" }}>
              Status
            </Table.Th>
            <Table.Th scope="col" w={{ base: "5.5rem", sm: "6.5rem" }} ta="right">
              Events
            </Table.Th>
            <Table.Th scope="col" w="6.5rem" ta="right" visibleFrom="sm">
              Rejected
            </Table.Th>
            <Table.Th scope="col" w="9rem" ta="right" visibleFrom="md">
              Created
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {backfills.map((each) => (
            <Table.Tr key={each.id}>
              <Table.Td>
                <Anchor component={Link} to="/backfills/$id" params={{ id: each.id } as never} size="sm">
                  <Cut text={each.name} />
                </Anchor>
              </Table.Td>
              <Table.Td>
                <State backfill={each} />
              </Table.Td>
              <Table.Td ta="right" className="tabular">
                {each.events === null ? "–" : count(each.events)}
              </Table.Td>
              <Table.Td
                ta="right"
                className="tabular"
                visibleFrom="sm"
                {...(each.rejected ? { c: "var(--mantine-color-error)" } : {})}
              >
                {each.rejected === null ? "–" : count(each.rejected)}
              </Table.Td>
              <Table.Td ta="right" visibleFrom="md">
                <Ago at={each.created_at} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {backfills.some((each) => each.day) && (
        <Text size="sm" c="dimmed">
          <b>Standing:</b> {DAY}
        </Text>
      )}
    </>
  );
}

function Nothing() {
  return (
    <Empty title="No backfills yet">
      <Stack gap="sm">
        <Text size="sm">
          A backfill takes history of any date, beside what comes in now, and can be reverted as if it had never been.
          Upload a file with the button above, or send events with the backfill's id in a header:
        </Text>
        <Snippet text={firstBackfill()} />
        <Title order={3} size="h5">
          A file, from a terminal
        </Title>
        <Snippet text={IMPORT} />
      </Stack>
    </Empty>
  );
}
