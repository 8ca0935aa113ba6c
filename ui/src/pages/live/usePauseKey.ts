import { useEffect } from "react";

const TYPED = "input, textarea, select, [contenteditable], [role='textbox'], [role='combobox'], [role='dialog']";
const PRESSED = "button, a, summary, [tabindex='0'], [role='option']";

/** `p`, or the space bar where it does nothing else, while nobody types. */
export function usePauseKey(toggle: () => void, on: boolean): void {
  useEffect(() => {
    if (!on) return;
    const press = (event: KeyboardEvent) => {
      const at = event.target as HTMLElement;
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || at.closest(TYPED)) return;
      const space = event.key === " " && !at.closest(PRESSED);
      if (event.key !== "p" && !space) return;
      event.preventDefault();
      toggle();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [toggle, on]);
}
