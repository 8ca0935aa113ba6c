import { Anchor, Badge, Group, Stack, Table, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { Empty } from "@/common/Empty";
import { Loaded } from "@/common/Loading";
import { Ago } from "@/common/Moment";
import { Status } from "@/common/marks";
import { count } from "@/common/numbers";
import { Cut } from "@/common/Outside";
import { Page } from "@/common/Page";
import { NewWebhook } from "./NewWebhook";
import { type MadeWebhook, useWebhooks } from "./queries";
import { ShownSecret } from "./ShownSecret";
import type { Webhook } from "./words";

/** What is told to other systems, and whether it gets there. */
export function WebhooksPage() {
  const webhooks = useWebhooks();
  const navigate = useNavigate();
  const [making, make] = useState(false);
  const [made, show] = useState<MadeWebhook | null>(null);
  return (
    <Page
      title="Webhooks"
      about="What happens here, told to other systems: signed, tried for a day, kept in a log."
      actions={
        <AdminButton leftSection={<IconPlus size={16} aria-hidden />} onClick={() => make(true)}>
          New webhook
        </AdminButton>
      }
    >
      <Loaded query={webhooks} what="webhooks" lines={4} height={52}>
        {(page) => (page.data.length === 0 ? <Nothing /> : <Known webhooks={page.data} />)}
      </Loaded>
      {making && (
        <NewWebhook
          close={() => make(false)}
          made={(webhook) => {
            make(false);
            show(webhook);
          }}
        />
      )}
      {made && (
        <ShownSecret
          secret={made.secret}
          close={() => void navigate({ to: "/webhooks/$id", params: { id: made.id } as never })}
        />
      )}
    </Page>
  );
}

function Known({ webhooks }: { webhooks: readonly Webhook[] }) {
  return (
    <Table layout="fixed" highlightOnHover verticalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Webhook</Table.Th>
          <Table.Th scope="col" w={{ base: "6rem", sm: "10rem" }}>
            Status
          </Table.Th>
          <Table.Th scope="col" w="6rem" ta="right" visibleFrom="sm">
            Waiting
          </Table.Th>
          <Table.Th scope="col" w="9rem" ta="right" visibleFrom="md">
            Last delivered
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {webhooks.map((each) => (
          <Table.Tr key={each.id}>
            <Table.Td>
              <Anchor component={Link} to="/webhooks/$id" params={{ id: each.id } as never} size="sm">
                <Cut text={each.description || each.url} />
              </Anchor>
              <Text size="xs" c="dimmed" component="div">
                <Cut text={each.description ? each.url : each.events.join(", ")} />
              </Text>
            </Table.Td>
            <Table.Td>
              <Standing webhook={each} />
            </Table.Td>
            <Table.Td ta="right" className="tabular" visibleFrom="sm">
              {count(each.pending)}
            </Table.Td>
            <Table.Td ta="right" visibleFrom="md">
              {each.delivered_at ? <Ago at={each.delivered_at} /> : "–"}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** Whether it works, in a word or two. */
export function Standing({ webhook }: { webhook: Webhook }) {
  return (
    <Group gap={6}>
      <Status status={webhook.status} />
      {webhook.failing_since && (
        <Badge variant="light" color="red" tt="none">
          failing
        </Badge>
      )}
    </Group>
  );
}

function Nothing() {
  return (
    <Empty title="No webhooks yet">
      <Stack gap="sm">
        <Text size="sm">
          A webhook is an address of yours that is told, moments after it happened, who entered or left a cohort, which
          events were rejected, and that a backfill is finished. Each delivery is signed by the Standard Webhooks
          specification, and tried for a day until it is taken.
        </Text>
      </Stack>
    </Empty>
  );
}
