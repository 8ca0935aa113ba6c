import "@mantine/core/styles/Checkbox.css";
import { Box, Checkbox, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { isKept, tooManyDigits } from "@/common/digits";
import { FieldsForm, Type } from "./FieldsForm";
import { enumOf, enumText, type Field, shapeOf, withKeyword, withType } from "./fields";
import type { Json, JsonObject } from "./json";
import { Typed } from "./Typed";

type Set = (schema: JsonObject) => void;
type Props = { field: Pick<Field, "schema" | "type" | "nullable">; set: Set; path: string; levels: number };

/** What a field may be: described, limited, and what is inside of it. */
export function Details({ field, set, path, levels }: Props) {
  const { schema, type, nullable } = field;
  const keyword = (name: string, value: Json | undefined) => set(withKeyword(schema, name, value));
  const described = typeof schema.description === "string" ? schema.description : "";
  return (
    <Stack gap="sm" mt="xs" pl="sm" style={{ borderLeft: "2px solid var(--mantine-color-default-border)" }}>
      <Typed
        label="Description"
        value={described}
        commit={(text) => void keyword("description", text === "" ? undefined : text)}
      />
      {type !== "any" && type !== "other" && (
        <Checkbox
          label="May be null"
          checked={nullable}
          onChange={(event) => set(withType(schema, type, event.currentTarget.checked))}
        />
      )}
      <Limits field={field} keyword={keyword} />
      {(type === "string" || type === "number" || type === "integer") && <Values field={field} keyword={keyword} />}
      {type === "object" && <Inside node={schema} set={set} path={path} levels={levels} />}
      {type === "array" && <Items schema={schema} keyword={keyword} path={path} levels={levels} />}
    </Stack>
  );
}

type Keyword = (name: string, value: Json | undefined) => void;

function Limits({ field: { schema, type }, keyword }: { field: Props["field"]; keyword: Keyword }) {
  const limit = (name: string, label: string, whole: boolean) => (
    <Typed
      key={name}
      label={label}
      value={schema[name] === undefined ? "" : String(schema[name])}
      number
      commit={(text) => {
        const value = Number(text);
        if (text.trim() === "") return void keyword(name, undefined);
        if (!Number.isFinite(value) || (whole && !(Number.isInteger(value) && value >= 0))) {
          return whole ? "A whole number, 0 or more." : "A number.";
        }
        if (!isKept(text.trim())) return tooManyDigits(text.trim());
        keyword(name, value);
      }}
    />
  );
  if (type === "number" || type === "integer") {
    return (
      <SimpleGrid cols={2}>
        {limit("minimum", "Least", false)}
        {limit("maximum", "Most", false)}
      </SimpleGrid>
    );
  }
  if (type === "array") {
    return (
      <SimpleGrid cols={2}>
        {limit("minItems", "Fewest items", true)}
        {limit("maxItems", "Most items", true)}
      </SimpleGrid>
    );
  }
  if (type !== "string") return null;
  return (
    <>
      <SimpleGrid cols={2}>
        {limit("minLength", "Shortest length", true)}
        {limit("maxLength", "Longest length", true)}
      </SimpleGrid>
      <Typed
        label="Pattern"
        description="A regular expression found anywhere in it: ^[A-Z]{2}$. No look-around, no back-references."
        value={typeof schema.pattern === "string" ? schema.pattern : ""}
        commit={(text) => void keyword("pattern", text === "" ? undefined : text)}
        mono
      />
    </>
  );
}

function Values({ field: { schema, type, nullable }, keyword }: { field: Props["field"]; keyword: Keyword }) {
  const values = enumText(schema);
  if (values === null) {
    return (
      <Text size="sm" c="dimmed">
        Its allowed values are not all of one kind: they stand in the JSON.
      </Text>
    );
  }
  return (
    <Typed
      label="Allowed values"
      description="One a line; empty: any."
      value={values}
      lines={3}
      mono
      commit={(text) => {
        const found = enumOf(text, type, nullable);
        const lines = text.split("\n").filter((line) => line.trim() !== "");
        const long = lines.find((line) => type !== "string" && Number.isFinite(Number(line)) && !isKept(line.trim()));
        if (long) return tooManyDigits(long.trim());
        if (type !== "string" && (found?.length ?? 0) < new Set(lines).size) return "Numbers, one a line.";
        keyword("enum", found);
      }}
    />
  );
}

function Inside({ node, set, path, levels }: { node: JsonObject; set: Set; path: string; levels: number }) {
  if (levels <= 0) {
    return (
      <Text size="sm" c="dimmed">
        What is inside of it stands in the JSON.
      </Text>
    );
  }
  return (
    <Box>
      <Text size="sm" fw={500} mb={4} className="outside">
        Fields of {path.slice(0, 100)}
      </Text>
      <FieldsForm node={node} change={set} inside={path} levels={levels - 1} />
    </Box>
  );
}

function Items({
  schema,
  keyword,
  path,
  levels,
}: {
  schema: JsonObject;
  keyword: Keyword;
  path: string;
  levels: number;
}) {
  const items = shapeOf(schema.items ?? true);
  const set: Set = (changed) => keyword("items", changed);
  return (
    <>
      <Group>
        <Type field={items} set={set} label="Each item is" />
      </Group>
      {items.type === "object" && <Inside node={items.schema} set={set} path={`${path}[]`} levels={levels} />}
    </>
  );
}
