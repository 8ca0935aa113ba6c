import "@mantine/core/styles/Checkbox.css";
import { Alert, Button, Checkbox, Group, Modal, Stack } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";
import { useStay } from "@/api/session";
import { Snippet } from "@/common/Outside";
import type { NewKey } from "./keys";

/** A new key, this once. Neither a click beside it nor Esc takes it away. */
export function ShownKey({ made, close }: { made: NewKey; close: () => void }) {
  useStay();
  const [kept, setKept] = useState(false);
  return (
    <Modal
      opened
      onClose={close}
      title={`Key ${made.name || made.id}`}
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack gap="md">
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} title="It is shown this once">
          Copy it now, to where the sender's secrets are kept. headwater keeps no copy that could be read again.
        </Alert>
        <div data-testid="new-key">
          <Snippet text={made.key} what="key" />
        </div>
        <Checkbox
          label="I have copied the key"
          checked={kept}
          onChange={(event) => setKept(event.currentTarget.checked)}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button onClick={close} disabled={!kept}>
            Done
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
