export { type Capture, type CapturedFrame, CaptureError, type CaptureFault } from './capture.js';
export { parseCapture, readCapture } from './read-capture.js';
