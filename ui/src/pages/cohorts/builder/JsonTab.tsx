import { Alert, Stack, Text, Textarea } from "@mantine/core";
import { useEffect, useState } from "react";
import { changedNumber, tooManyDigits } from "@/common/digits";
import { Outside } from "@/common/Outside";
import { useSite } from "./context";
import { canonical, type Json, toJson } from "./json";
import { Misfit, read } from "./read";
import { write } from "./write";

type Trouble = { path: string; message: string };

/**
 * The same definition as JSON. What can be read is in the builder at once; what cannot, says where, and is told: what
 * would be saved then is not what is written here.
 */
export function JsonTab({ tell }: { tell: (isBroken: boolean) => void }) {
  const { builder, fault } = useSite();
  const definition = write(builder.model);
  const whole = toJson(definition, 2);
  const [draft, setDraft] = useState({ text: whole, of: canonical(definition) });
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const mine = draft.of === canonical(definition);
  const shown = mine ? draft.text : whole;
  const told = mine && trouble ? trouble : fault;

  const isBroken = mine && trouble !== null;
  useEffect(() => {
    tell(isBroken);
    return () => tell(false); // whoever leaves this tab leaves what is written here
  }, [isBroken, tell]);

  const enter = (text: string) => {
    const found = understood(text);
    if ("trouble" in found) {
      setTrouble(found.trouble);
      setDraft({ text, of: canonical(definition) });
      return;
    }
    setTrouble(null);
    setDraft({ text, of: canonical(write(found.model)) });
    if (canonical(write(found.model)) !== canonical(definition)) builder.load(found.model, "json");
  };

  return (
    <Stack gap="xs">
      <Textarea
        label="Definition"
        description="What you write here is in the builder at once, as long as it can be read"
        value={shown}
        onChange={(event) => enter(event.currentTarget.value)}
        autosize
        minRows={10}
        maxRows={30}
        spellCheck={false}
        error={Boolean(told)}
        styles={{ input: { fontFamily: "var(--outside-font)", fontSize: "var(--mantine-font-size-sm)" } }}
      />
      {told && (
        <Alert color="red" role="alert" p="xs">
          <Text size="sm" component="div">
            {told.path && <Outside text={told.path} mono />}
            {told.path && ": "}
            <Outside text={told.message} />
          </Text>
        </Alert>
      )}
    </Stack>
  );
}

function understood(text: string): { model: ReturnType<typeof read> } | { trouble: Trouble } {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { trouble: { path: "", message: `This is no JSON yet: ${error instanceof Error ? error.message : ""}` } };
  }
  const changed = changedNumber(text);
  if (changed) return { trouble: { path: placeOf(text, changed.at), message: tooManyDigits(changed.number) } };
  try {
    return { model: read(value) };
  } catch (error) {
    if (error instanceof Misfit) return { trouble: { path: error.path, message: error.message } };
    return { trouble: { path: "", message: "This is nested too deep" } };
  }
}

function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
}
