/** The register map as a driver writer has it from the datasheet: restated, not taken from the code under test. */

export const PAGE = 0x1000;

/** Mailboxes, in a context's page. */
export const TX_PRODUCER = 0x00;
export const RX_PRODUCER = 0x04;
export const INTERRUPT_MASK = 0x08;
export const COALESCE_FRAMES = 0x0c;
export const COALESCE_NS = 0x10;
export const RX_MODE = 0x14;
export const TX_CONSUMER = 0x18;
export const RX_CONSUMER = 0x1c;
export const STATUS = 0x20;
export const FAULT = 0x24;
export const MAC_LOW = 0x28;
export const MAC_HIGH = 0x2c;
export const RING_SIZES = 0x30;
export const GROUP_LOW = 0x34;
export const GROUP_HIGH = 0x38;
export const SHARED_MEMORY = 0x60;

export const RX_MODE_PROMISCUOUS = 1;
export const RX_MODE_ALL_MULTICAST = 2;
export const GROUP_JOIN = 0x4000_0000;
export const GROUP_LEAVE = 0x8000_0000;

/** The management page. */
export const M_ID = 0x00;
export const M_VERSION = 0x04;
export const M_CONTEXTS = 0x08;
export const M_MAX_FRAME = 0x0c;
export const M_SELECT = 0x10;
export const M_COMMAND = 0x14;
export const M_COMMAND_STATUS = 0x18;
export const M_STATE = 0x1c;
export const M_MAC_LOW = 0x20;
export const M_MAC_HIGH = 0x24;
export const M_WEIGHT = 0x28;
export const M_SEQUENCE = 0x2c;
export const M_SEQUENCE_MODULUS = 0x30;
export const M_TX_RING_LOW = 0x34;
export const M_TX_RING_HIGH = 0x38;
export const M_TX_RING_SIZE = 0x3c;
export const M_RX_RING_LOW = 0x40;
export const M_RX_RING_HIGH = 0x44;
export const M_RX_RING_SIZE = 0x48;
export const M_STATUS_LOW = 0x4c;
export const M_STATUS_HIGH = 0x50;
export const M_PERMISSIONS = 0x54;
export const M_TRAFFIC_CLASS = 0x58;
export const M_VECTOR_RING_LOW = 0x60;
export const M_VECTOR_RING_HIGH = 0x64;
export const M_VECTOR_RING_SIZE = 0x68;
export const M_VECTOR_CONSUMER = 0x6c;
export const M_VECTOR_PRODUCER = 0x70;
export const M_VECTOR_BYTES = 0x74;
export const M_FAULT_CONTEXT = 0x80;
export const M_FAULT_REASON = 0x84;
export const M_FAULT_POP = 0x88;
export const M_SWITCHING = 0x90;
export const M_LIMIT_LOW = 0xa0;
export const M_LIMIT_HIGH = 0xa4;
export const M_PRIORITY = 0xa8;
export const M_PFC_CLASSES = 0xb0;
export const M_PFC_PAUSED = 0xb4;
export const M_PFC_SELECT = 0xb8;
export const M_PFC_RECEIVED = 0xbc;
export const M_PFC_SENT = 0xc0;

export const MAY_BE_PROMISCUOUS = 1;
export const OWN_SOURCE_ONLY = 2;

/** COMMAND */
export const ALLOCATE = 1;
export const OPEN = 2;
export const REVOKE = 3;
export const REWEIGH = 4;
export const LIMIT = 5;
export const PRIORITISE = 6;

/** COMMAND_STATUS */
export const DONE = 0;
export const UNKNOWN_COMMAND = 1;
export const NO_SUCH_CONTEXT = 2;
export const WRONG_STATE = 3;
export const BAD_RING = 4;
export const BAD_SEQUENCE_MODULUS = 5;
export const MAC_MISSING_OR_TAKEN = 6;
export const BAD_WEIGHT = 7;
export const BAD_LIMIT = 8;
export const BAD_PRIORITY = 9;

/** STATUS */
export const FREE = 0;
export const ALLOCATED = 1;
export const OPENED = 2;
export const FAULTED = 3;

/** FAULT_REASON */
export const SEQUENCE_BREAK = 1;
export const PRODUCER_OUT_OF_RANGE = 2;
export const DESCRIPTOR_LENGTH = 3;
export const FRAME_TOO_SHORT = 4;
export const FRAME_TOO_LONG = 5;
export const CHAIN_TOO_LONG = 6;
export const DESCRIPTOR_FETCH_ABORT = 7;
export const PAYLOAD_ABORT = 8;
export const WRITE_BACK_ABORT = 9;

/** Descriptors. */
export const DESCRIPTOR_BYTES = 16;
export const END_OF_PACKET = 1;
export const INTERRUPT = 2;
export const DESCRIPTOR_DONE = 4;

export const ONES = 0xffff_ffff;
export const VECTOR_RING_HEADER = 64;
