import { Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Snippet } from "./Outside";

type Props = { title: string; children?: ReactNode; command?: string | undefined };

/** Nothing here yet, and how to change that. */
export function Empty({ title, children, command }: Props) {
  return (
    <Paper withBorder p="lg">
      <Stack gap="sm">
        <Title order={2} size="h4">
          {title}
        </Title>
        {children && (
          <Text component="div" size="sm" c="dimmed">
            {children}
          </Text>
        )}
        {command && <Snippet text={command} />}
      </Stack>
    </Paper>
  );
}

/** A first event, as one would send it from a terminal. `KEY` stands for the sender's key, which no page knows. */
export function firstEvent(origin = window.location.origin): string {
  return `curl ${origin}/integrations/bikPlatformFunctions-events/sendEvents \\
  -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\
  -d '{"events": [{"name": "Ada", "email": "ada@example.com", "eventName": "productViewed",
       "eventProperties": {"productId": "p-1", "variantId": "v-1"}}]}'`;
}

/** A first signal and event of a CRM. */
export function firstSignal(origin = window.location.origin): string {
  return `curl ${origin}/v1/signals \\
  -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\
  -d '{"name": "Visited documentation page", "type": "event"}'
curl ${origin}/v1/events/batch \\
  -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\
  -d '{"events": [{"signal": "visited-documentation-page",
       "identity": {"type": "account", "id": "001ABC000000123"}, "data": {"page": "/docs/quickstart"}}]}'`;
}
