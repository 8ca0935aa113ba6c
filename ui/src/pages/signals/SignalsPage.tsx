import { Group, NativeSelect, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import type { SortingState } from "@tanstack/react-table";
import { useMemo } from "react";
import { AdminButton } from "@/common/AdminButton";
import { Empty, firstSignal } from "@/common/Empty";
import { FaultNote } from "@/common/Fault";
import { Loaded } from "@/common/Loading";
import { count } from "@/common/numbers";
import { Page } from "@/common/Page";
import { useKept, useTyped } from "@/common/search";
import { NewSignal } from "./NewSignal";
import { useActivity, useLimits, useSignals } from "./queries";
import { fits, rowsOf } from "./rows";
import { SignalTable } from "./SignalTable";

/** All signals of the workspace: what may be sent, how much comes, how much of it is wrong. */
export function SignalsPage() {
  const signals = useSignals();
  const [opened, { open, close }] = useDisclosure();
  return (
    <Page
      title="Signals"
      about="What may be sent, by name: each with its limit, and a schema if it has one."
      actions={
        <AdminButton leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
          New signal
        </AdminButton>
      }
    >
      <Loaded query={signals} what="signals" lines={10} height={44}>
        {(known) =>
          known.length === 0 ? (
            <Empty title="No signals yet" command={firstSignal()}>
              A signal says what kind of event may be sent. Make one with the button above, or from a terminal:
            </Empty>
          ) : (
            <Known signals={known} />
          )
        }
      </Loaded>
      <NewSignal opened={opened} close={close} />
    </Page>
  );
}

function Known({ signals }: { signals: NonNullable<ReturnType<typeof useSignals>["data"]> }) {
  const [kept, keep] = useKept();
  const [text, type] = useTyped();
  const activity = useActivity(24);
  const limits = useLimits();
  const rows = useMemo(
    () => rowsOf(signals, activity.data, limits.data?.data ?? []),
    [signals, activity.data, limits.data],
  );
  const filter = { text, type: kept.type ?? "", active: kept.active ?? "" };
  const found = rows.filter((row) => fits(row, filter));
  return (
    <>
      <Group gap="sm" align="flex-end">
        <TextInput
          label="Search"
          placeholder="Name or slug"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(event) => type(event.currentTarget.value)}
          style={{ flex: "1 1 16rem" }}
        />
        <NativeSelect
          label="Type"
          value={filter.type}
          onChange={(event) => keep({ type: event.currentTarget.value })}
          data={[{ value: "", label: "All" }, "event", "metric", "state"]}
          style={{ flex: "1 1 8rem", maxWidth: "11rem" }}
        />
        <NativeSelect
          label="Active"
          value={filter.active}
          onChange={(event) => keep({ active: event.currentTarget.value })}
          data={[
            { value: "", label: "All" },
            { value: "yes", label: "Active" },
            { value: "no", label: "Inactive" },
            { value: "draft", label: "Draft" },
          ]}
          style={{ flex: "1 1 8rem", maxWidth: "11rem" }}
        />
      </Group>
      <Text size="sm" c="dimmed" role="status">
        {found.length === rows.length ? count(rows.length) : `${count(found.length)} of ${count(rows.length)}`} signals
      </Text>
      {activity.error && !activity.data && (
        <FaultNote error={activity.error} what="How busy they are is not known" again={() => void activity.refetch()} />
      )}
      {found.length === 0 ? (
        <Text>No signal fits. Take a filter away.</Text>
      ) : (
        <SignalTable
          rows={found}
          waits={{ activity: activity.isPending, limits: limits.isPending }}
          sorting={sortingOf(kept.sort)}
          sort={(sorting) => keep({ sort: sortOf(sorting) })}
        />
      )}
    </>
  );
}

const SORTABLE = ["name", "volume", "errors"];

/** `-volume` in the address: the busiest first. */
function sortingOf(kept: string | undefined): SortingState {
  const id = (kept ?? "").replace(/^-/, "");
  return SORTABLE.includes(id) ? [{ id, desc: kept?.startsWith("-") ?? false }] : [{ id: "name", desc: false }];
}

function sortOf(sorting: SortingState): string | undefined {
  const [first] = sorting;
  return first && (first.id !== "name" || first.desc) ? `${first.desc ? "-" : ""}${first.id}` : undefined;
}
