import { ActionIcon, Code, CopyButton, Group, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

const LONG = 300;

/** Text that somebody else wrote: wrapped wherever it must, and turning no other text around. */
export function Outside({ text, mono = false }: { text: string; mono?: boolean }) {
  return (
    <bdi className="outside" style={mono ? { fontFamily: "var(--outside-font)" } : undefined}>
      {shortened(text)}
    </bdi>
  );
}

/** The same on one line, cut where the room ends; whole on hover. */
export function Cut({ text, width = "100%", mono = false }: { text: string; width?: string; mono?: boolean }) {
  const style = { maxWidth: width, ...(mono ? { fontFamily: "var(--outside-font)" } : {}) };
  return (
    <bdi className="cut" style={style} title={shortened(text)}>
      {shortened(text)}
    </bdi>
  );
}

/** No line of a page needs more; what is whole stands where one event is shown. */
export function shortened(text: string): string {
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}

/** Something to copy: an id, a command. */
export function Copy({ value, what }: { value: string; what: string }) {
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : `Copy ${what}`}>
          <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={copied ? "Copied" : `Copy ${what}`}>
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

export function Id({ id, what = "id" }: { id: string; what?: string }) {
  return (
    <Group gap={2} wrap="nowrap" style={{ minWidth: 0 }}>
      <Cut text={id} mono />
      <Copy value={id} what={what} />
    </Group>
  );
}

/** A command or a document, to read and to copy. */
export function Snippet({ text, what = "command" }: { text: string; what?: string }) {
  return (
    <div style={{ position: "relative" }}>
      <Code block pr={44} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {text}
      </Code>
      <div style={{ position: "absolute", top: 6, right: 6 }}>
        <Copy value={text} what={what} />
      </div>
    </div>
  );
}
