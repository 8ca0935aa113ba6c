import { Text } from "@mantine/core";
import type { ReactNode } from "react";

/** The words between the fields of a sentence. */
export function Words({ children }: { children: ReactNode }) {
  return (
    <Text component="span" size="sm" style={{ whiteSpace: "nowrap", lineHeight: "30px" }}>
      {children}
    </Text>
  );
}
