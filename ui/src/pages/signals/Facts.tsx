import { Box, Text } from "@mantine/core";
import { Fragment, type ReactNode } from "react";

export type Fact = { term: string; value: ReactNode };

/** What is known of a thing, term by term. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <Box
      component="dl"
      m={0}
      style={{
        display: "grid",
        gridTemplateColumns: "minmax(6.5rem, max-content) minmax(0, 1fr)",
        gap: "0.5rem 1rem",
        alignItems: "baseline",
      }}
    >
      {facts.map((fact) => (
        <Fragment key={fact.term}>
          <Text component="dt" size="sm" c="dimmed">
            {fact.term}
          </Text>
          <Text component="dd" size="sm" m={0} className="outside">
            {fact.value}
          </Text>
        </Fragment>
      ))}
    </Box>
  );
}
