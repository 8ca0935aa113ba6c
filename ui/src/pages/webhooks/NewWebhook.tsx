import "@mantine/core/styles/Checkbox.css";
import { Button, Checkbox, Group, Modal, ScrollArea, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { FaultNote } from "@/common/Fault";
import { Cut } from "@/common/Outside";
import { createWebhook, type MadeWebhook, useCohortNames, useWebhookChange } from "./queries";
import { EVENTS, tellsOfCohorts } from "./words";

type Props = { close: () => void; made: (webhook: MadeWebhook) => void };

/** Asks where to, and what of. */
export function NewWebhook({ close, made }: Props) {
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [events, setEvents] = useState<string[]>(["cohort.entered", "cohort.left"]);
  const [cohorts, setCohorts] = useState<string[]>([]);
  const create = useWebhookChange(createWebhook, made);
  const leave = () => {
    if (!create.isPending) close(); // or a secret is made that nobody sees
  };
  const chosen = tellsOfCohorts(events) ? cohorts : [];
  return (
    <Modal opened onClose={leave} title="New webhook" size="lg" closeOnClickOutside={false}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ url: url.trim(), events, cohorts: chosen, description: description.trim() });
        }}
      >
        <Stack gap="md">
          <TextInput
            label="URL"
            description="Where it is sent: https, to a public address."
            placeholder="https://crm.example/hooks/headwater"
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
            maxLength={2048}
            inputMode="url"
            autoComplete="off"
            required
            data-autofocus
          />
          <TextInput
            label="Description"
            description="For people, so that one knows later whose it is."
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
            maxLength={500}
            autoComplete="off"
          />
          <Checkbox.Group
            label="Events"
            description="What it is told."
            value={events}
            onChange={setEvents}
            error={events.length === 0 ? "Choose one at least." : undefined}
          >
            <Stack gap={8} mt={6}>
              {EVENTS.map((each) => (
                <Checkbox key={each.value} {...each} />
              ))}
            </Stack>
          </Checkbox.Group>
          {tellsOfCohorts(events) && <Cohorts chosen={cohorts} choose={setCohorts} />}
          {create.error && <FaultNote error={create.error} what="It was not made" />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave} disabled={create.isPending}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending} disabled={events.length === 0 || url.trim() === ""}>
              Create webhook
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Which cohorts it tells of. */
function Cohorts({ chosen, choose }: { chosen: string[]; choose: (ids: string[]) => void }) {
  const known = useCohortNames().data?.data ?? [];
  if (known.length === 0) return null;
  return (
    <Checkbox.Group
      label="Cohorts"
      description="Of these alone; none chosen: of all, also those made later."
      value={chosen}
      onChange={choose}
    >
      <ScrollArea.Autosize mah={180} mt={6} type="auto">
        <Stack gap={8}>
          {known.map((each) => (
            <Checkbox key={each.id} value={each.id} label={<Cut text={each.name} width="min(24rem, 60vw)" />} />
          ))}
        </Stack>
      </ScrollArea.Autosize>
    </Checkbox.Group>
  );
}
