import { Alert, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/session";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { Cut, Snippet } from "@/common/Outside";
import { useSignals } from "@/pages/signals/queries";
import type { Dialect } from "./base";
import { Columns } from "./Columns";
import { importCommand } from "./command";
import { type Draft, suggested, writtenOf } from "./draft";
import { FirstEvents, keyOfFile, useFirstRows } from "./FirstEvents";
import { FixedValues } from "./FixedValues";
import { type Reading, readingOf } from "./format";
import { MappingFile } from "./MappingFile";
import { ReadingFields } from "./ReadingFields";
import { size } from "./size";
import { type Head, headOf } from "./table";
import type { Plan } from "./upload";

type Backfill = Plan["backfill"];
type Props = { file: File; backfill: Backfill; start: (plan: Plan) => void; leave: () => void };

/** From a file to what will be sent of it. */
export function Prepare({ file, backfill, start, leave }: Props) {
  const found = useQuery({
    queryKey: ["upload", "reading", ...keyOfFile(file)],
    queryFn: () => readingOf(file),
    retry: false,
    gcTime: 0,
  });
  const [changed, change] = useState<Partial<Reading>>({});
  const [dialect, speak] = useState<Dialect>("bik");
  return (
    <Paper withBorder p="md">
      <Stack gap="md">
        <Group justify="space-between" wrap="nowrap">
          <div style={{ minWidth: 0 }}>
            <Cut text={file.name} />
            <Text size="sm" c="dimmed">
              {size(file.size)}
            </Text>
          </div>
          <Button variant="default" onClick={leave}>
            Another file
          </Button>
        </Group>
        {found.error && <FaultNote error={found.error} what="The file cannot be read" />}
        {found.isPending && <Lines count={8} />}
        {found.data && found.data.format === "parquet" && (
          <Terminal file={file.name} reading={found.data} dialect={dialect} backfill={backfill} />
        )}
        {found.data && found.data.format !== "parquet" && (
          <Read
            key={dialect}
            file={file}
            backfill={backfill}
            start={start}
            reading={{ ...found.data, ...changed }}
            change={(part) => change({ ...changed, ...part })}
            dialect={dialect}
            speak={speak}
          />
        )}
      </Stack>
    </Paper>
  );
}

type Told = { file: string; reading: Reading; dialect: Dialect; backfill: Backfill };

function Terminal({ file, reading, dialect, backfill }: Told) {
  return (
    <Alert title="Parquet is not read in this page" color="water">
      <Stack gap="xs">
        <Text size="sm">The command does it, in little memory, with its types as they are:</Text>
        <Snippet text={importCommand({ file, reading, dialect, backfill: backfill.name, mapped: false })} />
      </Stack>
    </Alert>
  );
}

type ReadProps = {
  file: File;
  backfill: Backfill;
  start: (plan: Plan) => void;
  reading: Reading;
  change: (part: Partial<Reading>) => void;
  dialect: Dialect;
  speak: (dialect: Dialect) => void;
};

function Read({ file, backfill, start, reading, change, dialect, speak }: ReadProps) {
  const csv = reading.format === "csv";
  const head = useQuery({
    queryKey: ["upload", "head", ...keyOfFile(file), reading],
    queryFn: () => headOf(file, reading),
    enabled: csv,
    retry: false,
    gcTime: 0,
  });
  const fields = <ReadingFields reading={reading} dialect={dialect} change={change} speak={speak} />;
  const shared = { file, backfill, start, reading, dialect };
  return (
    <>
      {fields}
      {csv && head.error && <FaultNote error={head.error} what="The file cannot be read so" />}
      {csv && head.isPending && <Lines count={8} height={48} />}
      {csv && head.data && <Mapped key={JSON.stringify([reading, head.data.header])} {...shared} head={head.data} />}
      {!csv && <Ready {...shared} mapping={{}} header={null} mapped={false} />}
    </>
  );
}

type Shared = Pick<ReadProps, "file" | "backfill" | "start" | "reading" | "dialect">;

function Mapped({ head, ...shared }: Shared & { head: Head }) {
  const [draft, change] = useState<Draft>(() => suggested(shared.dialect, head.header, head.samples));
  const signals = useSignals();
  return (
    <>
      <Stack gap="xs">
        <Group justify="space-between">
          <Title order={3} size="h5">
            Columns
          </Title>
          <MappingFile
            file={shared.file.name}
            dialect={shared.dialect}
            header={head.header}
            draft={draft}
            change={change}
          />
        </Group>
        <Columns head={head} dialect={shared.dialect} draft={draft} change={change} />
      </Stack>
      <FixedValues
        dialect={shared.dialect}
        draft={draft}
        signals={(signals.data ?? []).filter((each) => each.active).map((each) => each.slug)}
        change={change}
      />
      <Ready {...shared} mapping={writtenOf(draft)} header={head.header} mapped />
    </>
  );
}

type ReadyProps = Shared & Pick<Plan, "mapping" | "header"> & { mapped: boolean };

/** What will be sent, and the button that sends it. */
function Ready({ file, backfill, start, reading, dialect, mapping, header, mapped }: ReadyProps) {
  const may = useMay("ingest");
  const asked = { file, reading, dialect, mapping };
  const rows = useFirstRows(asked);
  const signals = useSignals();
  const known = signals.data ? new Set(signals.data.map((each) => each.slug)) : null;
  const ready = may && !rows.error && (rows.data?.length ?? 0) > 0;
  return (
    <>
      <FirstEvents asked={asked} query={rows} signals={known} />
      <Stack gap={6}>
        <Title order={3} size="h5">
          The same from a terminal
        </Title>
        <Snippet text={importCommand({ file: file.name, reading, dialect, backfill: backfill.name, mapped })} />
        {mapped && (
          <Text size="sm" c="dimmed">
            With the mapping saved beside the file. The command goes on after a restart of the machine, and reads
            Parquet.
          </Text>
        )}
      </Stack>
      <Text size="sm" c="dimmed">
        Keep this tab open until all is sent. If it is closed all the same, choose the same file for the same backfill
        again: every request has a key that comes from the file's content, so what was taken is answered at once and not
        stored twice, and the rest follows.
      </Text>
      <Group justify="flex-end">
        {!may && (
          <Text size="sm" c="dimmed">
            The key that is signed in lacks the scope ingest.
          </Text>
        )}
        <Button disabled={!ready} onClick={() => start({ file, reading, dialect, mapping, header, backfill })}>
          Send all events
        </Button>
      </Group>
    </>
  );
}
