import { Anchor, Group, Stack, Table, Text, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { AdminButton } from "@/common/AdminButton";
import { Ago } from "@/common/Moment";
import { spelled } from "@/common/marks";
import { count } from "@/common/numbers";
import { Cut, Outside } from "@/common/Outside";
import { type Filter, type Kind, mendedIn, wrongWith } from "./groups";
import type { Asked } from "./ReplayDialog";
import styles from "./rejected.module.css";
import { Samples } from "./Samples";

type Props = {
  kind: Kind;
  filter: Filter;
  /** What is shown is that of other filters still. */
  stale: boolean;
  opened: boolean;
  turn: (kind: string) => void;
  ticked: ReadonlySet<string>;
  tick: (id: string, on: boolean) => void;
  open: (id: string) => void;
  replay: (asked: Asked) => void;
};

/** What was rejected of one signal for one reason; its events unfold below. */
export function KindRow({ kind, filter, stale, opened, turn, ticked, tick, open, replay }: Props) {
  const Chevron = opened ? IconChevronDown : IconChevronRight;
  const name = `${kind.reason} ${kind.signal}`;
  const reason = kind.reason as NonNullable<Filter["reason"]>;
  const asked = {
    filter: { ...filter, reason, signal: kind.signal },
    what: `${kind.signal}: ${spelled(reason)}`,
    events: kind.events,
  };
  const wrong = wrongWith(kind);
  const todo = <Todo kind={kind} stale={stale} replay={() => replay(asked)} />;
  return (
    <>
      <Table.Tr>
        <Table.Th scope="row" fw={400}>
          <UnstyledButton
            className={styles.turn ?? ""}
            aria-expanded={opened}
            onClick={() => turn(name)}
            aria-label={`${kind.signal}, show events`}
          >
            <Chevron size={16} aria-hidden />
            <Cut text={kind.signal} />
          </UnstyledButton>
          <Stack gap={4} hiddenFrom="md" pl={20}>
            {wrong && (
              <Text size="xs" c="dimmed" component="div">
                <Outside text={wrong} />
              </Text>
            )}
            <Group hiddenFrom="xs" gap="xs">
              {todo}
            </Group>
          </Stack>
        </Table.Th>
        <Table.Td ta="end" className="tabular">
          {count(kind.events)}
        </Table.Td>
        <Table.Td visibleFrom="md">
          <Ago at={kind.newest} />
        </Table.Td>
        <Table.Td visibleFrom="md">
          {wrong && (
            <Text size="sm" component="div">
              <Outside text={wrong} />
            </Text>
          )}
        </Table.Td>
        <Table.Td visibleFrom="xs">
          <Group gap="xs" justify="flex-end" wrap="nowrap">
            {todo}
          </Group>
        </Table.Td>
      </Table.Tr>
      {opened && (
        <Table.Tr>
          <Table.Td colSpan={5}>
            <Samples kind={kind} filter={filter} ticked={ticked} tick={tick} open={open} />
          </Table.Td>
        </Table.Tr>
      )}
    </>
  );
}

const MENDED = { overview: "Approve", schema: "Schema", settings: "Settings" };

function Todo({ kind, stale, replay }: { kind: Kind; stale: boolean; replay: () => void }) {
  const tab = mendedIn(kind.reason);
  return (
    <>
      {tab && (
        <Anchor
          component={Link}
          to="/signals/$slug"
          params={{ slug: kind.signal } as never}
          search={{ tab } as never}
          size="sm"
          aria-label={`${MENDED[tab]} of ${kind.signal}`}
        >
          {MENDED[tab]}
        </Anchor>
      )}
      <AdminButton
        size="compact-sm"
        variant="default"
        disabled={stale}
        onClick={replay}
        aria-label={`Replay ${kind.signal}`}
      >
        Replay
      </AdminButton>
    </>
  );
}
