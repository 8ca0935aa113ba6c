import { Button, Group, Modal, NativeSelect, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useSession } from "@/api/session";
import { FaultNote } from "@/common/Fault";
import { Outside } from "@/common/Outside";
import type { Key, NewKey } from "./keys";
import { rotateKey, useNewKey } from "./useKeys";

const GRACES = [
  { value: "0", label: "It ends at once" },
  { value: "3600", label: "An hour" },
  { value: "86400", label: "A day" },
  { value: "604800", label: "7 days" },
  { value: "2592000", label: "30 days" },
];

/** Makes a key anew, while the old one works for some time more. */
export function RotateKey({ of, close, made }: { of: Key; close: () => void; made: (key: NewKey) => void }) {
  const [grace, setGrace] = useState("86400");
  const isOwn = useSession().data?.key.id === of.id;
  const rotate = useNewKey(rotateKey, made);
  const leave = () => {
    if (!rotate.isPending) close(); // or a key is made that nobody sees
  };
  return (
    <Modal opened onClose={leave} title="Rotate a key" closeOnClickOutside={false}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          rotate.mutate({ id: of.id, grace_seconds: Number(grace) });
        }}
      >
        <Stack gap="md">
          <Text size="sm" component="div">
            A new key of the name and scopes of <Outside text={of.name || of.id} /> is made. Put it where the old one is
            used before that ends.
            {isOwn && " You are signed in with the old one: this session ends with it."}
          </Text>
          <NativeSelect
            label="How long the old one still works"
            data={GRACES}
            value={grace}
            onChange={(event) => setGrace(event.currentTarget.value)}
          />
          {rotate.error && <FaultNote error={rotate.error} what="It was not rotated" />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave} disabled={rotate.isPending}>
              Cancel
            </Button>
            <Button type="submit" loading={rotate.isPending}>
              Rotate
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
