import { SimpleGrid } from "@mantine/core";
import { Empty, firstEvent, firstSignal } from "@/common/Empty";

/** How to send something to a workspace in which nothing is; the page shows it by itself when it comes. */
export function FirstEvents() {
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
      <Empty title="No event yet: send one from a shop" command={firstEvent()}>
        A BIK event, about a person. Put your API key for KEY; the event is shown here as soon as it comes.
      </Empty>
      <Empty title="Or one from a back end or a CRM" command={firstSignal()}>
        A signal is made first, then a Bigmind event of it, about an account.
      </Empty>
    </SimpleGrid>
  );
}
