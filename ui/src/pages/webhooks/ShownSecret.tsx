import { ShownOnce } from "@/common/ShownOnce";

/** A new secret. */
export function ShownSecret({ secret, close }: { secret: string; close: () => void }) {
  return (
    <ShownOnce title="Signing secret" what="secret" text={secret} close={close}>
      Copy it now, to where the receiver's secrets are kept: with it the receiver knows that a delivery is from here. If
      it is lost, rotate it.
    </ShownOnce>
  );
}
