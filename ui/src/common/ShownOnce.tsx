import "@mantine/core/styles/Checkbox.css";
import { Alert, Button, Checkbox, Group, Modal, Stack } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { useStay } from "@/api/session";
import { Snippet } from "./Outside";

interface Props {
  title: string;
  what: "key" | "secret";
  text: string;
  /** Where it is to be kept. */
  children: ReactNode;
  close: () => void;
}

/** What nobody can read again. Neither a click beside it nor Esc takes it away. */
export function ShownOnce({ title, what, text, children, close }: Props) {
  useStay();
  const [kept, setKept] = useState(false);
  return (
    <Modal
      opened
      onClose={close}
      title={title}
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack gap="md">
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} title="It is shown this once">
          {children}
        </Alert>
        <div data-testid={`new-${what}`}>
          <Snippet text={text} what={what} />
        </div>
        <Checkbox
          label={`I have copied the ${what}`}
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
