import { Code, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { More } from "@/common/More";
import { count } from "@/common/numbers";
import { Cut, Outside } from "@/common/Outside";
import { actionWords, actorWords, type Change, detailWords, found } from "./audit";
import { useKeys } from "./useKeys";

function useAudit() {
  return useInfiniteQuery({
    queryKey: ["audit"],
    queryFn: ({ pageParam }) => {
      const query = { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) };
      return told(api.GET("/v1/audit", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
    refetchOnMount: "always",
  });
}

/** Who changed what, and when. */
export function AuditTab() {
  const audit = useAudit();
  const keys = useKeys();
  const names = useMemo(() => new Map(keys.data?.map((key) => [key.id, key.name])), [keys.data]);
  const [text, setText] = useState("");
  const loaded = audit.data?.pages.flatMap((page) => page.data) ?? [];
  const shown = loaded.filter((change) => found(change, text, names));
  return (
    <Stack gap="md">
      <div>
        <Title order={2} size="h4">
          Audit log
        </Title>
        <Text size="sm" c="dimmed">
          Every change in this workspace, the newest first. Each entry is chained to the one before by a keyed hash:{" "}
          <Code>headwater doctor</Code> verifies that none was changed or taken out.
        </Text>
      </div>
      <TextInput
        label="Find in what is loaded"
        placeholder="A name, an action, an id, an address"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        maw={420}
      />
      <Text size="sm" c="dimmed" role="status">
        {audit.data &&
          `${text ? `${count(shown.length)} of ${count(loaded.length)}` : count(loaded.length)} entries loaded${
            audit.hasNextPage ? "; there are more" : ", all there are"
          }`}
      </Text>
      {audit.error && <FaultNote error={audit.error} what="No audit to show" again={() => void audit.refetch()} />}
      {audit.isPending && <Lines count={8} height={44} />}
      {shown.length > 0 && <Entries changes={shown} names={names} />}
      <More of={audit} />
    </Stack>
  );
}

function Entries({ changes, names }: { changes: readonly Change[]; names: ReadonlyMap<string, string> }) {
  return (
    <Table verticalSpacing="xs" style={{ tableLayout: "fixed" }}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col" w="9.5rem" visibleFrom="sm">
            When
          </Table.Th>
          <Table.Th scope="col" w="12rem" visibleFrom="md">
            Who
          </Table.Th>
          <Table.Th scope="col">What</Table.Th>
          <Table.Th scope="col" w="9rem" visibleFrom="lg">
            Address
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {changes.map((change) => (
          <Entry
            key={`${change.at} ${change.action} ${change.target} ${JSON.stringify(change.detail)}`}
            change={change}
            names={names}
          />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Entry({ change, names }: { change: Change; names: ReadonlyMap<string, string> }) {
  const detail = detailWords(change.detail);
  const who = actorWords(change.actor, names);
  return (
    <Table.Tr>
      <Table.Td visibleFrom="sm">
        <Moment at={change.at} precision="minute" />
      </Table.Td>
      <Table.Td visibleFrom="md">
        <Cut text={who} />
        {who !== change.actor && change.actor.startsWith("key_") && (
          <Text size="xs" c="dimmed" component="div">
            <Cut text={change.actor} mono />
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Group gap={4} hiddenFrom="sm">
          <Text size="xs" c="dimmed" component="div">
            <Moment at={change.at} precision="minute" />
          </Text>
        </Group>
        <Text size="sm" component="div">
          <Text span size="sm" hiddenFrom="md">
            <Outside text={who} />{" "}
          </Text>
          {actionWords(change.action)} <Outside text={change.target} mono />
        </Text>
        {detail && (
          <Text size="xs" c="dimmed" component="div">
            <Outside text={detail} />
          </Text>
        )}
      </Table.Td>
      <Table.Td visibleFrom="lg">{change.address ? <Cut text={change.address} mono /> : "–"}</Table.Td>
    </Table.Tr>
  );
}
