/** Rings, slots and buffers as in the end-to-end runs of 32 contexts, so that both use as much memory. */
const RINGS = 32;
const SLOTS = 256;
const BUFFER_BYTES = 2048;
const WIRE_BYTES = 65536;

/** Up to here a loop over words beats the call into the engine's copy (measured). */
const WORD_LOOP_BYTES = 256;

// One memory for all floor measurements of a run, as in the machine: two would evict each other from the caches.
const memory = new ArrayBuffer(RINGS * SLOTS * BUFFER_BYTES);
const bytes = new Uint8Array(memory);
const words = new Uint32Array(memory);
const descriptors = new Uint32Array(RINGS * SLOTS * 4);
const completions = new Uint32Array(RINGS * SLOTS * 2);
const wire = new Uint8Array(WIRE_BYTES);
const wireWords = new Uint32Array(wire.buffer);
for (let index = 0; index < bytes.length; index += 1) bytes[index] = index * 31;

/**
 * The floor: the cost of moving packets with everything else left out. No time, no model, no gates; a loop that
 * reads a 16-byte descriptor from an ArrayBuffer (address u64, length u16, flags u16, sequence u32), copies
 * the payload out of memory and writes an 8-byte completion (sequence u32, status u32).
 */
export function moveFrames(count: number): void {
  let onWire = 0;
  for (let packet = 0; packet < count; packet += 1) {
    // One packet of each ring, round-robin, as a fair scheduler would take them.
    const slot = (packet % RINGS) * SLOTS + (((packet / RINGS) | 0) % SLOTS);
    const address = (descriptors[slot * 4] ?? 0) + (descriptors[slot * 4 + 1] ?? 0) * 2 ** 32;
    const length = (descriptors[slot * 4 + 2] ?? 0) & 0xffff;
    const sequence = descriptors[slot * 4 + 3] ?? 0;

    if (onWire + length > WIRE_BYTES) onWire = 0;
    if (length <= WORD_LOOP_BYTES && (address & 3) === 0) {
      const wholeWords = length >>> 2;
      const from = address >>> 2;
      const to = onWire >>> 2;
      for (let word = 0; word < wholeWords; word += 1) wireWords[to + word] = words[from + word] ?? 0;
      for (let byte = length & ~3; byte < length; byte += 1) wire[onWire + byte] = bytes[address + byte] ?? 0;
    } else {
      wire.set(bytes.subarray(address, address + length), onWire);
    }
    onWire += (length + 7) & ~7;

    completions[slot * 2] = sequence;
    completions[slot * 2 + 1] = 1;
  }
}

/** Fills the rings with descriptors of frames of `frameBytes`, for `moveFrames`. */
export function postFrames(frameBytes: number): void {
  for (let slot = 0; slot < RINGS * SLOTS; slot += 1) {
    descriptors[slot * 4] = slot * BUFFER_BYTES;
    descriptors[slot * 4 + 1] = 0;
    descriptors[slot * 4 + 2] = frameBytes | (1 << 16);
    descriptors[slot * 4 + 3] = slot;
  }
}
