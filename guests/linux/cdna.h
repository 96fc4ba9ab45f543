/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A context of the cdna-nic card: rings, hypercalls, network device.
 */
#ifndef CDNA_H
#define CDNA_H

#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "cdna_regs.h"

#define CDNA_NAME		"cdna_nic"
/* A frame of a VLAN, with room to spare; a longer one comes in several buffers, and is dropped. */
#define CDNA_RX_BYTES		1536
/* Receive buffers in one call, at most; none is made for fewer than these, or for less than half of a short ring. */
#define CDNA_REFILL		64
#define CDNA_REFILL_FROM	8

/* A buffer that the card has. */
struct cdna_buffer {
	struct sk_buff *skb;
	dma_addr_t dma;
	unsigned int length;
};

/* One direction. Indices run freely modulo 2^32, as the card's. */
struct cdna_ring {
	/* In memory of our own; NULL where the hypervisor writes the descriptors. */
	struct cdna_descriptor *slots;
	struct cdna_buffer *buffers;
	u32 mask;
	u32 producer;
	/* One past the last buffer that we have taken back. */
	u32 consumer;
	/* Sequence number of the next descriptor. */
	u32 sequence;
	/* Where the ring lies from the beginning of the rings, bytes. */
	size_t offset;
	enum cdna_call post;
	enum cdna_call finished;
};

struct cdna_nic {
	struct net_device *dev;
	struct pci_dev *pdev;
	void __iomem *context;
	void __iomem *calls;
	void __iomem *window;
	enum cdna_hand_over hand_over;
	/* What is added to a guest-physical address to have the machine's. */
	u64 address;

	/* Rings and status block, in one piece. */
	void *rings;
	dma_addr_t rings_dma;
	size_t rings_bytes;
	size_t status_offset;
	struct cdna_descriptor *requests;
	dma_addr_t requests_dma;
	/* One call at a time, and with it the request page. */
	spinlock_t call_lock;

	struct cdna_ring tx;
	struct cdna_ring rx;
	struct napi_struct napi;
	struct delayed_work refill;
	/* The rest of a frame that is dropped is still to come. */
	bool rx_dropping;
	/* The context was stopped: nothing is sent until the device is opened anew. */
	bool stopped;
};

/* cdna_calls.c */
int cdna_allocate_rings(struct cdna_nic *nic);
void cdna_free_rings(struct cdna_nic *nic);
int cdna_open_context(struct cdna_nic *nic);
void cdna_close_context(struct cdna_nic *nic);
u32 cdna_call(struct cdna_nic *nic, enum cdna_call call, u32 argument);
u32 cdna_hand_over(struct cdna_nic *nic, struct cdna_ring *ring, const struct cdna_buffer *buffers,
		   u32 count, u16 flags);
void cdna_put_descriptor(struct cdna_ring *ring, u32 index, u64 address, u16 length, u16 flags);
void cdna_finished(struct cdna_nic *nic, struct cdna_ring *ring, u32 consumer);
u32 cdna_consumer(struct cdna_nic *nic, const struct cdna_ring *ring);
u32 cdna_length_and_flags(struct cdna_nic *nic, const struct cdna_ring *ring, u32 index);
void cdna_doorbell(struct cdna_nic *nic, const struct cdna_ring *ring);

static inline bool cdna_ring_is_full(const struct cdna_ring *ring)
{
	return ring->producer - READ_ONCE(ring->consumer) > ring->mask;
}

/* cdna_net.c */
void cdna_set_up_netdev(struct net_device *dev);

/* cdna_ethtool.c */
extern const struct ethtool_ops cdna_ethtool_ops;

#ifdef CDNA_ATTACK
/* cdna_attack.c */
extern const struct attribute_group cdna_attack_group;
#endif

#endif
