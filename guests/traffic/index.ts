export { BorrowedFrame } from './borrowed-frame.js';
export {
  type Conversation,
  type ConversationOptions,
  conversationOf,
  type SpokenFrame,
  type Unfit,
  type Voice,
} from './conversation.js';
export { type Durations, exponentialDurations, fixedDurations, paretoDurations } from './durations.js';
export { EchoResponder, type EchoResponderOptions } from './echo-responder.js';
export { ETHERTYPE_EXPERIMENTAL, FRAME_KINDS, type FrameKind } from './frame-format.js';
export { type FrameIdentity, FramePattern } from './frame-pattern.js';
export { type FrameSizes, fixedSize, IMIX, mixedSizes, type SizeShare, wireBytes } from './frame-sizes.js';
export { type FrameVerdict, FrameVerifier } from './frame-verifier.js';
export {
  type BurstOptions,
  constantRate,
  greedy,
  heavyTailed,
  imix,
  onOff,
  poisson,
  type StreamOptions,
} from './generated-sources.js';
export { formatMac, isGroupAddress, type MacAddress, readMac, writeMac } from './mac-address.js';
export { RandomStream } from './random-stream.js';
export { type Replay, type ReplayOptions, replay } from './replay.js';
export { RequestClient, type RequestClientOptions } from './request-client.js';
export { RequestServer } from './request-server.js';
export { splitFrame } from './split-frame.js';
export { TimedSource } from './timed-source.js';
export {
  type PullSource,
  type PushSource,
  type Responder,
  TrafficError,
  type TrafficSource,
} from './traffic-source.js';
