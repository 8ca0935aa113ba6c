import "@mantine/core/styles/Grid.css";
import { Alert, Anchor, Grid, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, told } from "@/api/client";
import { Loaded } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { IdentityLink, keyOf, Lane, SignalLink, Status, spelled } from "@/common/marks";
import { Id, Outside, Snippet } from "@/common/Outside";
import { type Event, eventOf } from "./eventOf";
import { Together } from "./Together";
import { Trace } from "./Trace";

type Props = { id: string; open: (id: string) => void; wide?: boolean };

/** The whole event, its trace, and what came with it. `open` leads to another event. */
export function EventDetail({ id, open, wide = false }: Props) {
  const event = useQuery({
    queryKey: ["event", id],
    queryFn: async () => eventOf(await told(api.GET("/v1/events/{id}", { params: { path: { id } }, parseAs: "text" }))),
    refetchInterval: ({ state }) => (state.data?.status === "pending" ? 1_000 : false),
  });
  const trace = useQuery({
    queryKey: ["event", id, "trace", event.data?.status],
    queryFn: () => told(api.GET("/v1/events/{id}/trace", { params: { path: { id } } })),
    enabled: event.isSuccess,
  });
  const batch = trace.data?.steps.find((step) => step.step === "received")?.facts.batch_id;
  const half = wide ? { base: 12, md: 6 } : 12;
  return (
    <Loaded query={event} what="event" lines={10}>
      {(known) => (
        <Grid gap="lg">
          <Grid.Col span={half}>
            <Stack gap="md">
              <Outcome event={known} />
              <About event={known} />
              <Section title="Data">
                <Snippet text={known.written} what="data" />
              </Section>
            </Stack>
          </Grid.Col>
          <Grid.Col span={half}>
            <Stack gap="md">
              <Section title="What became of it">
                <Loaded query={trace} what="trace" lines={5} height={48}>
                  {({ steps }) => <Trace steps={steps} />}
                </Loaded>
              </Section>
              {typeof batch === "string" && <Together key={batch} batch={batch} id={id} open={open} />}
            </Stack>
          </Grid.Col>
        </Grid>
      )}
    </Loaded>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <Title order={2} size="h5" mb="xs">
        {title}
      </Title>
      {children}
    </section>
  );
}

function Outcome({ event }: { event: Event }) {
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Status status={event.status} />
        <Lane lane={event.lane} />
      </Group>
      {event.reason && (
        <Alert color="red" title={sentence(spelled(event.reason))} p="sm">
          {event.detail && <Outside text={event.detail} />}
        </Alert>
      )}
    </Stack>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function About({ event }: { event: Event }) {
  const rows: [string, ReactNode][] = [
    ["Signal", <SignalLink key="s" slug={event.signal} width="100%" />],
    ["Schema version", event.schema_version ?? "none"],
    ["Occurred", <Moment key="o" at={event.occurred_at} precision="whole" />],
    ["Received", <Moment key="r" at={event.received_at} precision="whole" />],
    ["Identities", <Whom key="i" event={event} />],
    ["Profile", event.profile_id ? <Profile key="p" id={event.profile_id} /> : "none"],
    ["Name", event.name ? <Outside key="n" text={event.name} /> : null],
    ["Dialect", event.dialect],
    ["Reference", event.reference ? <Id key="e" id={event.reference} what="reference" /> : null],
    ["Backfill", event.backfill_id ? <Backfill key="b" id={event.backfill_id} /> : null],
    ["Id", <Id key="d" id={event.id} what="id" />],
  ];
  return (
    <Table verticalSpacing={5} layout="fixed">
      <Table.Tbody>
        {rows.map(([name, value]) =>
          value === null ? null : (
            <Table.Tr key={name}>
              <Table.Th scope="row" w="8.5rem" style={{ verticalAlign: "top" }}>
                {name}
              </Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ),
        )}
      </Table.Tbody>
    </Table>
  );
}

function Whom({ event }: { event: Event }) {
  if (event.identities.length === 0) return <Text size="sm">none</Text>;
  return (
    <Stack gap={2}>
      {event.identities.map((each) => (
        <IdentityLink key={keyOf(each)} identity={each} width="100%" />
      ))}
    </Stack>
  );
}

function Profile({ id }: { id: string }) {
  return (
    <Anchor component={Link} to="/profiles/$key" params={{ key: id } as never} size="sm">
      <Outside text={id} mono />
    </Anchor>
  );
}

function Backfill({ id }: { id: string }) {
  return (
    <Anchor component={Link} to="/backfills/$id" params={{ id } as never} size="sm">
      <Outside text={id} mono />
    </Anchor>
  );
}
