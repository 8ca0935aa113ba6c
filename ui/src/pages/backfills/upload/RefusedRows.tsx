import { Button, Group, Stack, Table, Text, Title } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { count } from "@/common/numbers";
import { Outside } from "@/common/Outside";
import { MAX_REFUSED, refusedFile, refusedName } from "./refused";
import { save } from "./saved";
import type { Upload } from "./upload";

const MESSAGES = 20;

/** Why rows were refused, the first of them, and all to be mended and loaded again. */
export function RefusedRows({ upload, total }: { upload: Upload; total: number }) {
  const { refused, plan } = upload;
  const messages = refused.byMessage();
  const download = async () => {
    const name = refusedName(plan.file.name, plan.backfill.id, plan.header !== null);
    save(await refusedFile(refused, plan.header, plan.reading.delimiter), name);
  };
  return (
    <Stack gap="xs" component="section">
      <Group justify="space-between">
        <Title order={3} size="h5">
          {count(total)} {total === 1 ? "row was" : "rows were"} refused
        </Title>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconDownload size={14} aria-hidden />}
          onClick={() => void download()}
        >
          Download refused rows
        </Button>
      </Group>
      <Table layout="fixed" aria-label="Why rows were refused">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Why</Table.Th>
            <Table.Th scope="col" w="5rem" ta="right">
              Rows
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {messages.slice(0, MESSAGES).map((each) => (
            <Table.Tr key={each.message}>
              <Table.Td>
                <Outside text={each.message} />
              </Table.Td>
              <Table.Td ta="right" className="tabular">
                {count(each.count)}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Table layout="fixed" aria-label="The first refused rows">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col" w="6rem">
              Line
            </Table.Th>
            <Table.Th scope="col">What is wrong with it</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {refused.first.map(({ line, flaw }) => (
            <Table.Tr key={line}>
              <Table.Td className="tabular">{count(line)}</Table.Td>
              <Table.Td>
                <Outside text={[flaw.path, flaw.message].filter(Boolean).join(": ")} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="sm" c="dimmed">
        The file has each of them with its line and what was wrong: mend it there, and load that file.
        {refused.kept.length < total &&
          ` It has the first ${count(refused.kept.length)}: no more than ${count(MAX_REFUSED)} are kept in this page.`}
      </Text>
    </Stack>
  );
}
