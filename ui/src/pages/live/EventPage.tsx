import { useNavigate, useParams } from "@tanstack/react-router";
import { Page } from "@/common/Page";
import { EventDetail } from "./EventDetail";

/** One event and what became of it, under an address of its own. */
export function EventPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const open = (other: string) => void navigate({ to: "/events/$id", params: { id: other } as never });
  return (
    <Page title="Event" about="What was sent, and what became of it.">
      <EventDetail id={id} open={open} wide />
    </Page>
  );
}
