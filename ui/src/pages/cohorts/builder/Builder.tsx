import { ActionIcon, Autocomplete, Group, Stack, Tooltip, VisuallyHidden } from "@mantine/core";
import { IconArrowBackUp, IconArrowForwardUp } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { AddMenu } from "./AddMenu";
import { useSite } from "./context";
import { isGroup } from "./model";
import { NodeView } from "./NodeView";

const SUBJECTS = ["person", "account", "contact", "deal", "lead"];
/** A menu that closes gives the focus back to its button; then it goes where it is wanted. */
const AFTER_MENU_MS = 40;

/** The definition as rows that read like a sentence. */
export function Builder() {
  const { builder } = useSite();
  const { model, wish } = builder;
  const box = useRef<HTMLDivElement>(null);
  const granted = useRef(wish?.turn ?? 0);

  useEffect(() => {
    if (!wish || wish.turn === granted.current) return;
    granted.current = wish.turn;
    const timer = setTimeout(() => wanted(box.current, wish.id, wish.part)?.focus(), AFTER_MENU_MS);
    return () => clearTimeout(timer);
  }, [wish]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Ctrl+Z undoes wherever in the builder the focus is
    <div
      ref={box}
      onKeyDown={(event) => {
        if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
        const key = event.key.toLowerCase();
        if (key !== "z" && key !== "y") return;
        event.preventDefault();
        if (key === "y" || event.shiftKey) builder.redo();
        else builder.undo();
      }}
    >
      <Stack gap="sm">
        <Group justify="space-between" align="flex-end" gap="xs">
          <Autocomplete
            label="Who can belong"
            description="person, or a type of identity"
            size="xs"
            w="13rem"
            data={[...new Set([...SUBJECTS])]}
            value={model.subject}
            onChange={builder.subject}
            openOnFocus={false}
            error={model.subject === "" ? "Say who can belong" : undefined}
          />
          <Group gap={2}>
            <Undo label="Undo" off={!builder.canUndo} act={builder.undo} icon={IconArrowBackUp} />
            <Undo label="Redo" off={!builder.canRedo} act={builder.redo} icon={IconArrowForwardUp} />
          </Group>
        </Group>
        <NodeView node={model.where} root={isGroup(model.where.body)} />
        {!isGroup(model.where.body) && (
          <div>
            <AddMenu group={model.where.id} />
          </div>
        )}
      </Stack>
      <VisuallyHidden role="status">{builder.said}</VisuallyHidden>
    </div>
  );
}

function wanted(box: HTMLElement | null, id: string, part: string): HTMLElement | null | undefined {
  if (part !== "first") return box?.querySelector<HTMLElement>(`[data-act="${part}"][data-of="${id}"]`);
  return box?.querySelector<HTMLElement>(`[data-node="${id}"] [data-first]`);
}

type UndoProps = { label: string; off: boolean; act: () => void; icon: typeof IconArrowBackUp };

function Undo({ label, off, act, icon: Icon }: UndoProps) {
  return (
    <Tooltip label={`${label} (Ctrl+${label === "Undo" ? "Z" : "Y"})`}>
      <ActionIcon
        size={30}
        variant="default"
        aria-label={label}
        aria-disabled={off || undefined}
        style={off ? { opacity: 0.45, cursor: "default" } : undefined}
        onClick={() => !off && act()}
      >
        <Icon size={16} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
