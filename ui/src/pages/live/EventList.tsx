import { Button, Text } from "@mantine/core";
import { IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, type ReactNode, useEffect, useRef, useState } from "react";
import { count } from "@/common/numbers";
import { EventRow, ROW } from "./EventRow";
import type { LiveEvent } from "./feed";
import styles from "./live.module.css";

const GRID = { role: "grid" } as const;
const GROUP = { role: "rowgroup" } as const;
const HEADER = { role: "columnheader" } as const;
const WIDE = 36;
const NARROW = 54;

type Props = {
  rows: readonly LiveEvent[];
  /** How many came that are not in sight yet. */
  missed: number;
  narrow: boolean;
  selected: string | undefined;
  /** What stands where rows would be. */
  none: ReactNode;
  open: (id: string) => void;
  /** Whether somebody reads further down, or goes through the rows by keyboard: nothing is to move then. */
  reading: (reading: boolean) => void;
  newest: () => void;
};

/**
 * The newest events in a list that scrolls by itself; only what is in sight is drawn. Its rows are placed by transforms:
 * those that move on four times a second have no layout to be made anew.
 */
export const EventList = memo(function EventList(props: Props) {
  const { rows, missed, narrow, selected, none, open, reading, newest } = props;
  const box = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<string>();
  const going = useRef<string>(undefined); // the row that is focused with the next frame, when it is drawn
  const height = narrow ? NARROW : WIDE;
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 6,
  });
  const shown = list.getVirtualItems();
  const first = shown[0];
  const stop = shown.some((item) => rows[item.index]?.id === active) ? active : rows[first?.index ?? 0]?.id;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the rows' height changed
  useEffect(() => list.measure(), [height]);

  function watch(): void {
    const row = box.current?.querySelector("tr:focus-visible") !== null;
    reading(row || (box.current?.scrollTop ?? 0) > height / 2);
  }

  function goTo(index: number): void {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!row) return;
    setActive(row.id);
    going.current = row.id;
    list.scrollToIndex(rows.indexOf(row));
    requestAnimationFrame(() => {
      if (going.current !== row.id) return;
      going.current = undefined;
      box.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(row.id)}"]`)?.focus();
    });
  }

  function press(event: KeyboardEvent<HTMLElement>): void {
    // Keys come quicker than frames: the next one is meant for the row that the last one went to.
    const id = going.current ?? (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id;
    const at = rows.findIndex((row) => row.id === id);
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / height) - 2);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length,
    };
    if (event.key in to) goTo(to[event.key as keyof typeof to]);
    else if (id && (event.key === "Enter" || event.key === " ")) open(id);
    else return;
    event.preventDefault();
  }

  function top(): void {
    box.current?.querySelector<HTMLElement>("tr:focus")?.blur();
    list.scrollToOffset(0);
    setActive(undefined);
    newest();
  }

  return (
    <div className={styles.box}>
      {missed > 0 && (
        <Button
          className={styles.newer ?? ""}
          size="xs"
          radius="xl"
          leftSection={<IconArrowUp size={14} />}
          onClick={top}
        >
          {count(missed)} new
        </Button>
      )}
      <div ref={box} className={styles.scroll} onScroll={watch}>
        <table
          className={styles.table}
          {...GRID}
          aria-label="Events, newest first"
          aria-rowcount={rows.length + 1}
          onKeyDown={press}
          onFocus={(event) => {
            setActive((event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id);
            watch();
          }}
          onBlur={() => requestAnimationFrame(watch)}
          onClick={(event) => {
            const id = (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id;
            if (id) open(id);
          }}
        >
          <Head narrow={narrow} />
          <tbody {...GROUP} className={styles.rows} style={{ height: list.getTotalSize() }}>
            {shown.map((item) => {
              const row = rows[item.index];
              if (!row) return null;
              const about = { narrow, height, top: item.start, selected: row.id === selected, stop: row.id === stop };
              return <EventRow key={row.id} event={row} place={item.index + 1} {...about} />;
            })}
          </tbody>
        </table>
        {rows.length === 0 && (
          <Text component="div" c="dimmed" size="sm" className={styles.none}>
            {none}
          </Text>
        )}
      </div>
    </div>
  );
});

const COLUMNS = ["Received", "Signal", "Outcome", "Lane", "Identities", "Dialect"];
const FEW = ["Received", "Signal", "Outcome"];

function Head({ narrow }: { narrow: boolean }) {
  return (
    <thead {...GROUP}>
      <tr {...ROW} className={styles.head} aria-rowindex={1}>
        {(narrow ? FEW : COLUMNS).map((name) => (
          <th key={name} {...HEADER} scope="col">
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
