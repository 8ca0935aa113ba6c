import { Autocomplete, NativeSelect } from "@mantine/core";
import { useFields } from "../queries";
import classes from "./builder.module.css";
import { Faulty, useIsFaulty } from "./Faulty";
import type { Field } from "./fields";
import { newTest, OPS, type Op, type Test } from "./model";
import { OperandField } from "./Operand";
import { Less, Line, More } from "./Segment";
import { withItem, without } from "./useNode";
import { Words } from "./Words";
import { OP_WORDS } from "./words";

type Props = { tests: Test[]; set: (tests: Test[], tag?: string) => void; signal: string };

/** “where itemPrice is at least 500 and category is one of shirt, kurta”: of an event's data. */
export function Filter({ tests, set, signal }: Props) {
  const fields = useFields(signal);
  return tests.map((test, at) => {
    const change: RowProps["set"] = (part, tag) => set(withItem(tests, test.id, part), tag);
    const before = (
      <>
        <Words>{at === 0 ? "where" : "and"}</Words>
        <PathField test={test} fields={fields} set={change} />
      </>
    );
    const end = <Less label="Remove this comparison" act={() => set(without(tests, test.id))} />;
    return <TestRow key={test.id} test={test} fields={fields} set={change} before={before} end={end} />;
  });
}

export function MoreFilter({ tests, set }: Omit<Props, "signal">) {
  return <More label={tests.length > 0 ? "and where" : "where"} act={() => set([...tests, newTest()])} into="test" />;
}

/** “is “gold””: of a state's or attribute's own value. `lead` stands before the first one. */
export function OwnTests({ lead, tests, set, field }: OwnProps) {
  const fields = field ? [field] : [];
  const more = (
    <More
      label="and"
      act={() => set([...tests, newTest(tests[0]?.value.type, tests.length ? "!=" : "is")])}
      into="test"
    />
  );
  if (tests.length === 0) {
    return (
      <Line>
        {lead}
        {more}
      </Line>
    );
  }
  return tests.map((test, at) => {
    const before = (
      <>
        {at === 0 && lead}
        <Words>{at === 0 ? "that" : "and"}</Words>
      </>
    );
    const end = (
      <>
        {tests.length > 1 && <Less label="Remove this comparison" act={() => set(without(tests, test.id))} />}
        {at === tests.length - 1 && more}
      </>
    );
    const change: RowProps["set"] = (part, tag) => set(withItem(tests, test.id, part), tag);
    return <TestRow key={test.id} test={test} fields={fields} own set={change} before={before} end={end} />;
  });
}

type OwnProps = { lead: React.ReactNode; tests: Test[]; set: Props["set"]; field: Field | undefined };

type RowProps = {
  test: Test;
  fields: readonly Field[];
  own?: boolean;
  set: (change: Partial<Test>, tag?: string) => void;
  /** What stands before the comparison, and behind its value. */
  before: React.ReactNode;
  end: React.ReactNode;
};

function TestRow({ test, fields, own = false, set, before, end }: RowProps) {
  const faulty = useIsFaulty(test.id);
  return (
    <div data-row data-part="test" className={classes.row} data-faulty={faulty || undefined}>
      <Line nested={!own}>
        {before}
        <NativeSelect
          size="xs"
          aria-label="How it compares"
          data={options(test, own)}
          value={test.op === "exists" && test.value.text === "false" ? "absent" : test.op}
          onChange={(event) => set(compared(test, event.currentTarget.value))}
        />
        <OperandField
          test={test}
          field={fields.find((each) => own || each.path === test.path)}
          set={set}
          faulty={faulty}
        />
        {end}
      </Line>
      <Faulty id={test.id} />
    </div>
  );
}

/** A state's `is` and `=` are one operator: of the two the one that stands there is kept. */
function options(test: Test, own: boolean) {
  const equal: Op = own && test.op !== "=" ? "is" : "=";
  const ops = OPS.filter((op) => op !== "=");
  return [
    { value: equal, label: OP_WORDS[equal] },
    ...ops.map((op) => ({ value: op, label: OP_WORDS[op] })),
    { value: "absent", label: "is not there" },
  ];
}

/** With another operator, and a value that goes with it. */
function compared(test: Test, chosen: string): Partial<Test> {
  if (chosen === "absent") return { op: "exists", value: { type: "boolean", text: "false" } };
  const op = chosen as Op;
  if (op === "exists") return { op, value: { type: "boolean", text: "true" } };
  const { value } = test;
  const ordered = op.startsWith("<") || op.startsWith(">");
  if (
    test.op === "exists" ||
    (ordered && value.type === "boolean") ||
    (value.type === "null" && op !== "=" && op !== "!=" && op !== "is")
  ) {
    return { op, value: { type: ordered ? "number" : "text", text: "" } };
  }
  if (op === "in" && value.text !== "" && test.several.length === 0)
    return { op, several: [value], value: { ...value, text: "" } };
  const [first] = test.several;
  return test.op === "in" && first && value.text === "" ? { op, value: first } : { op };
}

/** A property by its path, of those that recent events have or any other. */
function PathField({ test, fields, set }: { test: Test; fields: readonly Field[]; set: RowProps["set"] }) {
  return (
    <Autocomplete
      size="xs"
      w="11rem"
      maw="100%"
      aria-label="Property"
      placeholder="property"
      dir="auto"
      data={fields.map((field) => field.path)}
      limit={50}
      openOnFocus={false}
      comboboxProps={{ width: 260, position: "bottom-start" }}
      renderOption={({ option }) => (
        <Offered path={option.value} field={fields.find((each) => each.path === option.value)} />
      )}
      value={test.path}
      onChange={(path) =>
        set(
          {
            path,
            ...typed(
              test,
              fields.find((each) => each.path === path),
            ),
          },
          `path ${test.id}`,
        )
      }
    />
  );
}

/** A property that only has numbers is compared with a number, as long as nothing else was entered. */
function typed(test: Test, field: Field | undefined): Partial<Test> {
  const [type] = field?.types ?? [];
  if (!type || field?.types.length !== 1 || test.value.text !== "" || test.op === "exists") return {};
  const op = field.list && test.op === "=" ? "contains" : test.op;
  return { op, value: { type, text: type === "boolean" ? "true" : "" } };
}

function Offered({ path, field }: { path: string; field: Field | undefined }) {
  const samples = (field?.samples ?? []).slice(0, 3).map(String).join(", ");
  return (
    <div style={{ minWidth: 0 }}>
      <bdi className="outside">{path}</bdi>
      <div className="cut" style={{ color: "var(--mantine-color-dimmed)", fontSize: "var(--mantine-font-size-xs)" }}>
        {samples || "no value seen"}
      </div>
    </div>
  );
}
