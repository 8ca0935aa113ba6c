import { ActionIcon, Group, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconLogout, IconMoon, IconSun } from "@tabler/icons-react";
import { useSession, useSignOut } from "@/api/session";

/** Dark or light, and the way out. */
export function Who() {
  const session = useSession();
  const signOut = useSignOut();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <Group gap={4} wrap="nowrap">
      <Tooltip label={`Switch to ${other}`}>
        <ActionIcon
          variant="subtle"
          color="gray"
          onClick={() => setColorScheme(other)}
          aria-label={`Switch to ${other}`}
        >
          {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
        </ActionIcon>
      </Tooltip>
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
