import "@mantine/core/styles/Checkbox.css";
import "@mantine/core/styles/NumberInput.css";
import "@mantine/core/styles/Radio.css";
import { Checkbox, Group, NativeSelect, NumberInput, Radio, Stack, TextInput } from "@mantine/core";
import { count } from "@/common/numbers";
import { AGGREGATIONS, DEFAULT_LIMITS, type Draft, PERIODS } from "./draft";

type Props = {
  draft: Draft;
  change: (change: Partial<Draft>) => void;
  faults: Partial<Record<keyof Draft, string>>;
  /** A signal that is not there yet. */
  isNew?: boolean;
};

/** Where the number or the state stands in what is sent, and how it is summed up. */
export function Measures({ draft, change, faults }: Props) {
  if (draft.type === "event") return null;
  return (
    <Stack gap="sm">
      {draft.type === "metric" && (
        <Group grow align="flex-start">
          <NativeSelect
            label="Aggregation"
            description="What one period's events make together."
            value={draft.aggregation}
            data={[...AGGREGATIONS]}
            onChange={(event) => change({ aggregation: event.currentTarget.value as Draft["aggregation"] })}
          />
          <NativeSelect
            label="Period"
            description="In UTC; weeks begin on Monday."
            value={draft.period}
            data={[...PERIODS]}
            onChange={(event) => change({ period: event.currentTarget.value as Draft["period"] })}
          />
        </Group>
      )}
      <TextInput
        label="Value path"
        description={
          draft.type === "state"
            ? "Where in an event's data the state stands, with dots: health.status"
            : "Where in an event's data the number stands, with dots: usage.calls. A count needs none."
        }
        value={draft.value}
        onChange={(event) => change({ value: event.currentTarget.value })}
        error={faults.value}
        required={draft.type === "state" || draft.aggregation !== "count"}
        spellCheck={false}
      />
    </Stack>
  );
}

/** How many a minute. */
export function RateLimit({ draft, change, faults, isNew = false }: Props) {
  return (
    <Stack gap={6}>
      <Radio.Group
        label="Rate limit"
        description="Events a UTC minute; what is beyond it is refused with 429, and may be sent again."
        value={draft.limit}
        onChange={(limit) => change({ limit: limit as Draft["limit"] })}
      >
        <Group mt={6} gap="md">
          {isNew && <Radio value="default" label={`Default (${count(DEFAULT_LIMITS[draft.type])})`} />}
          <Radio value="own" label="A number" />
          <Radio value="none" label="None" />
        </Group>
      </Radio.Group>
      {draft.limit === "own" && (
        <NumberInput
          label="Events a minute"
          value={draft.rate}
          onChange={(rate) => change({ rate: whole(rate) })}
          error={faults.rate}
          min={1}
          max={1_000_000_000}
          allowDecimal={false}
          thousandSeparator=","
          maw={220}
        />
      )}
    </Stack>
  );
}

/** What becomes of events that break its rules, come twice, or grow old. */
export function Rules({ draft, change }: Props) {
  return (
    <Stack gap="md">
      <Radio.Group
        label="Enforcement"
        description="What becomes of an event that does not fit the schema."
        value={draft.enforcement}
        onChange={(enforcement) => change({ enforcement: enforcement as Draft["enforcement"] })}
      >
        <Stack gap={6} mt={6}>
          <Radio
            value="quarantine"
            label="Quarantine"
            description="It is taken, kept among the rejected ones, and can be replayed once the schema is mended."
          />
          <Radio value="reject" label="Reject" description="The sender is told 400 at once; it is not kept." />
        </Stack>
      </Radio.Group>
      <Checkbox
        label="Leave out what comes twice"
        description="An event whose reference was taken before is a duplicate, and is not stored."
        checked={draft.dedupe}
        onChange={(event) => change({ dedupe: event.currentTarget.checked })}
      />
      <NumberInput
        label="Keep for days"
        description="Events are deleted so many days after they occurred. Empty: kept for ever."
        placeholder="for ever"
        value={draft.days}
        onChange={(days) => change({ days: whole(days) })}
        min={1}
        max={36_500}
        allowDecimal={false}
        maw={360}
      />
    </Stack>
  );
}

function whole(value: number | string): number | "" {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : "";
}
