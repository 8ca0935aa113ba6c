import { Anchor, Paper, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { faultOf } from "@/api/client";
import { useSession } from "@/api/session";
import { Loaded } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { Outside } from "@/common/Outside";
import { Facts } from "@/pages/signals/Facts";

/** The version that serves, as its own API document tells it. */
function useVersion() {
  return useQuery({
    queryKey: ["version"],
    queryFn: async () => {
      const answer = await fetch("/openapi.json");
      if (!answer.ok) throw faultOf(answer, null);
      const document = (await answer.json()) as { info?: { version?: string } };
      return document.info?.version ?? "not told";
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** What runs here, where more is told, and who is signed in. */
export function AboutTab() {
  const version = useVersion();
  const session = useSession().data;
  return (
    <Stack gap="md" maw={720}>
      <Paper withBorder p="md">
        <Title order={2} size="h4" mb="sm">
          headwater
        </Title>
        <Loaded query={version} what="version" lines={1} height={24}>
          {(known) => (
            <Facts
              facts={[
                { term: "Version", value: <Outside text={known} /> },
                { term: "Address", value: <Outside text={window.location.origin} mono /> },
              ]}
            />
          )}
        </Loaded>
        <Text size="sm" mt="md">
          <Anchor underline="always" href="/docs">
            API reference
          </Anchor>
          : every call with its answers.
          <br />
          <Anchor underline="always" href="/metrics">
            Metrics
          </Anchor>
          : the figures for Prometheus.
          <br />
          <Anchor underline="always" href="/openapi.json">
            OpenAPI document
          </Anchor>
          : the API for machines.
        </Text>
      </Paper>
      {session && (
        <Paper withBorder p="md">
          <Title order={2} size="h4" mb="sm">
            This session
          </Title>
          <Facts
            facts={[
              { term: "Key", value: <Outside text={session.key.name || session.key.id} /> },
              { term: "Scopes", value: session.key.scopes.join(", ") },
              {
                term: "Ends",
                value: session.expires_at ? <Moment at={session.expires_at} precision="whole" /> : "never",
              },
            ]}
          />
        </Paper>
      )}
    </Stack>
  );
}
