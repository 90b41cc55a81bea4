import { defineConfig } from "vitest/config";

export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    // A data: address for a small asset would be refused by the server's content security policy.
    assetsInlineLimit: 0,
    target: "es2022",
    rollupOptions: {
      onwarn(warning, warn) {
        // "use client" only speaks to server-side renderers.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
  test: { environment: "jsdom", restoreMocks: true, include: ["src/**/*.test.{ts,tsx}"] },
});
