import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { FaultNote } from "./Fault";

type Props = {
  opened: boolean;
  close: () => void;
  title: string;
  /** What the button says. */
  verb: string;
  children: ReactNode;
  /** Text that must be typed first, for what cannot be undone. */
  typed?: string | undefined;
  danger?: boolean;
  busy?: boolean;
  error?: Error | null;
  act: () => void;
};

/** Asks before something is done that others will notice. */
export function Confirm({ opened, close, title, verb, children, typed, danger = true, busy, error, act }: Props) {
  const [text, setText] = useState("");
  const ready = typed === undefined || text === typed;
  const done = () => {
    setText("");
    close();
  };
  return (
    <Modal opened={opened} onClose={done} title={title} centered>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) act();
        }}
      >
        <Stack gap="md">
          <div>{children}</div>
          {typed !== undefined && (
            <TextInput
              label={
                <>
                  {/* as it must be typed, with all of its spaces */}
                  Type “<bdi style={{ whiteSpace: "pre-wrap" }}>{typed}</bdi>” to go on
                </>
              }
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              autoComplete="off"
              data-autofocus
            />
          )}
          {error && <FaultNote error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={done}>
              Cancel
            </Button>
            <Button type="submit" color={danger ? "red.9" : "water"} disabled={!ready} loading={busy ?? false}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
