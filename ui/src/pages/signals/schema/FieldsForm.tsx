import "@mantine/core/styles/Checkbox.css";
import { ActionIcon, Box, Button, Checkbox, Group, NativeSelect, Paper, Stack, Text, Tooltip } from "@mantine/core";
import { IconChevronDown, IconChevronRight, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { Details } from "./FieldDetails";
import {
  beyond,
  type Field,
  type FieldType,
  fieldsOf,
  renamed,
  TYPES,
  typeWords,
  withField,
  withNewField,
  withoutField,
  withRequired,
  withType,
} from "./fields";
import type { JsonObject } from "./json";
import { Typed } from "./Typed";

type Props = {
  /** The schema of an object. */
  node: JsonObject;
  change: (node: JsonObject) => void;
  /** The field that these are inside of; empty at the top. */
  inside: string;
  /** How many levels of fields may follow. */
  levels: number;
};

/** The fields of an object: each with its type, whether it must be there, and what it may be. */
export function FieldsForm({ node, change, inside, levels }: Props) {
  const fields = fieldsOf(node);
  const [open, setOpen] = useState<readonly string[]>([]);
  const toggle = (name: string) =>
    setOpen((old) => (old.includes(name) ? old.filter((each) => each !== name) : [...old, name]));
  return (
    <Stack gap="xs">
      {fields.length === 0 && (
        <Text size="sm" c="dimmed">
          {inside ? `${inside} has no fields that are described.` : "No field is described yet."}
        </Text>
      )}
      {fields.map((field, index) => (
        <Row
          // biome-ignore lint/suspicious/noArrayIndexKey: its name may change while one types in it
          key={index}
          field={field}
          node={node}
          change={change}
          inside={inside}
          levels={levels}
          isOpen={open.includes(field.name)}
          toggle={() => toggle(field.name)}
          named={(name) => setOpen((old) => old.map((each) => (each === field.name ? name : each)))}
        />
      ))}
      <Group>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => change(withNewField(node))}
        >
          {inside ? `Add a field to ${inside.slice(0, 40)}` : "Add a field"}
        </Button>
      </Group>
    </Stack>
  );
}

type RowProps = Props & { field: Field; isOpen: boolean; toggle: () => void; named: (name: string) => void };

function Row({ field, node, change, inside, levels, isOpen, toggle, named }: RowProps) {
  const path = inside ? `${inside}.${field.name}` : field.name;
  const set = (schema: JsonObject) => change(withField(node, field.name, schema));
  const rename = (name: string) => {
    const changed = renamed(node, field.name, name);
    if (!changed) return name === "" ? "A name is needed." : "There is one of that name.";
    named(name);
    change(changed);
  };
  const Chevron = isOpen ? IconChevronDown : IconChevronRight;
  return (
    <Paper withBorder p="xs" role="group" aria-label={`Field ${path.slice(0, 100)}`}>
      <Group gap="xs" align="flex-end" wrap="wrap">
        <Box style={{ flex: "2 1 9rem", minWidth: 0 }}>
          <Typed label="Name" value={field.name} commit={rename} mono />
        </Box>
        <Box style={{ flex: "1 1 7rem", minWidth: 0 }}>
          <Type field={field} set={set} />
        </Box>
        <Group gap="xs" h={36} wrap="nowrap">
          <Checkbox
            label="Required"
            checked={field.required}
            onChange={(event) => change(withRequired(node, field.name, event.currentTarget.checked))}
          />
          <Tooltip label={isOpen ? "Less" : "More of it"}>
            <ActionIcon
              variant="subtle"
              color="gray"
              onClick={toggle}
              aria-label={`Details of ${path.slice(0, 100)}`}
              aria-expanded={isOpen}
            >
              <Chevron size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <Tooltip label="Remove">
            <ActionIcon
              variant="subtle"
              color="gray"
              onClick={() => change(withoutField(node, field.name))}
              aria-label={`Remove ${path.slice(0, 100)}`}
            >
              <IconTrash size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </Group>
      </Group>
      <Beyond schema={field.schema} />
      {isOpen && <Details field={field} set={set} path={path} levels={levels} />}
    </Paper>
  );
}

function Beyond({ schema }: { schema: JsonObject }) {
  const names = beyond(schema);
  if (names.length === 0) return null;
  return (
    <Text size="xs" c="dimmed" mt={4} className="outside">
      Also has {names.join(", ").slice(0, 200)}: see the JSON.
    </Text>
  );
}

const WORDS: Record<Exclude<FieldType, "other">, string> = {
  string: "text",
  number: "number",
  integer: "whole number",
  boolean: "true or false",
  object: "object",
  array: "list",
  any: "anything",
};

export function Type({
  field,
  set,
  label = "Type",
}: {
  field: Pick<Field, "schema" | "type" | "nullable">;
  set: (schema: JsonObject) => void;
  label?: string;
}) {
  const data = [...TYPES, "any" as const].map((value) => ({ value: value as string, label: WORDS[value] }));
  const other = { value: "other", label: typeWords(field.schema) };
  return (
    <NativeSelect
      label={label}
      value={field.type}
      data={field.type === "other" ? [other, ...data] : data}
      onChange={(event) => set(withType(field.schema, event.currentTarget.value as FieldType, field.nullable))}
    />
  );
}
