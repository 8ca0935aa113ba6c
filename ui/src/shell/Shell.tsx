import { AppShell, Box, Burger, Group, NavLink, Text } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import {
  IconActivity,
  IconAlertTriangle,
  IconHistory,
  IconRouteSquare,
  IconSettings,
  IconUsers,
  IconUsersGroup,
  IconWebhook,
} from "@tabler/icons-react";
import { Link, Navigate, Outlet, useRouterState } from "@tanstack/react-router";
import { Suspense } from "react";
import { useSession } from "@/api/session";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Cut } from "@/common/Outside";
import { Health } from "./Health";
import { Mark } from "./Mark";
import { Who } from "./Who";

const PAGES = [
  { to: "/", label: "Live", icon: IconActivity },
  { to: "/signals", label: "Signals", icon: IconRouteSquare },
  { to: "/rejected", label: "Rejected", icon: IconAlertTriangle },
  { to: "/cohorts", label: "Cohorts", icon: IconUsersGroup },
  { to: "/profiles", label: "Profiles", icon: IconUsers },
  { to: "/backfills", label: "Backfills", icon: IconHistory },
  { to: "/webhooks", label: "Webhooks", icon: IconWebhook },
  { to: "/settings", label: "Settings", icon: IconSettings },
] as const;

/** What stands around every page of who is signed in. */
export function Shell() {
  const session = useSession();
  const [opened, { toggle, close }] = useDisclosure();
  const narrow = useMediaQuery("(max-width: 47.99em)", false, { getInitialValueInEffect: false });
  const { pathname: path, searchStr } = useRouterState({ select: (state) => state.location });
  if (session.data === null) {
    // While the way there is loaded, the address is the next page's already, and this one is still drawn.
    return path === "/sign-in" ? null : <Navigate to="/sign-in" search={{ to: path + searchStr }} replace />;
  }
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 208, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <AppShell.Header>
        <Group h="100%" px="sm" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap" style={{ minWidth: 0 }}>
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={opened ? "Close the menu" : "Open the menu"}
              aria-expanded={opened}
            />
            <Mark />
            {session.data && (
              <Text size="sm" c="dimmed" style={{ minWidth: 0 }}>
                <Cut text={session.data.workspace.name} width="min(16rem, 30vw)" />
              </Text>
            )}
          </Group>
          <Who />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages" inert={narrow && !opened}>
        <AppShell.Section grow style={{ overflowY: "auto" }}>
          {PAGES.map((page) => (
            <NavLink
              key={page.to}
              component={Link}
              to={page.to}
              label={page.label}
              leftSection={<page.icon size={18} stroke={1.6} aria-hidden />}
              active={page.to === "/" ? path === "/" || path.startsWith("/events/") : path.startsWith(page.to)}
              aria-current={(page.to === "/" ? path === "/" : path.startsWith(page.to)) ? "page" : undefined}
              onClick={close}
            />
          ))}
        </AppShell.Section>
        <AppShell.Section>
          <NavLink component="a" href="/docs" label="API reference" c="dimmed" />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} style={{ outline: "none" }}>
        <Health />
        {session.error && (
          <Box mb="md">
            <FaultNote error={session.error} what="headwater does not answer" again={() => void session.refetch()} />
          </Box>
        )}
        {/* A page that is there stays: what one has typed into it is not lost when the server is away for a while. */}
        {session.data ? (
          <Suspense fallback={<Lines />}>
            <Outlet />
          </Suspense>
        ) : (
          !session.error && <Lines />
        )}
      </AppShell.Main>
    </AppShell>
  );
}
