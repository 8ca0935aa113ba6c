import "@mantine/core/styles/Tabs.css";
import { Anchor, Badge, Group, Paper, SimpleGrid, Stack, Table, Tabs, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, Fault, type Schemas, told } from "@/api/client";
import { Empty } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { SignalLink } from "@/common/marks";
import { count } from "@/common/numbers";
import { Cut, Id, Outside } from "@/common/Outside";
import { Page } from "@/common/Page";
import { useKept } from "@/common/search";
import { Erase } from "./Erase";
import { Identities } from "./Identities";
import { Metrics } from "./Metrics";
import { Timeline } from "./Timeline";

type Profile = Schemas["ProfileAnswer"];

const TABS = ["timeline", "states", "metrics", "identities"] as const;

/** One person or object: what it did, what it is, what it belongs to, and why. */
export function ProfilePage() {
  const { key = "" } = useParams({ strict: false }) as { key?: string };
  const [{ tab = "timeline" }, keep] = useKept();
  const profile = useQuery({
    queryKey: ["profile", key],
    queryFn: () => told(api.GET("/v1/profiles/{key}", { params: { path: { key } } })),
    refetchInterval: 5_000,
  });
  if (profile.error instanceof Fault && profile.error.status === 404) return <Nobody identity={key} />;
  if (!profile.data) {
    return (
      <Page title="Profile" subject={key}>
        {profile.error ? <FaultNote error={profile.error} again={() => void profile.refetch()} /> : <Lines count={8} />}
      </Page>
    );
  }
  const known = profile.data;
  return (
    <Page title="Profile" subject={known.name || key} about={<Id id={known.id} />} actions={<Erase profile={known} />}>
      <Facts profile={known} />
      <Tabs value={tab} onChange={(next) => keep({ tab: next ?? undefined })} keepMounted={false}>
        <Tabs.List>
          {TABS.map((each) => (
            <Tabs.Tab key={each} value={each} tt="capitalize">
              {each}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="timeline" pt="md">
          <Timeline identity={key} />
        </Tabs.Panel>
        <Tabs.Panel value="states" pt="md">
          <States states={known.states} />
        </Tabs.Panel>
        <Tabs.Panel value="metrics" pt="md">
          <Metrics identity={key} metrics={known.metrics} />
        </Tabs.Panel>
        <Tabs.Panel value="identities" pt="md">
          <Identities identity={key} profile={known} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Nobody({ identity }: { identity: string }) {
  return (
    <Page title="Profile" subject={identity}>
      <Empty title="Nobody is known by this identity">
        No processed event names it. It may have been erased, its events may be among the{" "}
        <Anchor component={Link} to="/rejected" size="sm">
          rejected
        </Anchor>{" "}
        ones, or it is written otherwise: an identity is <code>type:id</code>, as <code>email:ada@example.com</code>.
      </Empty>
    </Page>
  );
}

function Facts({ profile }: { profile: Profile }) {
  const attributes = Object.entries(profile.attributes);
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Paper withBorder p="md">
        <Table variant="vertical" layout="fixed" withRowBorders={false}>
          <Table.Tbody>
            <Fact name="Events">{count(profile.events)}</Fact>
            <Fact name="First seen">{profile.first_seen ? <Moment at={profile.first_seen} /> : "–"}</Fact>
            <Fact name="Last seen">{profile.last_seen ? <Moment at={profile.last_seen} /> : "–"}</Fact>
            <Fact name="Cohorts">
              {profile.cohorts.length === 0 ? "in none" : <Cohorts cohorts={profile.cohorts} />}
            </Fact>
          </Table.Tbody>
        </Table>
      </Paper>
      <Paper withBorder p="md">
        {attributes.length === 0 ? (
          <Text size="sm" c="dimmed">
            No attributes: they come with the signals customerCreated and identify.
          </Text>
        ) : (
          <Table variant="vertical" layout="fixed" withRowBorders={false}>
            <Table.Tbody>
              {attributes.slice(0, 30).map(([name, value]) => (
                <Fact key={name} name={name}>
                  <Value value={value} />
                </Fact>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Paper>
    </SimpleGrid>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th scope="row" w="9rem">
        <Cut text={name} />
      </Table.Th>
      <Table.Td>{children}</Table.Td>
    </Table.Tr>
  );
}

/** Any JSON value, short ones as they are read. */
export function Value({ value }: { value: unknown }) {
  return <Outside text={typeof value === "string" ? value : JSON.stringify(value)} />;
}

function Cohorts({ cohorts }: { cohorts: Profile["cohorts"] }) {
  return (
    <Group gap={6}>
      {cohorts.map((cohort) => (
        <Badge
          key={cohort.id}
          component={Link}
          to={`/cohorts/${cohort.id}`}
          variant="light"
          tt="none"
          maw="100%"
          style={{ cursor: "pointer" }}
        >
          {cohort.name}
        </Badge>
      ))}
    </Group>
  );
}

function States({ states }: { states: Profile["states"] }) {
  const known = Object.entries(states);
  if (known.length === 0) return <Empty title="No states">A signal of type state gives a value that holds.</Empty>;
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        What holds now
      </Title>
      <Table layout="fixed">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">State</Table.Th>
            <Table.Th scope="col">Value</Table.Th>
            <Table.Th scope="col">Since</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {known.map(([slug, state]) => (
            <Table.Tr key={slug}>
              <Table.Td>
                <SignalLink slug={slug} width="100%" />
              </Table.Td>
              <Table.Td>
                <Value value={state.value} />
              </Table.Td>
              <Table.Td>
                <Anchor component={Link} to={`/events/${state.event_id}`} size="sm" title={`The event of ${slug}`}>
                  <Moment at={state.since} precision="day" />
                </Anchor>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}
