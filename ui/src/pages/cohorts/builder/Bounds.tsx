import { NativeSelect, TextInput } from "@mantine/core";
import { Faulty, useIsFaulty } from "./Faulty";
import { BOUND_OPS, type Bound, type BoundOp, newBound } from "./model";
import { Less, More } from "./Segment";
import { withItem, without } from "./useNode";
import { Words } from "./Words";
import { BOUND_WORDS } from "./words";

const OPTIONS = BOUND_OPS.map((op) => ({ value: op, label: BOUND_WORDS[op] }));

type Props = { bounds: Bound[]; set: (bounds: Bound[], tag?: string) => void; of: string; unit?: string };

/** “at least 3 and less than 10 times” */
export function Bounds({ bounds, set, of, unit }: Props) {
  const free = BOUND_OPS.find((op) => !bounds.some((bound) => bound.op === op));
  return (
    <>
      {bounds.map((bound, at) => (
        <span key={bound.id} data-row data-part={`bound ${of}`} style={{ display: "contents" }}>
          {at > 0 && <Words>and</Words>}
          <One bound={bound} of={of} set={(change, tag) => set(withItem(bounds, bound.id, change), tag)} />
          {bounds.length > 1 && <Less label="Remove this comparison" act={() => set(without(bounds, bound.id))} />}
          <Faulty id={bound.id} />
        </span>
      ))}
      {unit && <Words>{unit}</Words>}
      {free && bounds.length < 2 && (
        <More
          label={bounds.length === 0 ? "compare with" : "and"}
          act={() => set([...bounds, newBound(bounds[0]?.op === ">=" ? "<" : free)])}
          into={`bound ${of}`}
        />
      )}
    </>
  );
}

function One({ bound, of, set }: { bound: Bound; of: string; set: (change: Partial<Bound>, tag?: string) => void }) {
  const faulty = useIsFaulty(bound.id);
  return (
    <>
      <NativeSelect
        size="xs"
        aria-label={`How the ${of} compares`}
        data={OPTIONS}
        value={bound.op}
        onChange={(event) => set({ op: event.currentTarget.value as BoundOp })}
      />
      <TextInput
        size="xs"
        w="6.5rem"
        inputMode="decimal"
        aria-label={`Number for the ${of}`}
        placeholder="number"
        value={bound.number}
        error={faulty}
        onChange={(event) => set({ number: event.currentTarget.value }, bound.id)}
      />
    </>
  );
}
