/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Registers and structures of the card as a guest has it. Written by `npm run docs:datasheet` from the tables that the card
 * runs on; docs/datasheet.md and docs/datasheet-guest.md say what each means.
 */
#ifndef CDNA_REGS_H
#define CDNA_REGS_H

#include <linux/types.h>

/* PCI function. */
#define CDNA_VENDOR_ID	0x1af4
#define CDNA_DEVICE_ID	0x10f0
#define CDNA_PAGE_BYTES	0x1000
#define CDNA_BAR_CONTEXT	0
#define CDNA_BAR_HYPERCALLS	1
#define CDNA_BAR_RINGS	2

/* Mailboxes of the context page. */
#define CDNA_TX_PRODUCER	0x0
#define CDNA_RX_PRODUCER	0x4
#define CDNA_INTERRUPT_MASK	0x8
#define CDNA_COALESCE_FRAMES	0xc
#define CDNA_COALESCE_NS	0x10
#define CDNA_RX_MODE	0x14
#define CDNA_TX_CONSUMER	0x18
#define CDNA_RX_CONSUMER	0x1c
#define CDNA_STATUS	0x20
#define CDNA_FAULT_REASON	0x24
#define CDNA_MAC_LOW	0x28
#define CDNA_MAC_HIGH	0x2c
#define CDNA_RING_SIZES	0x30
#define CDNA_GROUP_LOW	0x34
#define CDNA_GROUP_HIGH	0x38

/* Bits of mailboxes. */
#define CDNA_INTERRUPTS_MASKED	BIT(0)
#define CDNA_RX_PROMISCUOUS	BIT(0)
#define CDNA_RX_ALL_MULTICAST	BIT(1)
#define CDNA_GROUP_JOIN	BIT(30)
#define CDNA_GROUP_LEAVE	BIT(31)
#define CDNA_MOST_GROUPS	64

/* Hypercall page. */
#define CDNA_CALL_ID	0x0
#define CDNA_CALL_VERSION	0x4
#define CDNA_CALL_HAND_OVER	0x8
#define CDNA_CALL_RING_SIZES	0xc
#define CDNA_CALL_MAC_LOW	0x10
#define CDNA_CALL_MAC_HIGH	0x14
#define CDNA_CALL_ADDRESS_LOW	0x18
#define CDNA_CALL_ADDRESS_HIGH	0x1c
#define CDNA_CALL_RINGS_LOW	0x20
#define CDNA_CALL_RINGS_HIGH	0x24
#define CDNA_CALL_REQUESTS_LOW	0x28
#define CDNA_CALL_REQUESTS_HIGH	0x2c
#define CDNA_CALL_ARGUMENT	0x30
#define CDNA_CALL_CALL	0x34
#define CDNA_CALL_RESULT	0x38
#define CDNA_CALL_ACCEPTED	0x3c
#define CDNA_CALL_REFUSAL	0x40
#define CDNA_CALL_STATE	0x44
#define CDNA_CALL_FAULT	0x48

/* Its contents. */
#define CDNA_CALL_PAGE_ID	0x43444e48
#define CDNA_CALL_PAGE_MAJOR	1
#define CDNA_REQUEST_ENTRIES	256
#define CDNA_COUNTERS	0x200
#define CDNA_FAULT_TAKEN_AWAY	0x80

enum cdna_hand_over {
	CDNA_HAND_OVER_WRITE = 0,
	CDNA_HAND_OVER_MAP_THEN_WRITE = 1,
	CDNA_HAND_OVER_HYPERVISOR_WRITES = 2,
};

enum cdna_call {
	CDNA_DO_NONE = 0,
	CDNA_DO_OPEN = 1,
	CDNA_DO_CLOSE = 2,
	CDNA_DO_TRANSMIT = 3,
	CDNA_DO_RECEIVE = 4,
	CDNA_DO_TRANSMIT_FINISHED = 5,
	CDNA_DO_RECEIVE_FINISHED = 6,
};

enum cdna_result {
	CDNA_RESULT_DONE = 0,
	CDNA_RESULT_BUSY = 1,
	CDNA_RESULT_NO_SUCH_CALL = 2,
	CDNA_RESULT_WRONG_STATE = 3,
	CDNA_RESULT_BAD_RINGS = 4,
	CDNA_RESULT_BAD_REQUESTS = 5,
	CDNA_RESULT_NO_CONTEXT = 6,
	CDNA_RESULT_NO_SPACE = 7,
	CDNA_RESULT_REFUSED = 8,
};

enum cdna_refusal {
	CDNA_REFUSAL_NONE = 0,
	CDNA_REFUSAL_NOT_RAM = 1,
	CDNA_REFUSAL_NOT_OWNER = 2,
	CDNA_REFUSAL_WRONG_KIND = 3,
	CDNA_REFUSAL_PINNED = 4,
	CDNA_REFUSAL_OUT_OF_MEMORY = 5,
	CDNA_REFUSAL_BAD_LENGTH = 6,
	CDNA_REFUSAL_NO_MAPPING_LEFT = 7,
	CDNA_REFUSAL_BAD_GRANT = 8,
	CDNA_REFUSAL_BAD_RING = 9,
	CDNA_REFUSAL_PORT_CLOSED = 10,
};

enum cdna_state {
	CDNA_STATE_CLOSED = 0,
	CDNA_STATE_OPEN = 1,
	CDNA_STATE_STOPPED = 2,
};

/* Descriptors. */
#define CDNA_FLAG_END_OF_PACKET	0x1
#define CDNA_FLAG_INTERRUPT	0x2
#define CDNA_FLAG_DONE	0x4
#define CDNA_SEQUENCE_MASK	0xffff
#define CDNA_MIN_FRAME		14
#define CDNA_MAX_FRAME		9018

struct cdna_descriptor {
	__le64 address;
	__le16 length;
	__le16 flags;
	__le32 sequence;
};

struct cdna_status_block {
	__le32 transmit;	/* one past the last transmit descriptor finished */
	__le32 receive;		/* one past the last receive descriptor finished */
};

/* Counters from CDNA_COUNTERS on, 64 bits each, as ethtool -S shows them. */
static const char * const cdna_counter_names[] __maybe_unused = {
	"frames_transmitted",
	"bytes_transmitted",
	"frames_received",
	"bytes_received",
	"frames_switched",
	"descriptors_fetched",
	"descriptors_completed",
	"doorbells",
	"interrupt_requests",
	"write_backs",
	"drop_no_receive_buffer",
	"drop_receive_share_full",
	"drop_unknown_destination",
	"drop_source_mac_spoofed",
	"drop_mac_control",
	"drop_frame_too_short",
	"drop_frame_too_long",
	"drop_dma_abort",
	"drop_context_stopped",
};

/* By the value of CDNA_CALL_FAULT. */
static const char * const cdna_fault_names[] __maybe_unused = {
	"none",
	"sequence-break",
	"producer-out-of-range",
	"descriptor-length",
	"frame-too-short",
	"frame-too-long",
	"chain-too-long",
	"descriptor-fetch-abort",
	"payload-abort",
	"write-back-abort",
};

/* By the value of CDNA_CALL_REFUSAL. */
static const char * const cdna_refusal_names[] __maybe_unused = {
	"none",
	"not-ram",
	"not-owner",
	"wrong-kind",
	"pinned",
	"out-of-memory",
	"bad-length",
	"no-mapping-left",
	"bad-grant",
	"bad-ring",
	"port-closed",
};

#endif
