import { defineConfig } from "vitest/config";

export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    // A data: address for a small asset would be refused by the server's content security policy.
    assetsInlineLimit: 0,
    target: "es2022",
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
  test: { environment: "jsdom", restoreMocks: true, include: ["src/**/*.test.{ts,tsx}"] },
});
