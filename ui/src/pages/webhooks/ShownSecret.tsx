import "@mantine/core/styles/Checkbox.css";
import { Alert, Button, Checkbox, Group, Modal, Stack } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";
import { useStay } from "@/api/session";
import { Snippet } from "@/common/Outside";

/** A new secret, this once. Neither a click beside it nor Esc takes it away. */
export function ShownSecret({ secret, close }: { secret: string; close: () => void }) {
  useStay();
  const [kept, setKept] = useState(false);
  return (
    <Modal
      opened
      onClose={close}
      title="Signing secret"
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack gap="md">
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} title="It is shown this once">
          Copy it now, to where the receiver's secrets are kept: with it the receiver knows that a delivery is from
          here. If it is lost, rotate it.
        </Alert>
        <div data-testid="new-secret">
          <Snippet text={secret} what="secret" />
        </div>
        <Checkbox
          label="I have copied the secret"
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
