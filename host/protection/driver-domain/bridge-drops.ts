/** Why the driver domain dropped a frame (or a copy of it for one destination). */
export const BRIDGE_DROPS = [
  'no-receive-buffer',
  'unknown-destination',
  'source-mac-spoofed',
  'bad-grant',
  'bad-frame',
  'port-closed',
  'no-device',
] as const;
export type BridgeDrop = (typeof BRIDGE_DROPS)[number];
