import { Alert, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useSession } from "@/api/session";
import { Confirm } from "@/common/Confirm";
import { Outside } from "@/common/Outside";
import type { Key } from "./keys";
import { revokeKey, useKeyChange } from "./useKeys";

/** Ends a key, once one knows what that means. */
export function RevokeKey({ of, close }: { of: Key; close: () => void }) {
  const queries = useQueryClient();
  const isOwn = useSession().data?.key.id === of.id;
  const revoke = useKeyChange(revokeKey);
  const done = () => {
    close();
    if (isOwn) void queries.invalidateQueries({ queryKey: ["session"] });
  };
  return (
    <Confirm
      opened
      close={close}
      title="Revoke a key?"
      verb={isOwn ? "Revoke and sign out" : "Revoke"}
      busy={revoke.isPending}
      error={revoke.error}
      act={() => revoke.mutate(of.id, { onSuccess: done })}
    >
      <Stack gap="sm">
        <Text size="sm" component="div">
          The next request with <Outside text={of.name || of.id} /> is refused. This cannot be undone.
        </Text>
        {isOwn && (
          <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} title="You are signed in with it">
            This ends your session at once. Have another key at hand, or you cannot come back.
          </Alert>
        )}
      </Stack>
    </Confirm>
  );
}
