import type { Key } from "../types";

/** Whether a key opens anything at the moment `now` (milliseconds). */
export function keyState(key: Key, now: number = Date.now()): "active" | "expired" | "revoked" {
  if (key.revoked_at) return "revoked";
  return key.expires_at && Date.parse(key.expires_at) <= now ? "expired" : "active";
}
