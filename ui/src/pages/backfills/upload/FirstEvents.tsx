import { Alert, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Outside, Snippet } from "@/common/Outside";
import type { Row } from "./base";
import { formFlaw } from "./form";
import { indented } from "./raw";
import { firstRows, type Plan } from "./upload";

type Asked = Pick<Plan, "file" | "reading" | "dialect" | "mapping">;
type Props = { asked: Asked; query: ReturnType<typeof useFirstRows>; signals: ReadonlySet<string> | null };

export const keyOfFile = (file: File) => [file.name, file.size, file.lastModified] as const;

/** The first rows of a file, as the mapping makes them. */
export function useFirstRows(asked: Asked) {
  return useQuery({
    queryKey: ["upload", "rows", ...keyOfFile(asked.file), asked.reading, asked.dialect, asked.mapping],
    queryFn: () => firstRows(asked),
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  });
}

/** The first events as they would be sent, and what is wrong with them. */
export function FirstEvents({ asked, query, signals }: Props) {
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        The first events
      </Title>
      {query.error ? (
        <FaultNote error={query.error} what="The file cannot be read so" />
      ) : query.data ? (
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="xs" aria-live="polite">
          {query.data.length === 0 && <Text size="sm">There are no rows in the file.</Text>}
          {query.data.map((row) => (
            <One key={row.line} row={row} asked={asked} signals={signals} />
          ))}
        </SimpleGrid>
      ) : (
        <Lines count={5} height={120} />
      )}
    </Stack>
  );
}

function One({ row, asked, signals }: { row: Row; asked: Asked; signals: ReadonlySet<string> | null }) {
  const flaw = row.flaw ?? (row.event ? formFlaw(asked.dialect, row.event, signals) : null);
  return (
    <section aria-label={`Line ${row.line}`}>
      {flaw && (
        <Alert color="red" p="xs" mb={4} title={`Line ${row.line} would be refused`}>
          <Text size="sm" component="div">
            {flaw.path && (
              <>
                <Outside text={flaw.path} mono />
                {": "}
              </>
            )}
            <Outside text={flaw.hint ? `${flaw.message} (${flaw.hint})` : flaw.message} />
          </Text>
        </Alert>
      )}
      {row.event ? (
        <Snippet text={indented(row.event.slice(0, 20_000))} what="event" />
      ) : (
        <Snippet
          text={typeof row.kept === "string" ? row.kept.slice(0, 1000) : row.kept.join(asked.reading.delimiter)}
        />
      )}
    </section>
  );
}
