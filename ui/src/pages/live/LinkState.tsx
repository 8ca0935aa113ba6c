import { Badge } from "@mantine/core";
import type { Link } from "./stream";

const SAID: Record<Link | "paused", [string, string]> = {
  connecting: ["Connecting", "gray"],
  live: ["Live", "teal"],
  reconnecting: ["Reconnecting", "orange"],
  away: ["Engine away", "orange"],
  refused: ["Not connected", "red"],
  paused: ["Paused", "blue"],
};

/** How it stands with the stream, told to those who do not see it too. */
export function LinkState({ link, paused }: { link: Link; paused: boolean }) {
  const [text, color] = SAID[paused && link === "live" ? "paused" : link];
  return (
    <Badge
      variant="dot"
      color={color}
      size="lg"
      tt="none"
      fw={500}
      miw="7.8rem"
      styles={{ root: { justifyContent: "start" }, label: { textAlign: "start" } }}
      role="status"
    >
      {text}
    </Badge>
  );
}
