import { Autocomplete, NativeSelect, TextInput } from "@mantine/core";
import { useFields } from "../queries";
import { Bounds } from "./Bounds";
import classes from "./builder.module.css";
import { useSite } from "./context";
import { Faulty, useIsFaulty } from "./Faulty";

import {
  type Attribute,
  FEWEST_STEPS,
  MEASURES,
  type Measure,
  type Metric,
  MOST_STEPS,
  type Node,
  newMeasure,
  newStep,
  type Performed,
  type Sequence,
  type State,
  type Step,
} from "./model";
import { Less, Line, More } from "./Segment";
import { SignalField } from "./SignalField";
import { DurationField, MoreSpan, SpanField } from "./SpanField";
import { Filter, MoreFilter, OwnTests } from "./Tests";
import { useChange, withItem, without } from "./useNode";
import { Words } from "./Words";
import { AGGREGATED } from "./words";

const MORE: Record<Measure["kind"], string> = { count: "how often", sum: "sum of", avg: "average of" };

/** “did” or “did not”; more than one `not` is kept as it is. */
function Whether({ node, words }: { node: Node; words: [string, string] }) {
  const { builder } = useSite();
  const data = words.map((label, nots) => ({ value: String(nots), label }));
  if (node.nots > 1) data.push({ value: String(node.nots), label: `${"not ".repeat(node.nots)}${words[0]}` });
  return (
    <NativeSelect
      size="xs"
      aria-label="Whether it must hold or must not"
      data={data}
      value={String(node.nots)}
      onChange={(event) => builder.replace(node.id, { ...node, nots: Number(event.currentTarget.value) })}
    />
  );
}

export function PerformedFields({ node, body }: { node: Node; body: Performed }) {
  const change = useChange(node, body);
  const fields = useFields(body.signal);
  const numbers = fields.filter((field) => field.types.includes("number")).map((field) => field.path);
  const set = (measure: Measure, part: Partial<Measure>, tag?: string) =>
    change({ measures: withItem(body.measures, measure.id, part) }, tag);
  const count = body.measures.find((each) => each.kind === "count");
  const sums = body.measures.filter((each) => each.kind !== "count");
  return (
    <>
      <Line>
        <Whether node={node} words={["did", "did not do"]} />
        <SignalField label="Signal" value={body.signal} set={(signal) => change({ signal })} first />
        {count && (
          <span data-part="count" data-row style={{ display: "contents" }}>
            <Bounds bounds={count.bounds} of="count" unit="times" set={(bounds, tag) => set(count, { bounds }, tag)} />
            <Less label="However often" act={() => change({ measures: without(body.measures, count.id) })} />
            <Faulty id={count.id} />
          </span>
        )}
        <SpanField span={body.span} set={(span, tag) => change({ span }, tag)} />
      </Line>
      <Filter tests={body.tests} signal={body.signal} set={(tests, tag) => change({ tests }, tag)} />
      {sums.map((each) => (
        <MeasureRow
          key={each.id}
          measure={each}
          numbers={numbers}
          set={(part, tag) => set(each, part, tag)}
          remove={() => change({ measures: without(body.measures, each.id) })}
        />
      ))}
      <Line>
        <MoreFilter tests={body.tests} set={(tests) => change({ tests })} />
        <MoreSpan span={body.span} set={(span) => change({ span })} />
        {MEASURES.filter((kind) => !body.measures.some((each) => each.kind === kind)).map((kind) => (
          <More
            key={kind}
            label={MORE[kind]}
            into={kind}
            act={() => change({ measures: [...body.measures, newMeasure(kind)] })}
          />
        ))}
      </Line>
    </>
  );
}

type MeasureProps = {
  measure: Measure;
  numbers: string[];
  set: (change: Partial<Measure>, tag?: string) => void;
  remove: () => void;
};

function MeasureRow({ measure, numbers, set, remove }: MeasureProps) {
  const faulty = useIsFaulty(measure.id);
  const what = measure.kind === "sum" ? "sum" : "average";
  return (
    <div data-row data-part={measure.kind} className={classes.row} data-faulty={faulty || undefined}>
      <Line nested>
        <Words>with the {what} of</Words>
        <Autocomplete
          size="xs"
          w="11rem"
          maw="100%"
          aria-label={`Property of the ${what}`}
          placeholder="property"
          data={numbers}
          openOnFocus={false}
          comboboxProps={{ width: 240, position: "bottom-start" }}
          value={measure.of}
          onChange={(of) => set({ of }, `of ${measure.id}`)}
        />
        <Words>being</Words>
        <Bounds bounds={measure.bounds} of={what} set={(bounds, tag) => set({ bounds }, tag)} />
        <Less label={`Remove the ${what}`} act={remove} />
      </Line>
      <Faulty id={measure.id} />
    </div>
  );
}

export function SequenceFields({ node, body }: { node: Node; body: Sequence }) {
  const change = useChange(node, body);
  const set = (step: Step, part: Partial<Step>, tag?: string) =>
    change({ steps: withItem(body.steps, step.id, part) }, tag);
  return (
    <>
      {body.steps.map((step, place) => (
        <div key={step.id} data-row data-part="step">
          <Line>
            {place === 0 ? <Whether node={node} words={["did", "did not do"]} /> : <Words>then</Words>}
            <SignalField
              label={`Signal of step ${place + 1}`}
              value={step.signal}
              set={(signal) => set(step, { signal })}
              first={place === 0}
            />
            <MoreFilter tests={step.tests} set={(tests) => set(step, { tests })} />
            {body.steps.length > FEWEST_STEPS && (
              <Less label={`Remove step ${place + 1}`} act={() => change({ steps: without(body.steps, step.id) })} />
            )}
          </Line>
          <Filter tests={step.tests} signal={step.signal} set={(tests, tag) => set(step, { tests }, tag)} />
          <Faulty id={step.id} />
        </div>
      ))}
      <Line>
        {body.gap && (
          <span data-part="gap" data-row style={{ display: "contents" }}>
            <Words>each within</Words>
            <DurationField length={body.gap} label="Longest time between steps" set={(gap) => change({ gap }, "gap")} />
            <Words>of the one before</Words>
            <Less label="However far apart" act={() => change({ gap: null })} />
          </span>
        )}
        {body.span.kind !== "ever" && <Words>all</Words>}
        <SpanField span={body.span} set={(span, tag) => change({ span }, tag)} />
      </Line>
      <Line>
        {body.steps.length < MOST_STEPS && (
          <More label="step" into="step" act={() => change({ steps: [...body.steps, newStep()] })} />
        )}
        {!body.gap && (
          <More label="at most so far apart" into="gap" act={() => change({ gap: { amount: "7", unit: "d" } })} />
        )}
        <MoreSpan span={body.span} set={(span) => change({ span })} />
      </Line>
    </>
  );
}

export function StateFields({ node, body }: { node: Node; body: State }) {
  const change = useChange(node, body);
  const signal = useSite().signals.find((each) => each.slug === body.signal);
  const fields = useFields(body.signal);
  const field = fields.find((each) => each.path === signal?.value);
  return (
    <OwnTests
      lead={
        <>
          <Whether node={node} words={["has now", "has not now"]} />
          <SignalField label="State" type="state" value={body.signal} set={(to) => change({ signal: to })} first />
        </>
      }
      tests={body.tests}
      field={field}
      set={(tests, tag) => change({ tests }, tag)}
    />
  );
}

const CUSTOMER = "customerCreated";

export function AttributeFields({ node, body }: { node: Node; body: Attribute }) {
  const change = useChange(node, body);
  const fields = useFields(useSite().signals.some((each) => each.slug === CUSTOMER) ? CUSTOMER : "");
  const names = ["name", ...fields.map((field) => field.path).filter((path) => path !== "name" && !path.includes("."))];
  return (
    <OwnTests
      lead={
        <>
          <Whether node={node} words={["has the attribute", "has not the attribute"]} />
          <Autocomplete
            size="xs"
            w="11rem"
            maw="100%"
            aria-label="Attribute"
            placeholder="attribute"
            data={names}
            openOnFocus={false}
            comboboxProps={{ width: 240, position: "bottom-start" }}
            value={body.name}
            onChange={(name) => change({ name }, "name")}
            data-first
          />
        </>
      }
      tests={body.tests}
      field={fields.find((each) => each.path === body.name)}
      set={(tests, tag) => change({ tests }, tag)}
    />
  );
}

export function MetricFields({ node, body }: { node: Node; body: Metric }) {
  const change = useChange(node, body);
  const signal = useSite().signals.find((each) => each.slug === body.signal);
  const what = signal?.aggregation ? (AGGREGATED[signal.aggregation] ?? "value") : "value";
  return (
    <Line>
      <Whether node={node} words={["has", "has not"]} />
      <Words>a {what} of</Words>
      <SignalField label="Metric" type="metric" value={body.signal} set={(to) => change({ signal: to })} first />
      <Words>of</Words>
      <Bounds bounds={body.bounds} of="metric" set={(bounds, tag) => change({ bounds }, tag)} />
      <Words>over the last</Words>
      <TextInput
        size="xs"
        w="4rem"
        inputMode="numeric"
        aria-label="Over how many periods"
        placeholder="1"
        value={body.periods}
        onChange={(event) => change({ periods: event.currentTarget.value.trim() }, "periods")}
      />
      <Words>{signal?.period ? `${signal.period}s` : "periods"}, this one included</Words>
    </Line>
  );
}
