import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Missing } from "@/shell/Missing";
import { Shell } from "@/shell/Shell";

const root = createRootRoute({ notFoundComponent: Missing });

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  component: lazyRouteComponent(() => import("@/shell/SignIn"), "SignIn"),
});

/** Everything behind the sign-in. */
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });

/** What a page keeps in its address, all as text: a link shows to others just what one sees. */
export type Search = Record<string, string | undefined>;

function validateSearch(search: Record<string, unknown>): Search {
  const kept = Object.entries(search).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}

const page = { getParentRoute: () => shell, validateSearch };

const live = createRoute({
  ...page,
  path: "/",
  component: lazyRouteComponent(() => import("@/pages/live/LivePage"), "LivePage"),
});
const signals = createRoute({
  ...page,
  path: "/signals",
  component: lazyRouteComponent(() => import("@/pages/signals/SignalsPage"), "SignalsPage"),
});
const signal = createRoute({
  ...page,
  path: "/signals/$slug",
  component: lazyRouteComponent(() => import("@/pages/signals/SignalPage"), "SignalPage"),
});
const rejected = createRoute({
  ...page,
  path: "/rejected",
  component: lazyRouteComponent(() => import("@/pages/rejected/RejectedPage"), "RejectedPage"),
});
const cohorts = createRoute({
  ...page,
  path: "/cohorts",
  component: lazyRouteComponent(() => import("@/pages/cohorts/CohortsPage"), "CohortsPage"),
});
const newCohort = createRoute({
  ...page,
  path: "/cohorts/new",
  component: lazyRouteComponent(() => import("@/pages/cohorts/NewCohortPage"), "NewCohortPage"),
});
const cohort = createRoute({
  ...page,
  path: "/cohorts/$id",
  component: lazyRouteComponent(() => import("@/pages/cohorts/CohortPage"), "CohortPage"),
});
const profiles = createRoute({
  ...page,
  path: "/profiles",
  component: lazyRouteComponent(() => import("@/pages/profiles/ProfilesPage"), "ProfilesPage"),
});
const profile = createRoute({
  ...page,
  path: "/profiles/$key",
  component: lazyRouteComponent(() => import("@/pages/profiles/ProfilePage"), "ProfilePage"),
});
const backfills = createRoute({
  ...page,
  path: "/backfills",
  component: lazyRouteComponent(() => import("@/pages/backfills/BackfillsPage"), "BackfillsPage"),
});
const backfill = createRoute({
  ...page,
  path: "/backfills/$id",
  component: lazyRouteComponent(() => import("@/pages/backfills/BackfillPage"), "BackfillPage"),
});
const webhooks = createRoute({
  ...page,
  path: "/webhooks",
  component: lazyRouteComponent(() => import("@/pages/webhooks/WebhooksPage"), "WebhooksPage"),
});
const webhook = createRoute({
  ...page,
  path: "/webhooks/$id",
  component: lazyRouteComponent(() => import("@/pages/webhooks/WebhookPage"), "WebhookPage"),
});
const event = createRoute({
  ...page,
  path: "/events/$id",
  component: lazyRouteComponent(() => import("@/pages/live/EventPage"), "EventPage"),
});
const settings = createRoute({
  ...page,
  path: "/settings",
  component: lazyRouteComponent(() => import("@/pages/settings/SettingsPage"), "SettingsPage"),
});

const pages = [
  live,
  event,
  signals,
  signal,
  rejected,
  cohorts,
  newCohort,
  cohort,
  profiles,
  profile,
  backfills,
  backfill,
  webhooks,
  webhook,
  settings,
];

export const router = createRouter({
  routeTree: root.addChildren([signIn, shell.addChildren(pages)]),
  basepath: "/ui",
  defaultPreload: "intent",
  scrollRestoration: true,
  // Texts as they stand in the address, not as JSON: ?signal=ordered, not ?signal="ordered".
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const kept = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text}` : "";
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
