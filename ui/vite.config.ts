import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = "../src/headwater/dashboard";

/** Writes `.br` and `.gz` beside each asset: the server sends them as they are, and never compresses. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    closeBundle() {
      const folder = join(import.meta.dirname, OUT, "assets");
      for (const name of readdirSync(folder)) {
        const body = readFileSync(join(folder, name));
        writeFileSync(join(folder, `${name}.br`), brotliCompressSync(body));
        writeFileSync(join(folder, `${name}.gz`), gzipSync(body, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "/ui/",
  resolve: { alias: { "@": join(import.meta.dirname, "src") } },
  plugins: [react(), precompressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    assetsInlineLimit: 0, // an inlined asset would be a data: URL, which the policy knows for images alone
    target: "es2023",
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8080", "/integrations": "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
});
