import { Group, Text } from "@mantine/core";
import icon from "@/icon.svg";

/** The name and its sign. */
export function Mark() {
  return (
    <Group gap={8} wrap="nowrap">
      <img src={icon} width={24} height={24} alt="" />
      <Text fw={700} size="md">
        headwater
      </Text>
    </Group>
  );
}
