import { Button, Group, Paper, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas, told } from "@/api/client";
import { useMay } from "@/api/session";
import { Confirm } from "@/common/Confirm";
import { Loaded } from "@/common/Loading";
import { type Identity, IdentityLink, keyOf } from "@/common/marks";
import { count } from "@/common/numbers";
import { Copy, Outside } from "@/common/Outside";

type Profile = Schemas["ProfileAnswer"];

const REASONS: Record<string, string> = {
  never_connect: "one of the two is on the workspace's list of values that never connect",
  severed: "an unmerge cut the two apart",
  shared_value: "one of the two is what many share: a till's number, or a browser of two people",
  profile_full: "the profile would have more identities than the workspace allows",
};

/** What a profile is made of, what is kept apart and why, and the cut between them. */
export function Identities({ identity, profile }: { identity: string; profile: Profile }) {
  const [cutting, cut] = useState<Identity | null>(null);
  const may = useMay("admin");
  const connections = useQuery({
    queryKey: ["profile", identity, "connections"],
    queryFn: () => told(api.GET("/v1/profiles/{key}/connections", { params: { path: { key: identity } } })),
  });
  const alone = profile.identities.length < 2;
  return (
    <Stack gap="lg">
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          One and the same
        </Title>
        <Table layout="fixed">
          <Table.Tbody>
            {profile.identities.map((each) => (
              <Table.Tr key={keyOf(each)}>
                <Table.Td>
                  <Group gap={2} wrap="nowrap">
                    <IdentityLink identity={each} width="100%" />
                    <Copy value={keyOf(each)} what="identity" />
                  </Group>
                </Table.Td>
                <Table.Td w="7rem" ta="right">
                  <Button
                    size="compact-sm"
                    variant="default"
                    disabled={alone || !may}
                    title={
                      alone ? "There is no other identity" : may ? undefined : "This needs a key with the scope admin"
                    }
                    onClick={() => cut(each)}
                    aria-label={`Unmerge ${keyOf(each)}`}
                  >
                    Unmerge
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Text size="sm" c="dimmed">
          Events that named them together made them one. Unmerge undoes that for good: the pair connects nothing more.
        </Text>
      </Stack>
      <Loaded query={connections} what="connections" lines={2}>
        {(known) => <Apart known={known} />}
      </Loaded>
      {cutting && <Unmerge identity={identity} cut={cutting} close={() => cut(null)} />}
    </Stack>
  );
}

function Apart({ known }: { known: Schemas["ConnectionsAnswer"] }) {
  if (known.not_connected.length === 0 && known.set_aside === 0) return null;
  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h4">
        Kept apart
      </Title>
      {known.set_aside > 0 && (
        <Text size="sm">
          {count(known.set_aside)} events are set aside: they made a merge that was undone, and belong to nobody.
        </Text>
      )}
      {known.not_connected.map((each) => (
        <Paper key={each.identities.map(keyOf).join(" ")} withBorder p="xs">
          <Group gap="xs">
            {each.identities.map((one) => (
              <IdentityLink key={keyOf(one)} identity={one} />
            ))}
          </Group>
          <Text size="sm" c="dimmed">
            <Outside text={REASONS[each.reason] ?? each.reason} />
          </Text>
        </Paper>
      ))}
    </Stack>
  );
}

function Unmerge({ identity, cut, close }: { identity: string; cut: Identity; close: () => void }) {
  const queries = useQueryClient();
  const unmerge = useMutation({
    mutationFn: () =>
      told(
        api.POST("/v1/profiles/{key}/unmerge", {
          params: { path: { key: identity } },
          body: { identity: keyOf(cut) },
        }),
      ),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["profile"] });
      close();
    },
  });
  return (
    <Confirm
      opened
      close={close}
      title="Unmerge"
      verb="Unmerge"
      busy={unmerge.isPending}
      error={unmerge.error}
      act={() => unmerge.mutate()}
    >
      <Text size="sm">
        <Outside text={keyOf(cut)} /> becomes a profile of its own, with everything that was its own before the merge.
        Events that made the merge are set aside. The pair can never be joined directly again.
      </Text>
    </Confirm>
  );
}
