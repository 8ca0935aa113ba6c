import { NativeSelect, SimpleGrid } from "@mantine/core";
import { DIALECTS, type Dialect } from "./base";
import { DELIMITERS, type Format, type Reading } from "./format";

type Props = {
  reading: Reading;
  dialect: Dialect;
  change: (reading: Partial<Reading>) => void;
  speak: (dialect: Dialect) => void;
};

const UTF16 = [
  { value: "utf-16le", label: "UTF-16, little endian" },
  { value: "utf-16be", label: "UTF-16, big endian" },
];

/** How a file is read: found from its content, changed where that was wrong. */
export function ReadingFields({ reading, dialect, change, speak }: Props) {
  const delimiters = Object.entries(DELIMITERS).map(([value, name]) => {
    return { value, label: value === "\t" ? "tab" : `${value} (${name})` };
  });
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
      <NativeSelect
        label="Dialect"
        value={dialect}
        onChange={(event) => speak(event.currentTarget.value as Dialect)}
        data={Object.entries(DIALECTS).map(([value, label]) => ({ value, label }))}
      />
      <NativeSelect
        label="Format"
        value={reading.format}
        onChange={(event) => change({ format: event.currentTarget.value as Format })}
        data={[
          { value: "csv", label: "CSV: a row an event" },
          { value: "ndjson", label: "NDJSON: an event a line" },
        ]}
      />
      {reading.format === "csv" && (
        <>
          <NativeSelect
            label="Delimiter"
            value={reading.delimiter}
            onChange={(event) => change({ delimiter: event.currentTarget.value })}
            data={delimiters}
          />
          <NativeSelect
            label="Encoding"
            value={reading.encoding}
            onChange={(event) => change({ encoding: event.currentTarget.value })}
            data={[
              { value: "utf-8", label: "UTF-8" },
              { value: "windows-1252", label: "Western (Windows-1252)" },
              ...UTF16,
            ]}
          />
        </>
      )}
    </SimpleGrid>
  );
}
