import { Alert, Button, Text } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { Fault } from "@/api/client";
import { Outside } from "./Outside";

type Props = { error: Error; what?: string; again?: (() => void) | undefined };

/** What went wrong, in the server's words, and where. */
export function FaultNote({ error, what = "That did not work", again }: Props) {
  const fault = error instanceof Fault ? error : null;
  return (
    <Alert color="red" icon={<IconAlertCircle />} title={fault?.status === 0 ? fault.title : what} role="alert">
      <Text size="sm" component="div">
        {fault?.path && (
          <>
            <Outside text={fault.path} mono />
            {": "}
          </>
        )}
        <Outside text={error.message} />
      </Text>
      {again && (
        <Button mt="xs" size="xs" variant="default" onClick={again}>
          Try again
        </Button>
      )}
    </Alert>
  );
}
