import { NativeSelect, TextInput } from "@mantine/core";
import { type Duration, EVER, type Span, UNITS, type Unit } from "./model";
import { Less, More } from "./Segment";
import { Words } from "./Words";
import { UNIT_WORDS } from "./words";

const UNIT_OPTIONS = UNITS.map((unit) => ({ value: unit, label: UNIT_WORDS[unit] }));
const DAY = /^(\d{4}-\d\d-\d\d)?$/;
const MINUTE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?$/;

type Props = { span: Span; set: (span: Span, tag?: string) => void };

/** “in the last 30 days”, “from 2026-01-01 to before 2026-07-01” */
export function SpanField({ span, set }: Props) {
  if (span.kind === "ever") return null;
  return (
    <span data-part="when" data-row style={{ display: "contents" }}>
      <NativeSelect
        size="xs"
        aria-label="When"
        data={[
          { value: "within", label: "in the last" },
          { value: "between", label: "from" },
        ]}
        value={span.kind}
        onChange={(event) => set(event.currentTarget.value === "within" ? LAST_MONTH : DATES)}
      />
      {span.kind === "within" ? (
        <DurationField length={span.length} label="How long" set={(length) => set({ ...span, length }, "span")} />
      ) : (
        <>
          <DateField label="From" value={span.from} set={(from) => set({ ...span, from }, "from")} />
          <Words>to before</Words>
          <DateField label="To before" value={span.to} set={(to) => set({ ...span, to }, "to")} />
          <Words>UTC</Words>
        </>
      )}
      <Less label="At any time" act={() => set(EVER)} />
    </span>
  );
}

export const LAST_MONTH: Span = { kind: "within", length: { amount: "30", unit: "d" } };
const DATES: Span = { kind: "between", from: "", to: "" };

export function MoreSpan({ span, set, label = "when" }: Props & { label?: string }) {
  return span.kind === "ever" ? <More label={label} act={() => set(LAST_MONTH)} into="when" /> : null;
}

export function DurationField({
  length,
  label,
  set,
}: {
  length: Duration;
  label: string;
  set: (to: Duration) => void;
}) {
  return (
    <>
      <TextInput
        size="xs"
        w="4rem"
        inputMode="numeric"
        aria-label={label}
        value={length.amount}
        onChange={(event) => set({ ...length, amount: event.currentTarget.value.trim() })}
      />
      <NativeSelect
        size="xs"
        aria-label={`${label}: unit`}
        data={UNIT_OPTIONS}
        value={length.unit}
        onChange={(event) => set({ ...length, unit: event.currentTarget.value as Unit })}
      />
    </>
  );
}

/** A day, or a moment where the definition has one; one in a zone of its own is shown as it is written. */
function DateField({ label, value, set }: { label: string; value: string; set: (value: string) => void }) {
  const day = DAY.test(value);
  const type = day ? "date" : MINUTE.test(value) ? "datetime-local" : "text";
  return (
    <>
      <TextInput
        size="xs"
        type={type}
        aria-label={label}
        value={value}
        {...(type === "datetime-local" ? { step: "any" } : {})}
        onChange={(event) => set(event.currentTarget.value)}
      />
      {day && value !== "" && <More label="time" act={() => set(`${value}T00:00`)} />}
    </>
  );
}
