import { Anchor, Text } from "@mantine/core";
import { type KeyboardEvent, useId, useRef, useState } from "react";
import styles from "./JsonEditor.module.css";
import type { TextFault } from "./json";

const LINE = 20;
const INDENT = "  ";

type Props = {
  text: string;
  change: (text: string) => void;
  fault: TextFault | undefined;
  label: string;
  readOnly?: boolean;
};

/** JSON as text, with its lines numbered and the one marked where it breaks. */
export function JsonEditor({ text, change, fault, label, readOnly = false }: Props) {
  const [scrolled, setScrolled] = useState(0);
  const area = useRef<HTMLTextAreaElement>(null);
  const keys = useIndenting(change);
  const id = useId();
  const count = text.split("\n").length;
  const top = fault ? (fault.line - 1) * LINE + 8 - scrolled : 0;
  return (
    <div>
      <div className={styles.box} data-broken={fault ? true : undefined}>
        <div className={styles.numbers} aria-hidden>
          {fault && <div className={styles.mark} style={{ top }} />}
          <div style={{ transform: `translateY(${-scrolled}px)` }}>
            {Array.from({ length: count }, (_, index) => index + 1).join("\n")}
          </div>
        </div>
        <textarea
          ref={area}
          className={styles.text}
          value={text}
          onChange={(event) => {
            keys.typed();
            change(event.currentTarget.value);
          }}
          onKeyDown={keys.pressed}
          onBlur={keys.left}
          onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}
          aria-label={label}
          aria-describedby={`${id}-hint ${id}-fault`}
          aria-invalid={fault ? true : undefined}
          readOnly={readOnly}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          dir="ltr"
        />
      </div>
      <Text size="xs" c="dimmed" mt={4} id={`${id}-hint`}>
        While you type, Tab indents; Esc, then Tab leaves the text.
      </Text>
      <Text size="sm" c="var(--mantine-color-error)" mih={22} id={`${id}-fault`} role="status" className="outside">
        {fault && (
          <>
            <Anchor component="button" type="button" size="sm" onClick={() => go(area.current, text, fault)}>
              Line {fault.line}, column {fault.column}
            </Anchor>
            : {fault.message}
          </>
        )}
      </Text>
    </div>
  );
}

/** Puts the cursor where the text breaks. */
function go(area: HTMLTextAreaElement | null, text: string, fault: TextFault): void {
  if (!area) return;
  const lines = text.split("\n").slice(0, fault.line - 1);
  const at = lines.reduce((sum, line) => sum + line.length + 1, 0) + fault.column - 1;
  area.focus();
  area.setSelectionRange(at, Math.min(at + 1, text.length));
  area.scrollTop = Math.max(0, (fault.line - 6) * LINE);
}

/** Tab indents for who is writing, and moves on for who only comes by. */
function useIndenting(change: (text: string) => void) {
  const writing = useRef(false);
  function pressed(event: KeyboardEvent<HTMLTextAreaElement>): void {
    const area = event.currentTarget;
    if (event.key === "Escape") writing.current = false;
    if (area.readOnly || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab" && writing.current) {
      event.preventDefault();
      if (event.shiftKey) outdent(area, change);
      else insert(area, INDENT, change);
    }
    if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      insert(area, `\n${indentAt(area)}`, change);
    }
  }
  return {
    pressed,
    typed: () => {
      writing.current = true;
    },
    left: () => {
      writing.current = false;
    },
  };
}

/** The white space that the cursor's line begins with, one more behind an opening bracket. */
function indentAt(area: HTMLTextAreaElement): string {
  const before = area.value.slice(0, area.selectionStart);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const indent = /^[ \t]*/.exec(line)?.[0] ?? "";
  return /[[{]\s*$/.test(line) ? indent + INDENT : indent;
}

function insert(area: HTMLTextAreaElement, text: string, change: (text: string) => void): void {
  // The one way that the browser's undo knows of; where it is gone, the text is changed all the same.
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  change(area.value);
}

function outdent(area: HTMLTextAreaElement, change: (text: string) => void): void {
  const at = area.selectionStart;
  const begin = area.value.lastIndexOf("\n", at - 1) + 1;
  const spaces = /^ {1,2}/.exec(area.value.slice(begin))?.[0].length ?? 0;
  if (spaces === 0) return;
  area.setSelectionRange(begin, begin + spaces);
  if (!document.execCommand("delete")) {
    area.setRangeText("", begin, begin + spaces, "end");
    change(area.value);
  }
  area.setSelectionRange(Math.max(begin, at - spaces), Math.max(begin, at - spaces));
}
