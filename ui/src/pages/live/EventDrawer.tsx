import { Anchor, Drawer, Group } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { EventDetail } from "./EventDetail";

type Props = { id: string; close: () => void; open: (id: string) => void };

/** One event beside the list that it was chosen from. */
export function EventDrawer({ id, close, open }: Props) {
  const narrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const title = (
    <Group gap="md">
      Event
      <Anchor component={Link} to="/events/$id" params={{ id } as never} size="sm">
        A page of its own
      </Anchor>
    </Group>
  );
  return (
    <Drawer opened onClose={close} title={title} position="right" size={narrow ? "100%" : "40rem"}>
      <EventDetail id={id} open={open} />
    </Drawer>
  );
}
