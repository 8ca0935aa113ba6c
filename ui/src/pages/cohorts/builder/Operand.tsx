import "@mantine/core/styles/Pill.css";
import { Autocomplete, Button, Group, NativeSelect, Pill, TextInput } from "@mantine/core";
import { useState } from "react";
import { shortened } from "@/common/Outside";
import { type Field, typeOf } from "./fields";
import type { Operand, Test } from "./model";
import { value as told } from "./words";
import { numberOf } from "./write";

const TYPES = [
  { value: "text", label: "text" },
  { value: "number", label: "number" },
  { value: "boolean", label: "yes / no" },
  { value: "null", label: "nothing" },
];

type Props = {
  test: Test;
  /** What is known of the property. */
  field: Field | undefined;
  set: (change: Partial<Test>, tag?: string) => void;
  faulty: boolean;
};

/** The value that a property is compared with, or the values. */
export function OperandField({ test, field, set, faulty }: Props) {
  if (test.op === "exists") return null;
  const nothing = test.op === "=" || test.op === "is" || test.op === "!=";
  const ordered = test.op.startsWith("<") || test.op.startsWith(">");
  const types = TYPES.filter(
    ({ value }) => value === test.value.type || (value === "null" ? nothing : !(ordered && value === "boolean")),
  );
  const setValue = (value: Operand, tag?: string) => set({ value }, tag);
  const add = (value: Operand) => {
    const ready = value.text !== "" && (value.type !== "number" || numberOf(value.text) !== null);
    const there = test.several.some((each) => each.type === value.type && each.text === value.text);
    if (ready) set({ several: there ? test.several : [...test.several, value], value: { ...value, text: "" } });
  };
  const one = (
    <One
      value={test.value}
      field={field}
      set={setValue}
      faulty={faulty}
      tag={test.id}
      {...(test.op === "in" ? { add } : {})}
    />
  );
  return (
    <>
      {test.op === "in" && test.several.length > 0 && (
        <Group gap={4} style={{ minWidth: 0 }}>
          {test.several.map((each, at) => (
            <Pill
              // biome-ignore lint/suspicious/noArrayIndexKey: a definition may name a value twice
              key={`${each.type} ${each.text} ${at}`}
              size="md"
              withRemoveButton
              removeButtonProps={{ "aria-label": `Remove ${told(each)}`, tabIndex: 0, "aria-hidden": false }}
              onRemove={() => set({ several: test.several.filter((_, other) => other !== at) })}
            >
              <bdi>{told(each)}</bdi>
            </Pill>
          ))}
        </Group>
      )}
      {test.value.type !== "null" && one}
      <NativeSelect
        size="xs"
        aria-label="Type of the value"
        data={types}
        value={test.value.type}
        onChange={(event) => {
          const type = event.currentTarget.value as Operand["type"];
          setValue({ type, text: type === "boolean" ? "true" : test.value.type === "boolean" ? "" : test.value.text });
        }}
      />
      {test.op === "in" && (
        <Button size="xs" variant="default" onClick={() => add(test.value)} disabled={test.value.text === ""}>
          Add value
        </Button>
      )}
    </>
  );
}

type OneProps = {
  value: Operand;
  field: Field | undefined;
  set: (value: Operand, tag?: string) => void;
  faulty: boolean;
  tag: string;
  /** Takes what is entered into a list. */
  add?: (value: Operand) => void;
};

function One({ value, field, set, faulty, tag, add }: OneProps) {
  const [opened, setOpened] = useState(false);
  if (value.type === "boolean") {
    return (
      <NativeSelect
        size="xs"
        aria-label="Value"
        data={[
          { value: "true", label: "yes (true)" },
          { value: "false", label: "no (false)" },
        ]}
        value={value.text}
        onChange={(event) => set({ ...value, text: event.currentTarget.value })}
      />
    );
  }
  const samples = (field?.samples ?? []).filter((each) => typeOf(each) === value.type).map(String);
  const shared = {
    size: "xs",
    w: value.type === "number" ? "7rem" : "11rem",
    maw: "100%",
    "aria-label": "Value",
    placeholder: value.type === "number" ? "number" : "value",
    value: value.text,
    error: faulty,
    ...(value.type === "number" ? { inputMode: "decimal" as const } : { dir: "auto" as const }),
    onKeyDown: (event: React.KeyboardEvent) => {
      if (add && event.key === "Enter") {
        event.preventDefault();
        add(value);
        setOpened(false);
      }
    },
    onBlur: () => add?.(value),
  };
  if (samples.length === 0) {
    return <TextInput {...shared} onChange={(event) => set({ ...value, text: event.currentTarget.value }, tag)} />;
  }
  return (
    <Autocomplete
      {...shared}
      data={[...new Set(samples)]}
      limit={20}
      openOnFocus={false}
      dropdownOpened={opened && !samples.includes(value.text)} // it would only lie over what comes next
      onDropdownOpen={() => setOpened(true)}
      onDropdownClose={() => setOpened(false)}
      comboboxProps={{ width: 240, position: "bottom-start" }}
      renderOption={({ option }) => <bdi className="outside">{shortened(option.value)}</bdi>}
      onChange={(text) => set({ ...value, text }, tag)}
      {...(add ? { onOptionSubmit: (text: string) => add({ ...value, text }) } : {})}
    />
  );
}
