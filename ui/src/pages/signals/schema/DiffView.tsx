import "@mantine/core/styles/List.css";
import { Badge, List, Stack, Text, VisuallyHidden } from "@mantine/core";
import { useMemo } from "react";
import { count } from "@/common/numbers";
import { Outside } from "@/common/Outside";
import styles from "./DiffView.module.css";
import { type DiffLine, diffLines, hunks } from "./diff";
import { canonical, type JsonObject } from "./json";
import { type Change, summary } from "./summary";

type Props = { old: JsonObject; now: JsonObject };

/** As many lines of a difference as are drawn. */
const MOST_LINES = 2000;
const MOST_CHANGES = 50;

/** What changed between two schemas: in words, then line by line. */
export function DiffView({ old, now }: Props) {
  const changes = useMemo(() => summary(old, now), [old, now]);
  const parts = useMemo(() => hunks(diffLines(canonical(old), canonical(now))), [old, now]);
  const isSame = parts.every((part) => part.lines.length === 0);
  if (isSame) return <Text size="sm">They say the same.</Text>;
  let room = MOST_LINES;
  return (
    <Stack gap="sm">
      <Changes changes={changes} />
      <ul className={styles.lines} aria-label="Changed lines">
        {parts.map((part, index) => {
          const lines = part.lines.slice(0, Math.max(0, room));
          room -= part.lines.length;
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a part is its place
            <Part key={index} skipped={part.skipped} lines={lines} />
          );
        })}
        {room < 0 && <li className={styles.skipped}>… {count(-room)} more lines</li>}
      </ul>
    </Stack>
  );
}

function Part({ skipped, lines }: { skipped: number; lines: readonly DiffLine[] }) {
  return (
    <>
      {skipped > 0 && (
        <li className={styles.skipped}>
          … {count(skipped)} equal {skipped === 1 ? "line" : "lines"}
        </li>
      )}
      {lines.map((line) => (
        <Line key={`${line.old ?? ""}/${line.new ?? ""}`} line={line} />
      ))}
    </>
  );
}

const SIGNS = { same: " ", removed: "−", added: "+" } as const;

function Line({ line }: { line: DiffLine }) {
  const look = line.mark === "same" ? "" : (styles[line.mark] ?? "");
  return (
    <li className={`${styles.line} ${look}`}>
      <span className={styles.number} aria-hidden>
        {line.old}
      </span>
      <span className={styles.number} aria-hidden>
        {line.new}
      </span>
      <span aria-hidden>{SIGNS[line.mark]}</span>
      <bdi>
        {line.mark !== "same" && <VisuallyHidden>{line.mark}: </VisuallyHidden>}
        {line.text}
      </bdi>
    </li>
  );
}

/** What it means for who sends. */
export function Changes({ changes }: { changes: readonly Change[] }) {
  if (changes.length === 0) return null;
  return (
    <List size="sm" spacing={4} aria-label="What changed">
      {changes.slice(0, MOST_CHANGES).map((change) => (
        <List.Item key={`${change.field} ${change.what}`}>
          <Outside text={change.field || "The schema"} mono={change.field !== ""} />: {change.what}
          {change.stricter && (
            <Badge ml={6} size="sm" variant="light" color="orange" tt="none">
              stricter
            </Badge>
          )}
        </List.Item>
      ))}
      {changes.length > MOST_CHANGES && <List.Item>{count(changes.length - MOST_CHANGES)} more</List.Item>}
    </List>
  );
}
