import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import classes from "./builder.module.css";

/** Fields that go together on a line, as long as there is room. */
export function Line({ children, nested = false }: { children: ReactNode; nested?: boolean }) {
  return <div className={nested ? `${classes.line} ${classes.nested}` : classes.line}>{children}</div>;
}

/** What takes something away again; the focus goes to the field before it. */
export function Less({ label, act }: { label: string; act: () => void }) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        size={30}
        variant="subtle"
        color="gray"
        aria-label={label}
        onClick={(event) => {
          const frame = event.currentTarget.closest("[data-node]");
          act();
          requestAnimationFrame(() => frame?.querySelector<HTMLElement>("[data-first]")?.focus());
        }}
      >
        <IconX size={14} />
      </ActionIcon>
    </Tooltip>
  );
}

/** What adds an optional part; the focus goes into it. */
export function More({ label, act, into }: { label: string; act: () => void; into?: string }) {
  return (
    <Button
      size="compact-xs"
      variant="subtle"
      leftSection={<IconPlus size={12} aria-hidden />}
      onClick={(event) => {
        const frame = event.currentTarget.closest("[data-node]");
        act();
        if (into)
          requestAnimationFrame(() => last(frame, `[data-part="${into}"] :is(input, select, textarea)`)?.focus());
      }}
    >
      {label}
    </Button>
  );
}

function last(frame: Element | null, selector: string): HTMLElement | undefined {
  const parts = [...(frame?.querySelectorAll<HTMLElement>(selector) ?? [])];
  const [own] = parts.slice(-1);
  const part = own?.closest("[data-row]");
  return (part?.querySelector<HTMLElement>("input, select, textarea") ?? own) || undefined;
}
