import "@mantine/core/styles/PasswordInput.css";
import "@mantine/core/styles/Container.css";
import { Alert, Button, Code, Container, Group, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { useLocation, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { Fault } from "@/api/client";
import { useSession, useSignIn } from "@/api/session";
import { FaultNote } from "@/common/Fault";
import { inside } from "./inside";
import { Mark } from "./Mark";
import { Scheme } from "./Scheme";

/** Signs in with a key, or with the one-time link whose token stands behind the `#`. */
export function SignIn() {
  const { to } = useSearch({ strict: false }) as { to?: string };
  const signIn = useSignIn(inside(to));
  const { mutate } = signIn;
  const [key, setKey] = useState("");
  const link = useLocation({ select: (location) => location.hash });
  // Once there was a link, nobody here asks who is signed in: it may still be somebody else.
  const linked = useRef(false);
  linked.current ||= link !== "";
  const session = useSession(signIn.isIdle && !linked.current);

  useEffect(() => {
    document.title = "Sign in · headwater";
  }, []);

  useEffect(() => {
    if (!link) return;
    window.history.replaceState(null, "", window.location.pathname); // it is worth nothing now; nobody should keep it
    mutate({ link });
  }, [link, mutate]);

  useEffect(() => {
    if (session.data) window.location.replace(`/ui${inside(to)}`);
  }, [session.data, to]);

  const unkept = signIn.data === false;
  return (
    <Container size="xs" py="xl" component="main" id="main">
      <Stack gap="lg">
        <Group justify="space-between">
          <Mark />
          <Scheme />
        </Group>
        <Paper withBorder p="lg">
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (key.trim()) mutate({ key: key.trim() });
            }}
          >
            <Stack gap="md">
              <Title order={1} size="h3">
                Sign in
              </Title>
              <PasswordInput
                label="API key"
                description="One that may read; with the scope admin you can change things."
                placeholder="sk_…"
                value={key}
                onChange={(event) => setKey(event.currentTarget.value)}
                autoComplete="current-password"
                visibilityToggleButtonProps={{ "aria-label": "Show the key" }}
                required
              />
              {signIn.error && <FaultNote error={signIn.error} what={refusal(signIn.error)} />}
              {!window.isSecureContext && <Insecure />}
              {unkept && window.isSecureContext && (
                <Alert color="orange" title="Your browser did not keep the session's cookie">
                  It takes such cookies over HTTPS, and most browsers on localhost; allow cookies for this site.
                </Alert>
              )}
              <Button type="submit" loading={signIn.isPending || signIn.data === true} disabled={!key.trim()}>
                Sign in
              </Button>
            </Stack>
          </form>
        </Paper>
        <Text size="sm" c="dimmed" component="div">
          No key at hand? On the server, <Code>headwater dashboard</Code> prints a link that signs you in once, and{" "}
          <Code>headwater keys create</Code> makes a key.
        </Text>
      </Stack>
    </Container>
  );
}

function Insecure() {
  return (
    <Alert color="orange" icon={<IconLock />} title="This page did not come over HTTPS">
      A browser keeps the session's cookie over HTTPS or on localhost alone. Serve with <Code>--tls-cert</Code> and{" "}
      <Code>--tls-key</Code>, put a proxy with TLS before it, or forward the port:{" "}
      <Code>ssh -L 8080:localhost:8080</Code>.
    </Alert>
  );
}

function refusal(error: Error): string {
  const status = error instanceof Fault ? error.status : 0;
  if (status === 401) return "That did not sign you in";
  return status === 429 ? "Too many tries" : "Not signed in";
}
