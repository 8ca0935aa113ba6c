import { ShownOnce } from "@/common/ShownOnce";
import type { NewKey } from "./keys";

/** A new key. */
export function ShownKey({ made, close }: { made: NewKey; close: () => void }) {
  return (
    <ShownOnce title={`Key ${made.name || made.id}`} what="key" text={made.key} close={close}>
      Copy it now, to where the sender's secrets are kept. headwater keeps no copy that could be read again.
    </ShownOnce>
  );
}
