import { Text } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { Outside } from "@/common/Outside";
import { useSite } from "./context";

/** Reads well on every ground, light and dark. */
export const FAULT_COLOR = "light-dark(var(--mantine-color-red-9), var(--mantine-color-red-4))";

/** A fault at a part of the model. */
export type Misplaced = { id: string; path: string; message: string };

/** What is wrong with this part, below it; nothing where nothing is. */
export function Faulty({ id }: { id: string }) {
  const { fault } = useSite();
  if (fault?.id !== id) return null;
  return (
    <Text size="sm" c={FAULT_COLOR} role="alert" data-fault={fault.path}>
      <IconAlertCircle size={15} style={{ verticalAlign: "-2px" }} aria-hidden /> <Outside text={fault.message} />
    </Text>
  );
}

export function useIsFaulty(id: string): boolean {
  return useSite().fault?.id === id;
}
