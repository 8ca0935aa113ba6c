import { Textarea, TextInput } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

type Props = {
  label: string;
  description?: string;
  placeholder?: string;
  value: string;
  /** Takes what is typed; gives what is wrong with it, or nothing. */
  commit: (text: string) => string | undefined;
  lines?: number;
  number?: boolean;
  mono?: boolean;
};

/** A text that counts as one types, as far as it can: half a number stays as it is typed, and is told. */
export function Typed({ label, description, placeholder, value, commit, lines, number = false, mono = false }: Props) {
  const [text, setText] = useState(value);
  const [error, setError] = useState<string>();
  const typing = useRef(false);
  useEffect(() => {
    if (typing.current) return; // what counts of `1.` is 1, and the point is to stay
    setText(value);
    setError(undefined);
  }, [value]);
  const typed = (now: string) => {
    setText(now);
    setError(commit(now));
  };
  const shared = {
    label,
    description,
    placeholder,
    value: text,
    error,
    onFocus: () => {
      typing.current = true;
    },
    onBlur: () => {
      typing.current = false;
    },
    spellCheck: false,
    autoComplete: "off",
    size: "sm" as const,
    ...(mono ? { styles: { input: { fontFamily: "var(--outside-font)" } } } : {}),
  };
  if (lines) return <Textarea {...shared} rows={lines} onChange={(event) => typed(event.currentTarget.value)} />;
  return (
    <TextInput
      {...shared}
      {...(number ? { inputMode: "decimal" as const } : {})}
      onChange={(event) => typed(event.currentTarget.value)}
    />
  );
}
