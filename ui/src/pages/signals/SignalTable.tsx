import { Badge, Button, Center, Group, Skeleton, type StyleProp, Table, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowsSort, IconArrowUp } from "@tabler/icons-react";
import {
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  type Header,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { useState } from "react";
import { Ago } from "@/common/Moment";
import { SignalLink } from "@/common/marks";
import { compact, count, share } from "@/common/numbers";
import { Cut } from "@/common/Outside";
import { Sparkline } from "@/common/Sparkline";
import { Nearness } from "./Nearness";
import type { Row } from "./rows";

type Waits = { activity: boolean; limits: boolean };
type Props = { rows: Row[]; waits: Waits; sorting: SortingState; sort: (sorting: SortingState) => void };

declare module "@tanstack/react-table" {
  interface ColumnMeta<TData, TValue> {
    /** The window from which on there is room for it. */
    from?: "sm" | "md" | "lg" | "xl";
    right?: boolean;
    /** Known before there is anything in it, so that nothing moves. */
    width?: StyleProp<string>;
  }
}

const AT_FIRST = 50;

function columns(waits: Waits): ColumnDef<Row>[] {
  return [
    {
      id: "name",
      header: "Signal",
      accessorFn: (row) => row.name.toLowerCase(),
      cell: ({ row }) => <Name row={row.original} />,
    },
    {
      id: "type",
      header: "Type",
      enableSorting: false,
      cell: ({ row }) => row.original.signal.type,
      meta: { from: "md", width: "5.5rem" },
    },
    {
      id: "volume",
      header: "Last 24 h",
      accessorKey: "volume",
      sortDescFirst: true,
      cell: ({ row }) => <Volume row={row.original} waits={waits.activity} />,
      meta: { width: { base: "6.5rem", sm: "12rem" } },
    },
    {
      id: "errors",
      header: "Rejected",
      accessorKey: "faulty",
      sortDescFirst: true,
      cell: ({ row }) => <Errors row={row.original} waits={waits.activity} />,
      meta: { right: true, width: "7rem" },
    },
    {
      id: "limit",
      header: "Limit, this minute",
      enableSorting: false,
      cell: ({ row }) => <Nearness signal={row.original.signal} limit={row.original.limit} loading={waits.limits} />,
      meta: { from: "md", width: "11rem" },
    },
    {
      id: "enforcement",
      header: "Enforcement",
      enableSorting: false,
      cell: ({ row }) => row.original.signal.enforcement,
      meta: { from: "xl", width: "8rem" },
    },
    {
      id: "last",
      header: "Last received",
      enableSorting: false,
      cell: ({ row }) => <Last row={row.original} waits={waits.activity} />,
      meta: { from: "lg", width: "9rem" },
    },
  ];
}

/** All signals that fit, in the order asked for; a long list by and by. */
export function SignalTable({ rows, waits, sorting, sort }: Props) {
  const [most, setMost] = useState(AT_FIRST);
  const table = useReactTable({
    data: rows,
    columns: columns(waits),
    state: { sorting },
    onSortingChange: (change) => sort(typeof change === "function" ? change(sorting) : change),
    enableSortingRemoval: false,
    getRowId: (row) => row.signal.id,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const sorted = table.getRowModel().rows;
  return (
    <>
      <Table verticalSpacing="xs" highlightOnHover style={{ tableLayout: "fixed" }}>
        <Table.Thead>
          {table.getHeaderGroups().map((group) => (
            <Table.Tr key={group.id}>
              {group.headers.map((header) => (
                <Head key={header.id} header={header} />
              ))}
            </Table.Tr>
          ))}
        </Table.Thead>
        <Table.Tbody>
          {sorted.slice(0, most).map((row) => (
            <Table.Tr key={row.id}>
              {row.getVisibleCells().map((cell) => {
                const { from, right } = cell.column.columnDef.meta ?? {};
                const place = { ...(from ? { visibleFrom: from } : {}), ...(right ? { ta: "right" as const } : {}) };
                return (
                  <Table.Td key={cell.id} {...place}>
                    {flexRender(cell.column.columnDef.cell, cell.getContext())}
                  </Table.Td>
                );
              })}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {sorted.length > most && (
        <Center>
          <Button variant="default" onClick={() => setMost(most + 200)}>
            More ({count(sorted.length - most)} left)
          </Button>
        </Center>
      )}
    </>
  );
}

function Head({ header }: { header: Header<Row, unknown> }) {
  const { from, right, width } = header.column.columnDef.meta ?? {};
  const sorted = header.column.getIsSorted();
  const label = String(header.column.columnDef.header);
  const Icon = sorted === "asc" ? IconArrowUp : sorted === "desc" ? IconArrowDown : IconArrowsSort;
  const told = sorted ? ({ asc: "ascending", desc: "descending" } as const)[sorted] : undefined;
  return (
    <Table.Th
      scope="col"
      {...(width ? { w: width } : {})}
      {...(from ? { visibleFrom: from } : {})}
      {...(right ? { ta: "right" } : {})}
      aria-sort={told}
    >
      {header.column.getCanSort() ? (
        <UnstyledButton fz="sm" fw={700} w="100%" onClick={header.column.getToggleSortingHandler()}>
          <Group gap={4} wrap="nowrap" justify={right ? "flex-end" : "flex-start"} style={{ whiteSpace: "nowrap" }}>
            {label}
            <Icon size={14} aria-hidden style={{ opacity: sorted ? 1 : 0.45 }} />
          </Group>
        </UnstyledButton>
      ) : (
        label
      )}
    </Table.Th>
  );
}

function Name({ row }: { row: Row }) {
  const { name, slug, active, draft, type } = row.signal;
  return (
    <div style={{ minWidth: 0 }}>
      <Group gap={6} wrap="nowrap" style={{ minWidth: 0 }}>
        <SignalLink slug={slug} width="100%" />
        {draft && (
          <Badge color="yellow" variant="light" tt="none" style={{ flexShrink: 0 }}>
            draft
          </Badge>
        )}
        {!active && (
          <Badge color="gray" variant="light" tt="none" style={{ flexShrink: 0 }}>
            inactive
          </Badge>
        )}
      </Group>
      <Text size="xs" c="dimmed" component="div">
        <Cut text={name} width="100%" />
        <Text component="div" size="xs" hiddenFrom="md">
          {type}
        </Text>
      </Text>
    </div>
  );
}

function Volume({ row, waits }: { row: Row; waits: boolean }) {
  if (waits) return <Skeleton height={28} width={72} />;
  const label = `${count(row.volume)} events in the last 24 hours, ${count(row.wrong)} of them rejected`;
  return (
    <Group gap="sm" wrap="nowrap" mih={28}>
      <Group visibleFrom="sm" gap={0}>
        <Sparkline
          values={row.processed.length > 0 ? row.processed : NO_EVENTS}
          faults={row.rejected}
          label={label}
          width={96}
        />
      </Group>
      <Text size="sm" className="tabular" title={label}>
        {compact(row.volume)}
      </Text>
    </Group>
  );
}

const NO_EVENTS: readonly number[] = Array.from({ length: 24 }, () => 0);

function Errors({ row, waits }: { row: Row; waits: boolean }) {
  if (waits) return <Skeleton height={20} width={48} ml="auto" />;
  if (row.volume === 0)
    return (
      <Text size="sm" c="dimmed" title="No events in the last 24 hours">
        –
      </Text>
    );
  const grave = row.faulty >= 0.05;
  return (
    <Text size="sm" className="tabular" {...(grave ? { c: "var(--mantine-color-error)", fw: 600 } : {})}>
      {share(row.wrong, row.volume)}
    </Text>
  );
}

function Last({ row, waits }: { row: Row; waits: boolean }) {
  if (waits) return <Skeleton height={20} width={80} />;
  if (row.lastReceived) return <Ago at={row.lastReceived} />;
  return (
    <Text size="sm" c="dimmed">
      over 24 h ago
    </Text>
  );
}
