import { Group, NativeSelect, TextInput } from "@mantine/core";
import type { Dialect } from "./base";
import type { Type } from "./convert";
import { DATA, fieldsOf, typesAt } from "./mapping";

type Place = { path: string; type: Type | "" };
type Props = Place & {
  dialect: Dialect;
  /** What the controls are for, for those who do not see where they stand. */
  of: string;
  /** What an empty path says. */
  none: string;
  change: (place: Place) => void;
};

const CALLED: Record<Type, string> = {
  string: "text",
  number: "number",
  boolean: "true or false",
  json: "JSON",
  seconds: "seconds since 1970",
  milliseconds: "milliseconds since 1970",
  version: "version",
};
const FREE = "*";

/** A place in the event: one of the dialect's fields, or a path of one's own; and the type of what stands there. */
export function PlaceFields({ path, type, dialect, of, none, change }: Props) {
  const own = fieldsOf(dialect);
  const free = path !== "" && !own.includes(path);
  const types = typesAt(dialect, path);
  const moved = (next: string) => {
    const fits = type !== "" && typesAt(dialect, next).includes(type);
    change({ path: next, type: fits ? type : "" });
  };
  return (
    <Group gap={6} align="flex-start">
      <NativeSelect
        aria-label={`Field for ${of}`}
        value={free ? FREE : path}
        onChange={(event) => {
          const next = event.currentTarget.value;
          moved(next === FREE ? `${DATA[dialect]}.${/^[\w-]+$/.test(of) ? of : "name"}` : next);
        }}
        data={[
          { value: "", label: none },
          ...own.map((field) => ({ value: field, label: field })),
          { value: FREE, label: `${DATA[dialect]}.…` },
        ]}
        style={{ flex: "1 1 9rem" }}
      />
      {free && (
        <TextInput
          aria-label={`Path for ${of}`}
          value={path}
          onChange={(event) => moved(event.currentTarget.value || `${DATA[dialect]}.`)}
          spellCheck={false}
          autoComplete="off"
          style={{ flex: "2 1 12rem" }}
        />
      )}
      {path !== "" && types.length > 1 && (
        <NativeSelect
          aria-label={`Type for ${of}`}
          value={type || types[0]}
          onChange={(event) => change({ path, type: event.currentTarget.value as Type })}
          data={types.map((each) => ({ value: each, label: CALLED[each] }))}
          style={{ flex: "1 1 7rem" }}
        />
      )}
    </Group>
  );
}
