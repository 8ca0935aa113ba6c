import "@mantine/core/styles/Container.css";
import { Anchor, Container, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

export function Missing() {
  return (
    <Container size="xs" py="xl" component="main" id="main">
      <Stack>
        <Title order={1} size="h3">
          There is no such page
        </Title>
        <Text size="sm">
          <Anchor component={Link} to="/">
            To the live page
          </Anchor>
        </Text>
      </Stack>
    </Container>
  );
}
