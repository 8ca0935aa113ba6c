import { Anchor, Group, Paper, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, told } from "@/api/client";
import { Empty, firstEvent } from "@/common/Empty";
import { Loaded } from "@/common/Loading";
import { Ago } from "@/common/Moment";
import { Identities, type Identity, keyOf } from "@/common/marks";
import { Cut } from "@/common/Outside";
import { Page } from "@/common/Page";
import { useKept, useTyped } from "@/common/search";
import { seenLately } from "./lately";

/** Finding a person or an object: by any identity, or among those who were seen last. */
export function ProfilesPage() {
  const [{ q = "" }] = useKept();
  const [text, type] = useTyped(250);
  return (
    <Page title="Profiles" about="Everything that is known of one person or object, put together from its events.">
      <TextInput
        label="Find"
        description="An e-mail address, a phone number, or an id of your CRM; its beginning will do."
        placeholder="ada@example.com, +19494572000, 001ABC…"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={text}
        onChange={(event) => type(event.currentTarget.value)}
        type="search"
        autoComplete="off"
        spellCheck={false}
        maxLength={320}
      />
      {q ? <Found q={q} /> : <Lately />}
    </Page>
  );
}

function Found({ q }: { q: string }) {
  const found = useQuery({
    queryKey: ["profiles", q],
    queryFn: ({ signal }) => told(api.GET("/v1/profiles", { params: { query: { q, limit: 50 } }, signal })),
    placeholderData: keepPreviousData,
  });
  return (
    <Loaded query={found} what="profiles">
      {({ data }) =>
        data.length === 0 ? (
          <Paper withBorder p="lg" role="status">
            <Text size="sm">
              Nobody is known as <Cut text={q} width="20rem" />. Only what processed events name can be found.
            </Text>
          </Paper>
        ) : (
          <People people={data} busy={found.isPlaceholderData} />
        )
      }
    </Loaded>
  );
}

type Person = { id: string; name?: string | null; identities: readonly Identity[] };

function People({ people, busy }: { people: readonly Person[]; busy: boolean }) {
  return (
    <Table.ScrollContainer minWidth={280} style={{ opacity: busy ? 0.6 : 1 }}>
      <Table layout="fixed">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col" w="35%">
              Name
            </Table.Th>
            <Table.Th scope="col">Identities</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {people.map((person) => {
            const key = keyOf(person.identities[0] ?? { type: "", id: "" });
            return (
              <Table.Tr key={person.id}>
                <Table.Td>
                  <Anchor component={Link} to={`/profiles/${encodeURIComponent(key)}`} size="sm">
                    <Cut text={person.name || key} />
                  </Anchor>
                </Table.Td>
                <Table.Td>
                  <Identities identities={person.identities} />
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

/** Whom the newest events were about: somewhere to begin without an address at hand. */
function Lately() {
  const events = useQuery({
    queryKey: ["events", "lately"],
    queryFn: () => told(api.GET("/v1/events", { params: { query: { limit: 100 } } })),
    refetchInterval: 15_000,
  });
  return (
    <Loaded query={events} what="profiles" lines={8}>
      {({ data }) =>
        data.length === 0 ? (
          <Empty title="Nobody yet" command={firstEvent()}>
            A profile begins with the first event that names somebody: send one.
          </Empty>
        ) : (
          <Stack gap="xs">
            <Title order={2} size="h4">
              Seen lately
            </Title>
            {seenLately(data, 20).map((seen) => (
              <Group key={keyOf(seen.identity)} justify="space-between" wrap="nowrap" gap="sm">
                <Group gap={8} wrap="nowrap" style={{ minWidth: 0, flex: 1 }}>
                  <Identities identities={[seen.identity]} />
                  {seen.name && (
                    <Text size="sm" c="dimmed" visibleFrom="xs" style={{ minWidth: 0 }}>
                      <Cut text={seen.name} width="14rem" />
                    </Text>
                  )}
                </Group>
                <Text size="sm" c="dimmed">
                  <Ago at={seen.at} />
                </Text>
              </Group>
            ))}
          </Stack>
        )
      }
    </Loaded>
  );
}
