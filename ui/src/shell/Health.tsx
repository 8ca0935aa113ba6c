import { Alert, Text } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Outside } from "@/common/Outside";

type Part = { ready: boolean; why: string };
type Ready = { ready: boolean; gateway: Part; engine: Part };

/** What `/readyz` says, which needs no key; null when it cannot be asked. */
async function ready(): Promise<Ready | null> {
  try {
    return (await (await fetch("/readyz")).json()) as Ready;
  } catch {
    return null;
  }
}

/** A word above every page as long as something is wrong with the server itself. */
export function Health() {
  const asked = useQuery({ queryKey: ["readyz"], queryFn: ready, refetchInterval: 5_000, retry: false });
  if (asked.data === undefined || asked.data?.ready) return null;
  const parts = asked.data ? [asked.data.gateway, asked.data.engine] : [];
  const why = parts.map((part) => part.why).filter(Boolean);
  return (
    <Alert color="orange" icon={<IconPlugConnectedX />} mb="md" title={title(asked.data)} role="status">
      {why.map((text) => (
        <Text key={text} size="sm">
          <Outside text={text} />
        </Text>
      ))}
    </Alert>
  );
}

function title(ready: Ready | null): string {
  if (ready === null) return "The server cannot be reached";
  if (ready.gateway.ready) return "Events are taken; questions wait for the engine";
  return "Events are refused for now; senders are told to come back";
}
