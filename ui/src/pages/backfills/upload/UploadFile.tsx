import { Stack, Title } from "@mantine/core";
import { useState } from "react";
import { Choose } from "./Choose";
import { Prepare } from "./Prepare";
import { Sending } from "./Sending";
import { chosen, type Plan, Upload, uploads } from "./upload";

/** Loads a file into a backfill: chosen, mapped, sent. */
export function UploadFile({ backfill }: { backfill: Plan["backfill"] }) {
  const [file, choose] = useState<File | null>(chosen.get(backfill.id) ?? null);
  const [upload, send] = useState<Upload | null>(uploads.get(backfill.id) ?? null);
  const start = (plan: Plan) => {
    const made = new Upload(plan);
    uploads.set(backfill.id, made);
    chosen.delete(backfill.id);
    send(made);
  };
  const leave = () => {
    uploads.delete(backfill.id);
    chosen.delete(backfill.id);
    choose(null);
    send(null);
  };
  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h4">
        Upload a file
      </Title>
      {upload ? (
        <Sending upload={upload} leave={leave} />
      ) : file ? (
        <Prepare file={file} backfill={backfill} start={start} leave={leave} />
      ) : (
        <Choose choose={choose} />
      )}
    </Stack>
  );
}
