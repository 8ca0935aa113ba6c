import { Anchor, Badge, Group } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Cut } from "./Outside";

const COLORS: Record<string, string> = {
  processed: "teal",
  pending: "gray",
  rejected: "red",
  reverted: "orange",
  open: "teal",
  closed: "gray",
  reverting: "orange",
  active: "teal",
  paused: "orange",
  delivered: "teal",
  failed: "red",
};

/** An outcome or another state of a thing, as a word with a colour. */
export function Status({ status }: { status: string }) {
  return (
    <Badge variant="light" color={COLORS[status] ?? "gray"} tt="none" style={{ flexShrink: 0 }}>
      {status}
    </Badge>
  );
}

/** The closed list of reasons, for people. */
export function spelled(reason: string): string {
  return reason.replaceAll("_", " ");
}

export function Lane({ lane }: { lane: string }) {
  return (
    <Badge variant="outline" color={lane === "migration" ? "grape" : "water"} tt="none" style={{ flexShrink: 0 }}>
      {lane}
    </Badge>
  );
}

export type Identity = { type: string; id: string };

export function keyOf(identity: Identity): string {
  return `${identity.type}:${identity.id}`;
}

/** Whom an event or a profile is about, leading to the profile. */
export function IdentityLink({ identity, width = "min(18rem, 60vw)" }: { identity: Identity; width?: string }) {
  const key = keyOf(identity);
  return (
    <Anchor component={Link} to="/profiles/$key" params={{ key } as never} size="sm" style={{ minWidth: 0 }}>
      <Cut text={key} width={width} />
    </Anchor>
  );
}

export function Identities({ identities, most = 2 }: { identities: readonly Identity[]; most?: number }) {
  return (
    <Group gap={6} style={{ minWidth: 0 }}>
      {identities.slice(0, most).map((each) => (
        <IdentityLink key={keyOf(each)} identity={each} />
      ))}
      {identities.length > most && <Badge variant="default">+{identities.length - most}</Badge>}
    </Group>
  );
}

export function SignalLink({ slug, width = "min(14rem, 60vw)" }: { slug: string; width?: string }) {
  return (
    <Anchor component={Link} to="/signals/$slug" params={{ slug } as never} size="sm" style={{ minWidth: 0 }}>
      <Cut text={slug} width={width} />
    </Anchor>
  );
}
