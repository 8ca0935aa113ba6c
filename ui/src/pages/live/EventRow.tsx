import { Text } from "@mantine/core";
import { memo } from "react";
import { keyOf, Lane, Status, spelled } from "@/common/marks";
import { Cut } from "@/common/Outside";
import { local, utc } from "@/common/time";
import type { LiveEvent } from "./feed";
import styles from "./live.module.css";

/** Told, for what is not laid out as a table is none to those who listen to it. */
export const ROW = { role: "row" } as const;
const CELL = { role: "gridcell" } as const;

type Props = {
  event: LiveEvent;
  /** Its place among all rows, from 1. */
  place: number;
  narrow: boolean;
  selected: boolean;
  /** Where Tab comes to the list. */
  stop: boolean;
  height: number;
  /** Where it stands, in pixels from the first row. */
  top: number;
};

/** One event, in a row of fixed height. It has no links: those are in what opens, and Tab stops at a list once. */
export const EventRow = memo(function EventRow({ event, place, narrow, selected, stop, height, top }: Props) {
  return (
    <tr
      className={styles.row}
      style={{ height, transform: `translateY(${top}px)` }}
      {...ROW}
      data-id={event.id}
      aria-rowindex={place + 1}
      aria-selected={selected}
      tabIndex={stop ? 0 : -1}
    >
      <td {...CELL}>
        <time dateTime={event.received_at} title={`Received ${utc(event.received_at)}`} className="tabular">
          {moment(event.received_at)}
        </time>
      </td>
      <td {...CELL}>
        {narrow ? (
          <span className={styles.stacked}>
            <Cut text={event.signal} />
            <Text component="span" size="xs" c="dimmed">
              <Cut text={whom(event)} />
            </Text>
          </span>
        ) : (
          <Cut text={event.signal} />
        )}
      </td>
      <td {...CELL}>
        <Outcome event={event} narrow={narrow} />
      </td>
      {!narrow && (
        <>
          <td {...CELL}>
            <Lane lane={event.lane} />
          </td>
          <td {...CELL}>
            <Cut text={whom(event)} />
          </td>
          <td {...CELL}>{event.dialect}</td>
        </>
      )}
    </tr>
  );
});

function Outcome({ event, narrow }: { event: LiveEvent; narrow: boolean }) {
  const reason = event.reason ? spelled(event.reason) : "";
  return (
    <span className={narrow ? styles.stacked : styles.outcome}>
      <Status status={event.status} />
      {reason && (
        <Text component="span" size="xs" c="dimmed">
          <Cut text={reason} />
        </Text>
      )}
    </span>
  );
}

function whom(event: LiveEvent): string {
  const [first] = event.identities;
  const others = event.identities.length - 1;
  return first ? `${keyOf(first)}${others > 0 ? ` +${others}` : ""}` : "";
}

/** The time of today; with the date for what is older. */
function moment(iso: string): string {
  const today = new Date(iso).toDateString() === new Date().toDateString();
  return local(iso, today ? "second" : "minute");
}
