// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * How buffers come to the card: by a hypercall, by a hypercall and the ring, or by the ring alone, as the hypervisor
 * says (HAND_OVER in docs/datasheet-guest.md).
 */
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/slab.h>

#include "cdna.h"

/* A call that is not over by then never will be. */
#define CDNA_PATIENCE_US	2000000

/* Makes a call and waits for its end. The lock is held, or nobody else is there yet. */
u32 cdna_call(struct cdna_nic *nic, enum cdna_call call, u32 argument)
{
	u32 result;

	writel(argument, nic->calls + CDNA_CALL_ARGUMENT);
	writel(call, nic->calls + CDNA_CALL_CALL);
	if (read_poll_timeout_atomic(readl, result, result != CDNA_RESULT_BUSY, 1, CDNA_PATIENCE_US, false,
				     nic->calls + CDNA_CALL_RESULT))
		netdev_err_once(nic->dev, "hypercall %u does not end\n", call);
	return result;
}

static int cdna_prepare_ring(struct cdna_ring *ring, unsigned int log2)
{
	ring->mask = BIT(log2) - 1;
	ring->buffers = kcalloc(BIT(log2), sizeof(*ring->buffers), GFP_KERNEL);
	return ring->buffers ? 0 : -ENOMEM;
}

/* Memory for rings of the sizes that the hypervisor wants. */
int cdna_allocate_rings(struct cdna_nic *nic)
{
	u32 sizes = readl(nic->calls + CDNA_CALL_RING_SIZES);
	struct device *parent = &nic->pdev->dev;
	int err;

	nic->tx.post = CDNA_DO_TRANSMIT;
	nic->tx.finished = CDNA_DO_TRANSMIT_FINISHED;
	nic->rx.post = CDNA_DO_RECEIVE;
	nic->rx.finished = CDNA_DO_RECEIVE_FINISHED;
	if ((sizes & 0xff) < 1 || (sizes & 0xff) > 15 || (sizes >> 8 & 0xff) < 1 || (sizes >> 8 & 0xff) > 15)
		return -EINVAL;
	err = cdna_prepare_ring(&nic->tx, sizes & 0xff);
	if (!err)
		err = cdna_prepare_ring(&nic->rx, sizes >> 8 & 0xff);
	if (err)
		goto fail;

	nic->tx.offset = 0;
	nic->rx.offset = ALIGN((nic->tx.mask + 1) * sizeof(struct cdna_descriptor), CDNA_PAGE_BYTES);
	nic->status_offset = nic->rx.offset +
			     ALIGN((nic->rx.mask + 1) * sizeof(struct cdna_descriptor), CDNA_PAGE_BYTES);
	nic->rings_bytes = nic->status_offset + CDNA_PAGE_BYTES;

	err = -ENOMEM;
	nic->requests = dma_alloc_coherent(parent, CDNA_PAGE_BYTES, &nic->requests_dma, GFP_KERNEL);
	if (!nic->requests)
		goto fail;
	if (nic->hand_over == CDNA_HAND_OVER_HYPERVISOR_WRITES)
		return 0;
	nic->rings = dma_alloc_coherent(parent, nic->rings_bytes, &nic->rings_dma, GFP_KERNEL);
	if (!nic->rings)
		goto fail;
	nic->tx.slots = nic->rings + nic->tx.offset;
	nic->rx.slots = nic->rings + nic->rx.offset;
	return 0;

fail:
	cdna_free_rings(nic);
	return err;
}

void cdna_free_rings(struct cdna_nic *nic)
{
	struct device *parent = &nic->pdev->dev;

	if (nic->rings)
		dma_free_coherent(parent, nic->rings_bytes, nic->rings, nic->rings_dma);
	if (nic->requests)
		dma_free_coherent(parent, CDNA_PAGE_BYTES, nic->requests, nic->requests_dma);
	nic->rings = NULL;
	nic->requests = NULL;
	kfree(nic->tx.buffers);
	kfree(nic->rx.buffers);
	nic->tx.buffers = NULL;
	nic->rx.buffers = NULL;
}

static void cdna_restart_ring(struct cdna_ring *ring)
{
	ring->producer = 0;
	ring->consumer = 0;
	ring->sequence = 1;
}

/* Opens a context with empty rings: indices and sequence numbers begin anew. */
int cdna_open_context(struct cdna_nic *nic)
{
	u32 result;

	cdna_restart_ring(&nic->tx);
	cdna_restart_ring(&nic->rx);
	nic->rx_dropping = false;
	if (nic->rings)
		memset(nic->rings, 0, nic->rings_bytes);
	writel(lower_32_bits(nic->rings_dma), nic->calls + CDNA_CALL_RINGS_LOW);
	writel(upper_32_bits(nic->rings_dma), nic->calls + CDNA_CALL_RINGS_HIGH);
	writel(lower_32_bits(nic->requests_dma), nic->calls + CDNA_CALL_REQUESTS_LOW);
	writel(upper_32_bits(nic->requests_dma), nic->calls + CDNA_CALL_REQUESTS_HIGH);
	result = cdna_call(nic, CDNA_DO_OPEN, 0);
	if (result == CDNA_RESULT_DONE) {
		WRITE_ONCE(nic->stopped, false);
		return 0;
	}
	netdev_err(nic->dev, "the hypervisor opens no context: result %u\n", result);
	return result == CDNA_RESULT_NO_CONTEXT ? -EBUSY : -EIO;
}

/* Gives the context back. Nothing reaches memory afterwards. */
void cdna_close_context(struct cdna_nic *nic)
{
	spin_lock_bh(&nic->call_lock);
	cdna_call(nic, CDNA_DO_CLOSE, 0);
	spin_unlock_bh(&nic->call_lock);
}

static void cdna_fill(struct cdna_descriptor *descriptor, u64 address, u16 length, u16 flags)
{
	descriptor->address = cpu_to_le64(address);
	descriptor->length = cpu_to_le16(length);
	descriptor->flags = cpu_to_le16(flags);
}

/* Stores a descriptor into a ring of our own, with the sequence number that comes next. */
void cdna_put_descriptor(struct cdna_ring *ring, u32 index, u64 address, u16 length, u16 flags)
{
	struct cdna_descriptor *slot = &ring->slots[index & ring->mask];

	cdna_fill(slot, address, length, flags);
	slot->sequence = cpu_to_le32(ring->sequence);
	ring->sequence = (ring->sequence + 1) & CDNA_SEQUENCE_MASK;
}

/*
 * Hands buffers over, in order, and moves the producer index; the doorbell is for later. The ring has space for them.
 * Returns how many were taken.
 */
u32 cdna_hand_over(struct cdna_nic *nic, struct cdna_ring *ring, const struct cdna_buffer *buffers,
		   u32 count, u16 flags)
{
	u32 accepted = count;
	u32 i;

	spin_lock_bh(&nic->call_lock);
	for (i = 0; i < count; i++)
		cdna_fill(&nic->requests[i], nic->address + buffers[i].dma, buffers[i].length, flags);
	if (nic->hand_over != CDNA_HAND_OVER_WRITE) {
		u32 result = cdna_call(nic, ring->post, count);

		if (result != CDNA_RESULT_DONE) {
			accepted = min(readl(nic->calls + CDNA_CALL_ACCEPTED), count);
			if (net_ratelimit())
				netdev_warn(nic->dev, "hypercall %u: result %u, %u of %u accepted\n",
					    ring->post, result, accepted, count);
		}
	}
	if (ring->slots)
		for (i = 0; i < accepted; i++)
			cdna_put_descriptor(ring, ring->producer + i,
					    le64_to_cpu(READ_ONCE(nic->requests[i].address)),
					    buffers[i].length, flags);
	for (i = 0; i < accepted; i++)
		ring->buffers[(ring->producer + i) & ring->mask] = buffers[i];
	ring->producer += accepted;
	spin_unlock_bh(&nic->call_lock);
	return accepted;
}

/* Says that buffers up to `consumer` are finished, where they were mapped for us. */
void cdna_finished(struct cdna_nic *nic, struct cdna_ring *ring, u32 consumer)
{
	if (nic->hand_over != CDNA_HAND_OVER_MAP_THEN_WRITE)
		return;
	spin_lock_bh(&nic->call_lock);
	cdna_call(nic, ring->finished, consumer);
	spin_unlock_bh(&nic->call_lock);
}

/* One past the last descriptor that the card has finished, from the status block. */
u32 cdna_consumer(struct cdna_nic *nic, const struct cdna_ring *ring)
{
	size_t word = ring == &nic->tx ? offsetof(struct cdna_status_block, transmit) :
					 offsetof(struct cdna_status_block, receive);
	u32 consumer;

	if (!nic->rings)
		return readl(nic->window + nic->status_offset + word);
	consumer = le32_to_cpu(READ_ONCE(*(__le32 *)(nic->rings + nic->status_offset + word)));
	/* What the index stands for was written before it. */
	dma_rmb();
	return consumer;
}

/* The word of a descriptor that holds the length (low half) and the flags. */
u32 cdna_length_and_flags(struct cdna_nic *nic, const struct cdna_ring *ring, u32 index)
{
	size_t at = ring->offset + (index & ring->mask) * sizeof(struct cdna_descriptor) +
		    offsetof(struct cdna_descriptor, length);

	if (!nic->rings)
		return readl(nic->window + at);
	return le32_to_cpu(READ_ONCE(*(__le32 *)(nic->rings + at)));
}

/* writel keeps the descriptors before it in memory before it. */
void cdna_doorbell(struct cdna_nic *nic, const struct cdna_ring *ring)
{
	writel(ring->producer, nic->context + (ring == &nic->tx ? CDNA_TX_PRODUCER : CDNA_RX_PRODUCER));
}
