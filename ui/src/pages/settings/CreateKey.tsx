import "@mantine/core/styles/Checkbox.css";
import { Button, Checkbox, Group, Modal, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useSession } from "@/api/session";
import { FaultNote } from "@/common/Fault";
import { type NewKey, SCOPES, type Scope } from "./keys";
import { createKey, useNewKey } from "./useKeys";

const DAY = 86_400_000;
const LIVES = [
  { value: "", label: "Never" },
  { value: "7", label: "In 7 days" },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
];

/** Asks what a new key is for. */
export function CreateKey({ close, made }: { close: () => void; made: (key: NewKey) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly string[]>(["ingest"]);
  const [days, setDays] = useState("");
  const own = useSession().data?.key.scopes ?? [];
  const offered = SCOPES.filter((scope) => scope.value !== "operator" || own.includes("operator"));
  const create = useNewKey(createKey, made);
  const leave = () => {
    if (!create.isPending) close(); // or a key is made that nobody sees
  };
  const body = () => ({
    name: name.trim(),
    scopes: offered.map((scope) => scope.value).filter((scope): scope is Scope => scopes.includes(scope)),
    ...(days ? { expires_at: new Date(Date.now() + Number(days) * DAY).toISOString() } : {}),
  });
  return (
    <Modal opened onClose={leave} title="New key" size="lg" closeOnClickOutside={false}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (scopes.length > 0) create.mutate(body());
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Name"
            description="Who or what will use it, so that one knows later."
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={200}
            autoComplete="off"
            data-autofocus
          />
          <Checkbox.Group
            label="Scopes"
            description="What it may do."
            value={[...scopes]}
            onChange={setScopes}
            error={scopes.length === 0 ? "Choose one at least." : undefined}
          >
            <Stack gap={8} mt={6}>
              {offered.map((scope) => (
                <Checkbox key={scope.value} {...scope} />
              ))}
            </Stack>
          </Checkbox.Group>
          <NativeSelect
            label="Expires"
            description="It is refused from then on."
            data={LIVES}
            value={days}
            onChange={(event) => setDays(event.currentTarget.value)}
            maw={240}
          />
          {create.error && <FaultNote error={create.error} what="It was not made" />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave} disabled={create.isPending}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending} disabled={scopes.length === 0}>
              Create key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
