import { Alert, Button, Group, Modal, Skeleton, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useEffect } from "react";
import { FaultNote } from "@/common/Fault";
import { count } from "@/common/numbers";
import type { Signal } from "../queries";
import { CheckReport } from "./CheckReport";
import { type Check, useCheck, usePublish } from "./checking";
import type { JsonObject } from "./json";

type Props = {
  signal: Signal;
  schema: JsonObject;
  version: number;
  close: () => void;
  done: (version: number) => void;
};

/** Tries the schema once more, says what that means, and only then publishes it. */
export function PublishDialog({ signal, schema, version, close, done }: Props) {
  const { mutate: run, ...check } = useCheck(signal.slug);
  const publish = usePublish(signal.slug);
  useEffect(() => run(schema), [run, schema]);
  const failed = check.data?.failed ?? 0;
  return (
    <Modal opened onClose={close} title={`Publish version ${version}?`} size="lg" closeOnClickOutside={false}>
      <Stack gap="md">
        <Text size="sm">
          From the next request on, events of this signal are held against it. A version never changes; a later one
          takes its place.
        </Text>
        <div style={{ minHeight: 60 }}>
          {check.isPending && (
            <div aria-busy="true">
              <Skeleton height={52} />
            </div>
          )}
          {check.error && (
            <FaultNote error={check.error} what="It could not be tried on recent events" again={() => run(schema)} />
          )}
          {check.data && <CheckReport check={check.data} />}
        </div>
        {check.data && failed > 0 && <Warning signal={signal} check={check.data} />}
        {publish.error && <FaultNote error={publish.error} what="It was not published" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Go on editing
          </Button>
          <Button
            color={failed > 0 ? "red.9" : "water"}
            disabled={!check.data}
            loading={publish.isPending}
            onClick={() => publish.mutate(schema, { onSuccess: (made) => done(made.version) })}
          >
            {failed > 0 ? "Publish all the same" : `Publish version ${version}`}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Warning({ signal, check }: { signal: Signal; check: Check }) {
  const fate =
    signal.enforcement === "reject"
      ? "will be refused with 400, and not kept"
      : "will be rejected, and kept until they are replayed";
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title="Senders may break">
      Events like these {count(check.failed)} {fate} as soon as this is published. Make sure that their senders know.
    </Alert>
  );
}
