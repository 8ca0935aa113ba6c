import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { IconDownload, IconUpload } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { FaultNote } from "@/common/Fault";
import type { Dialect } from "./base";
import { mappingName } from "./command";
import { type Draft, draftOf, writtenOf } from "./draft";
import { save } from "./saved";

type Props = {
  file: string;
  dialect: Dialect;
  header: readonly string[];
  draft: Draft;
  change: (draft: Draft) => void;
};

/** The mapping as a file that `headwater import --mapping` takes, and back from one. */
export function MappingFile({ file, dialect, header, draft, change }: Props) {
  const [opened, open] = useState(false);
  const download = () => {
    const text = `${JSON.stringify(writtenOf(draft), null, 2)}\n`;
    save(new Blob([text], { type: "application/json" }), mappingName(file));
  };
  return (
    <Group gap="xs">
      <Button
        variant="default"
        size="compact-sm"
        leftSection={<IconDownload size={14} aria-hidden />}
        onClick={download}
      >
        Save mapping
      </Button>
      <Button
        variant="default"
        size="compact-sm"
        leftSection={<IconUpload size={14} aria-hidden />}
        onClick={() => open(true)}
      >
        Load mapping
      </Button>
      <Modal opened={opened} onClose={() => open(false)} title="Load a mapping">
        <Load
          dialect={dialect}
          header={header}
          load={(next) => {
            change(next);
            open(false);
          }}
        />
      </Modal>
    </Group>
  );
}

type LoadProps = { dialect: Dialect; header: readonly string[]; load: (draft: Draft) => void };

function Load({ dialect, header, load }: LoadProps) {
  const [text, setText] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const read = () => {
    try {
      load(draftOf(dialect, JSON.parse(text), header));
    } catch (fault) {
      setError(fault instanceof Error ? fault : new Error(String(fault)));
    }
  };
  return (
    <Stack gap="sm">
      <Text size="sm">
        Paste it, or choose its file: the same JSON that <code>headwater import --mapping</code> takes.
      </Text>
      <Textarea
        label="Mapping as JSON"
        placeholder={'{"columns": {"mail": "email"}, "set": {"eventName": "ordered"}}'}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        rows={8}
        spellCheck={false}
        data-autofocus
      />
      <input
        ref={input}
        type="file"
        hidden
        accept=".json"
        aria-label="File of a mapping"
        onChange={(event) => void event.currentTarget.files?.[0]?.text().then(setText)}
      />
      {error && <FaultNote error={error} what="It was not loaded" />}
      <Group justify="space-between">
        <Button variant="default" onClick={() => input.current?.click()}>
          Choose a file
        </Button>
        <Button onClick={read} disabled={text.trim() === ""}>
          Load
        </Button>
      </Group>
    </Stack>
  );
}
