export {
  type Capture,
  type CapturedFrame,
  CaptureError,
  type CaptureFault,
  type CaptureReading,
  captureNotes,
} from './capture.js';
export type { CaptureLimits } from './frame-collector.js';
export { parseUnpackedCapture } from './parse-capture.js';
export { parseCapture, readCapture } from './read-capture.js';
