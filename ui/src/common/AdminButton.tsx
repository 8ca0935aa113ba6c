import { Button, type ButtonProps, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { useMay } from "@/api/session";

type Props = Omit<ButtonProps, "disabled"> & {
  onClick?: () => void;
  type?: "button" | "submit";
  disabled?: boolean;
  children: ReactNode;
};

/** What only a key with the scope admin may do: others see it, and why they cannot. */
export function AdminButton({ onClick, type = "button", disabled = false, children, ...rest }: Props) {
  const may = useMay("admin");
  const off = !may || disabled;
  const button = (
    <Button
      {...rest}
      type={type}
      data-disabled={off || undefined}
      aria-disabled={off || undefined}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </Button>
  );
  return may ? button : <Tooltip label="The key that is signed in lacks the scope admin.">{button}</Tooltip>;
}
