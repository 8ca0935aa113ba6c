import "@mantine/core/styles/Radio.css";
import { Button, Code, Group, Modal, Radio, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { bodyOf, type Draft, faultsOf, NEW, slugOf } from "./draft";
import { Measures, RateLimit, Rules } from "./SignalFields";

type Props = { opened: boolean; close: () => void };

const KINDS = [
  { value: "event", label: "Event", description: "Something that happened: a page was seen, an order was made." },
  { value: "metric", label: "Metric", description: "A number that is summed up by the hour, day, week or month." },
  { value: "state", label: "State", description: "How something is now: the newest value stands until another comes." },
] as const;

/** Makes a signal, and leads to it. */
export function NewSignal({ opened, close }: Props) {
  return (
    <Modal opened={opened} onClose={close} title="New signal" size="lg" closeOnClickOutside={false}>
      {opened && <Form close={close} />}
    </Modal>
  );
}

function Form({ close }: { close: () => void }) {
  const [draft, setDraft] = useState<Draft>(NEW);
  const [tried, setTried] = useState(false);
  const change = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const navigate = useNavigate();
  const queries = useQueryClient();
  const make = useMutation({
    mutationFn: () => told(api.POST("/v1/signals", { body: bodyOf(draft) })),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ["signals"] });
      close();
      void navigate({ to: "/signals/$slug", params: { slug: made.slug } as never });
    },
  });
  const faults = tried ? faultsOf(draft) : {};
  const shared = { draft, change, faults, isNew: true };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (Object.keys(faultsOf(draft)).length === 0) make.mutate();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          description="For people; it can be changed later."
          value={draft.name}
          onChange={(event) => change({ name: event.currentTarget.value })}
          error={faults.name}
          maxLength={200}
          required
          data-autofocus
        />
        <TextInput
          label="Slug"
          description="What senders write. It stays for good; leave it empty to have it made from the name."
          placeholder={slugOf(draft.name)}
          value={draft.slug}
          onChange={(event) => change({ slug: event.currentTarget.value })}
          error={faults.slug}
          maxLength={100}
          spellCheck={false}
        />
        <Text size="sm" mih={22} role="status">
          {(draft.slug || slugOf(draft.name)) && (
            <>
              It will be sent as{" "}
              <Code style={{ overflowWrap: "anywhere" }}>
                <bdi>{draft.slug || slugOf(draft.name)}</bdi>
              </Code>
            </>
          )}
        </Text>
        <Radio.Group
          label="Type"
          value={draft.type}
          onChange={(type) => change({ type: type as Draft["type"] })}
          required
        >
          <Stack gap={6} mt={6}>
            {KINDS.map((kind) => (
              <Radio key={kind.value} {...kind} />
            ))}
          </Stack>
        </Radio.Group>
        <Measures {...shared} />
        <RateLimit {...shared} />
        <Rules {...shared} />
        {make.error && <FaultNote error={make.error} what="It was not made" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={make.isPending}>
            Create signal
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
