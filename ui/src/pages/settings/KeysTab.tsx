import { Badge, Group, Stack, Table, Text, Title, VisuallyHidden } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useSession } from "@/api/session";
import { AdminButton } from "@/common/AdminButton";
import { Loaded } from "@/common/Loading";
import { Moment, useNow } from "@/common/Moment";
import { Cut } from "@/common/Outside";
import { CreateKey } from "./CreateKey";
import { type Key, type NewKey, ordered, type Standing, standingOf } from "./keys";
import { RevokeKey } from "./RevokeKey";
import { RotateKey } from "./RotateKey";
import { ShownKey } from "./ShownKey";
import { useKeys } from "./useKeys";

/** What one is about to do with keys. */
type Doing = { what: "create" } | { what: "rotate" | "revoke"; key: Key } | { what: "show"; made: NewKey } | null;

/** Who may send and ask, and the way to let others, or no longer. */
export function KeysTab() {
  const keys = useKeys();
  const [doing, setDoing] = useState<Doing>(null);
  const queries = useQueryClient();
  const close = () => setDoing(null);
  const closeShown = () => {
    close();
    void queries.invalidateQueries({ queryKey: ["keys"] });
  };
  const show = (made: NewKey) => setDoing({ what: "show", made });
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <div>
          <Title order={2} size="h4">
            Keys
          </Title>
          <Text size="sm" c="dimmed">
            Senders and people sign in with them. Give each its own, so that one can be ended alone.
          </Text>
        </div>
        <AdminButton leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDoing({ what: "create" })}>
          New key
        </AdminButton>
      </Group>
      <Loaded query={keys} what="keys" lines={4} height={52}>
        {(known) => <KeyTable keys={known} asOf={keys.dataUpdatedAt} act={(what, key) => setDoing({ what, key })} />}
      </Loaded>
      {doing?.what === "create" && <CreateKey close={close} made={show} />}
      {doing?.what === "rotate" && <RotateKey of={doing.key} close={close} made={show} />}
      {doing?.what === "revoke" && <RevokeKey of={doing.key} close={close} />}
      {doing?.what === "show" && <ShownKey made={doing.made} close={closeShown} />}
    </Stack>
  );
}

type TableProps = {
  keys: readonly Key[];
  /** When they were told: one that ended since the last tick of the clock has ended. */
  asOf: number;
  act: (what: "rotate" | "revoke", key: Key) => void;
};

function KeyTable({ keys, asOf, act }: TableProps) {
  const own = useSession().data?.key.id;
  const now = Math.max(useNow(30_000), asOf);
  return (
    <Table verticalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Key</Table.Th>
          <Table.Th scope="col">Scopes</Table.Th>
          <Table.Th scope="col" visibleFrom="lg">
            Made
          </Table.Th>
          <Table.Th scope="col" visibleFrom="md">
            Ends
          </Table.Th>
          <Table.Th scope="col">
            <VisuallyHidden>Actions</VisuallyHidden>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {ordered(keys, now).map((key) => (
          <KeyRow key={key.id} of={key} isOwn={key.id === own} standing={standingOf(key, now)} act={act} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

type RowProps = {
  of: Key;
  isOwn: boolean;
  standing: Standing;
  act: (what: "rotate" | "revoke", key: Key) => void;
};

function KeyRow({ of, isOwn, standing, act }: RowProps) {
  const grey = standing === "works" ? {} : { c: "dimmed" };
  const label = of.name || of.id;
  return (
    <Table.Tr>
      <Table.Td {...grey}>
        <Group gap={6}>
          <Text span size="sm" fw={standing === "works" ? 500 : 400} {...grey}>
            <Cut text={of.name || "(no name)"} width="min(16rem, 40vw)" />
          </Text>
          {isOwn && (
            <Badge variant="light" tt="none">
              signed in with
            </Badge>
          )}
          {standing !== "works" && (
            <Badge variant="light" color="gray" tt="none">
              {standing}
            </Badge>
          )}
        </Group>
        <Text size="xs" c="dimmed">
          <Cut text={`${of.prefix}… · ${of.id}`} mono width="min(18rem, 40vw)" />
        </Text>
      </Table.Td>
      <Table.Td {...grey}>{of.scopes.join(", ")}</Table.Td>
      <Table.Td visibleFrom="lg" {...grey}>
        <Moment at={of.created_at} precision="day" />
      </Table.Td>
      <Table.Td visibleFrom="md" {...grey}>
        {of.revoked_at ? (
          <>
            revoked <Moment at={of.revoked_at} />
          </>
        ) : of.expires_at ? (
          <Moment at={of.expires_at} />
        ) : (
          "never"
        )}
      </Table.Td>
      <Table.Td ta="right">
        {standing === "works" && (
          <Group gap={4} justify="flex-end">
            <AdminButton
              size="compact-sm"
              variant="subtle"
              onClick={() => act("rotate", of)}
              aria-label={`Rotate ${label}`}
            >
              Rotate
            </AdminButton>
            <AdminButton
              size="compact-sm"
              variant="subtle"
              color="red"
              onClick={() => act("revoke", of)}
              aria-label={`Revoke ${label}`}
            >
              Revoke
            </AdminButton>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
