import { Select, Text } from "@mantine/core";
import { type Signal, useSite } from "./context";

type Props = {
  value: string;
  set: (slug: string) => void;
  label: string;
  type?: Signal["type"] | undefined;
  first?: boolean;
};

/** One of the workspace's signals; one that is not there (any more) stays in sight as it was named. */
export function SignalField({ value, set, label, type, first }: Props) {
  const signals = useSite().signals.filter((each) => !type || each.type === type);
  const names = new Map(signals.map((each) => [each.slug, each.name]));
  const slugs = [...names.keys()].sort((a, b) => a.localeCompare(b));
  const data = value === "" || names.has(value) ? slugs : [value, ...slugs];
  return (
    <Select
      size="xs"
      w="13rem"
      maw="100%"
      aria-label={label}
      placeholder={type ? `a ${type} signal` : "a signal"}
      data={data}
      value={value === "" ? null : value}
      onChange={(slug) => slug !== null && set(slug)}
      searchable
      limit={100}
      allowDeselect={false}
      nothingFoundMessage={type ? `No ${type} signal of that name` : "No signal of that name"}
      comboboxProps={{ width: 280, position: "bottom-start" }}
      renderOption={({ option }) => (
        <div className="outside">
          {option.value}
          {names.get(option.value) !== option.value && (
            <Text size="xs" c="dimmed" component="div">
              {names.get(option.value) ?? "not among the signals"}
            </Text>
          )}
        </div>
      )}
      {...(first ? { "data-first": true } : {})}
    />
  );
}
