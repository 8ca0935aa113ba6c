import { ActionIcon, Group, Tooltip } from "@mantine/core";
import { IconLogout } from "@tabler/icons-react";
import { useSession, useSignOut } from "@/api/session";
import { Scheme } from "./Scheme";

/** Dark or light, and the way out. */
export function Who() {
  const session = useSession();
  const signOut = useSignOut();
  return (
    <Group gap={4} wrap="nowrap">
      <Scheme />
      {session.data && (
        <Tooltip label={`Sign out (key ${session.data.key.name || session.data.key.id})`}>
          <ActionIcon
            variant="subtle"
            color="gray"
            onClick={() => signOut.mutate()}
            loading={signOut.isPending}
            aria-label="Sign out"
          >
            <IconLogout size={18} />
          </ActionIcon>
        </Tooltip>
      )}
    </Group>
  );
}
