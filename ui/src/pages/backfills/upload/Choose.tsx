import { Button, Paper, Stack, Text } from "@mantine/core";
import { IconFileUpload } from "@tabler/icons-react";
import { type DragEvent, useRef, useState } from "react";

type Props = { choose: (file: File) => void; disabled?: boolean };

/** A file, chosen or dropped. */
export function Choose({ choose, disabled = false }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const dropped = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file && !disabled) choose(file);
  };
  return (
    <Paper
      withBorder
      p="lg"
      style={{ borderStyle: "dashed", ...(over ? { borderColor: "var(--mantine-primary-color-filled)" } : {}) }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={dropped}
    >
      <Stack align="center" gap="xs">
        <Button
          variant="default"
          leftSection={<IconFileUpload size={16} aria-hidden />}
          disabled={disabled}
          onClick={() => input.current?.click()}
        >
          Choose a file
        </Button>
        <input
          ref={input}
          type="file"
          aria-label="File to upload"
          hidden
          disabled={disabled}
          accept=".csv,.tsv,.txt,.ndjson,.jsonl,.json,.gz,.parquet"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = ""; // the same file can be chosen again
            if (file) choose(file);
          }}
        />
        <Text size="sm" c="dimmed" ta="center">
          or drop it here: CSV, TSV or NDJSON of any size, also as .gz. It is read in this page, and only its events are
          sent.
        </Text>
      </Stack>
    </Paper>
  );
}
