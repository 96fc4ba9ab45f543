// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The network device: frames out, frames in, interrupts.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>

#include "cdna.h"

/* The context was stopped: says why, once, and sends nothing more. */
static void cdna_look_at_state(struct cdna_nic *nic)
{
	u32 fault;

	if (nic->stopped || readl(nic->calls + CDNA_CALL_STATE) != CDNA_STATE_STOPPED)
		return;
	WRITE_ONCE(nic->stopped, true);
	fault = readl(nic->calls + CDNA_CALL_FAULT);
	netdev_err(nic->dev, "the context was stopped: %s\n",
		   fault < ARRAY_SIZE(cdna_fault_names) ? cdna_fault_names[fault] : "taken away");
	netif_carrier_off(nic->dev);
}

static netdev_tx_t cdna_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct cdna_nic *nic = netdev_priv(dev);
	struct device *parent = &nic->pdev->dev;
	struct netdev_queue *queue = netdev_get_tx_queue(dev, 0);
	struct cdna_ring *ring = &nic->tx;
	struct cdna_buffer buffer = { .skb = skb, .length = skb->len };
	unsigned int length = skb->len;
	bool more = netdev_xmit_more();

	if (cdna_ring_is_full(ring)) {
		netif_tx_stop_queue(queue);
		return NETDEV_TX_BUSY;
	}
	if (READ_ONCE(nic->stopped) || length < CDNA_MIN_FRAME)
		goto drop;
	buffer.dma = dma_map_single(parent, skb->data, length, DMA_TO_DEVICE);
	if (dma_mapping_error(parent, buffer.dma))
		goto drop;
	skb_tx_timestamp(skb);
	if (!cdna_hand_over(nic, ring, &buffer, 1, CDNA_FLAG_END_OF_PACKET)) {
		dma_unmap_single(parent, buffer.dma, length, DMA_TO_DEVICE);
		goto drop;
	}
	if (cdna_ring_is_full(ring)) {
		netif_tx_stop_queue(queue);
		/* The poll may have made space before it could see that the queue has stopped. */
		smp_mb__after_atomic();
		if (!cdna_ring_is_full(ring))
			netif_tx_start_queue(queue);
	}
	if (__netdev_tx_sent_queue(queue, length, more))
		cdna_doorbell(nic, ring);
	return NETDEV_TX_OK;

drop:
	dev->stats.tx_dropped++;
	dev_kfree_skb_any(skb);
	/* Frames before this one may wait for its doorbell. */
	if (!more && !READ_ONCE(nic->stopped))
		cdna_doorbell(nic, ring);
	return NETDEV_TX_OK;
}

/* Takes back what has been sent. */
static bool cdna_clean_tx(struct cdna_nic *nic, int budget)
{
	struct cdna_ring *ring = &nic->tx;
	u32 consumer = cdna_consumer(nic, ring);
	unsigned int frames = 0, bytes = 0;
	u32 index = ring->consumer;

	if (consumer == index || consumer - index > ring->producer - index)
		return false;
	cdna_finished(nic, ring, consumer);
	for (; index != consumer; index++) {
		struct cdna_buffer *buffer = &ring->buffers[index & ring->mask];

		if (!buffer->skb)
			continue;
		dma_unmap_single(&nic->pdev->dev, buffer->dma, buffer->length, DMA_TO_DEVICE);
		bytes += buffer->length;
		frames++;
		napi_consume_skb(buffer->skb, budget);
		buffer->skb = NULL;
	}
	nic->dev->stats.tx_packets += frames;
	nic->dev->stats.tx_bytes += bytes;
	WRITE_ONCE(ring->consumer, consumer);
	/* Before the look at the queue: its sender looks the other way round. */
	smp_mb();
	netdev_completed_queue(nic->dev, frames, bytes);
	if (netif_queue_stopped(nic->dev) && !cdna_ring_is_full(ring))
		netif_wake_queue(nic->dev);
	return true;
}

/* Fills the receive ring. False when not one buffer is there and none can be had. */
static bool cdna_refill(struct cdna_nic *nic)
{
	struct device *parent = &nic->pdev->dev;
	struct cdna_buffer fresh[CDNA_REFILL];
	struct cdna_ring *ring = &nic->rx;
	u32 before = ring->producer;

	while (!nic->stopped) {
		u32 wanted = ring->mask + 1 - (ring->producer - ring->consumer);
		u32 count, taken;

		if (wanted < min_t(u32, CDNA_REFILL_FROM, (ring->mask + 1) / 2))
			break;
		wanted = min_t(u32, wanted, CDNA_REFILL);
		for (count = 0; count < wanted; count++) {
			struct sk_buff *skb = netdev_alloc_skb_ip_align(nic->dev, CDNA_RX_BYTES);
			dma_addr_t dma;

			if (!skb)
				break;
			dma = dma_map_single(parent, skb->data, CDNA_RX_BYTES, DMA_FROM_DEVICE);
			if (dma_mapping_error(parent, dma)) {
				dev_kfree_skb_any(skb);
				break;
			}
			fresh[count] = (struct cdna_buffer){ .skb = skb, .dma = dma, .length = CDNA_RX_BYTES };
		}
		taken = count ? cdna_hand_over(nic, ring, fresh, count, 0) : 0;
		for (; count > taken; count--) {
			dma_unmap_single(parent, fresh[count - 1].dma, CDNA_RX_BYTES, DMA_FROM_DEVICE);
			dev_kfree_skb_any(fresh[count - 1].skb);
		}
		if (taken < wanted)
			break;
	}
	if (ring->producer != before)
		cdna_doorbell(nic, ring);
	return ring->producer != ring->consumer || nic->stopped;
}

/* Gives one buffer to the stack, or drops it with the rest of its frame. */
static void cdna_take_buffer(struct cdna_nic *nic, struct cdna_buffer *buffer, u32 length_and_flags)
{
	struct net_device *dev = nic->dev;
	bool last = (length_and_flags >> 16) & CDNA_FLAG_END_OF_PACKET;
	unsigned int length = min_t(u32, length_and_flags & 0xffff, CDNA_RX_BYTES);
	struct sk_buff *skb = buffer->skb;

	buffer->skb = NULL;
	dma_unmap_single(&nic->pdev->dev, buffer->dma, buffer->length, DMA_FROM_DEVICE);
	if (nic->rx_dropping || !last || length < ETH_HLEN) {
		if (last)
			dev->stats.rx_length_errors++;
		nic->rx_dropping = !last;
		dev_kfree_skb_any(skb);
		return;
	}
	skb_put(skb, length);
	skb->protocol = eth_type_trans(skb, dev);
	dev->stats.rx_packets++;
	dev->stats.rx_bytes += length;
	napi_gro_receive(&nic->napi, skb);
}

static int cdna_clean_rx(struct cdna_nic *nic, int budget)
{
	struct cdna_ring *ring = &nic->rx;
	u32 count = cdna_consumer(nic, ring) - ring->consumer;
	u32 end;

	if (count > ring->producer - ring->consumer)
		return 0;
	count = min_t(u32, count, budget);
	if (count == 0)
		return 0;
	end = ring->consumer + count;
	cdna_finished(nic, ring, end);
	for (; ring->consumer != end; ring->consumer++)
		cdna_take_buffer(nic, &ring->buffers[ring->consumer & ring->mask],
				 cdna_length_and_flags(nic, ring, ring->consumer));
	return count;
}

static int cdna_poll(struct napi_struct *napi, int budget)
{
	struct cdna_nic *nic = container_of(napi, struct cdna_nic, napi);
	bool sent = cdna_clean_tx(nic, budget);
	int received = cdna_clean_rx(nic, budget);

	if (!cdna_refill(nic))
		schedule_delayed_work(&nic->refill, HZ / 10);
	if (!sent && !received)
		cdna_look_at_state(nic);
	if (received < budget && napi_complete_done(napi, received))
		writel(0, nic->context + CDNA_INTERRUPT_MASK);
	return received;
}

/* There was no memory for receive buffers: another try. */
static void cdna_refill_later(struct work_struct *work)
{
	struct cdna_nic *nic = container_of(to_delayed_work(work), struct cdna_nic, refill);

	local_bh_disable();
	napi_schedule(&nic->napi);
	local_bh_enable();
}

static irqreturn_t cdna_interrupt(int irq, void *data)
{
	struct cdna_nic *nic = data;

	writel(CDNA_INTERRUPTS_MASKED, nic->context + CDNA_INTERRUPT_MASK);
	napi_schedule(&nic->napi);
	return IRQ_HANDLED;
}

static void cdna_drop_buffers(struct cdna_nic *nic, struct cdna_ring *ring, enum dma_data_direction direction)
{
	u32 slot;

	for (slot = 0; slot <= ring->mask; slot++) {
		struct cdna_buffer *buffer = &ring->buffers[slot];

		if (!buffer->skb)
			continue;
		dma_unmap_single(&nic->pdev->dev, buffer->dma, buffer->length, direction);
		dev_kfree_skb_any(buffer->skb);
		buffer->skb = NULL;
	}
}

static int cdna_open(struct net_device *dev)
{
	struct cdna_nic *nic = netdev_priv(dev);
	int irq = pci_irq_vector(nic->pdev, 0);
	int err;

	err = cdna_open_context(nic);
	if (err)
		return err;
	err = request_irq(irq, cdna_interrupt, 0, dev->name, nic);
	if (err) {
		cdna_close_context(nic);
		return err;
	}
	napi_enable(&nic->napi);
	netif_carrier_on(dev);
	netif_start_queue(dev);
	/* The first poll fills the receive ring. */
	local_bh_disable();
	napi_schedule(&nic->napi);
	local_bh_enable();
	return 0;
}

static void cdna_set_group(struct net_device *dev, const unsigned char *group, u32 action)
{
	struct cdna_nic *nic = netdev_priv(dev);
	u64 number = ether_addr_to_u64(group);

	writel(lower_32_bits(number), nic->context + CDNA_GROUP_LOW);
	writel(upper_32_bits(number) | action, nic->context + CDNA_GROUP_HIGH);
}

static int cdna_join(struct net_device *dev, const unsigned char *group)
{
	cdna_set_group(dev, group, CDNA_GROUP_JOIN);
	return 0;
}

static int cdna_leave(struct net_device *dev, const unsigned char *group)
{
	cdna_set_group(dev, group, CDNA_GROUP_LEAVE);
	return 0;
}

static int cdna_stop(struct net_device *dev)
{
	struct cdna_nic *nic = netdev_priv(dev);

	netif_tx_disable(dev);
	netif_carrier_off(dev);
	napi_disable(&nic->napi);
	cancel_delayed_work_sync(&nic->refill);
	__dev_mc_unsync(dev, cdna_leave);
	cdna_close_context(nic);
	free_irq(pci_irq_vector(nic->pdev, 0), nic);
	cdna_drop_buffers(nic, &nic->tx, DMA_TO_DEVICE);
	cdna_drop_buffers(nic, &nic->rx, DMA_FROM_DEVICE);
	netdev_reset_queue(dev);
	return 0;
}

static void cdna_set_rx_mode(struct net_device *dev)
{
	struct cdna_nic *nic = netdev_priv(dev);
	u32 mode = 0;

	if (dev->flags & IFF_PROMISC)
		mode |= CDNA_RX_PROMISCUOUS;
	if (dev->flags & (IFF_ALLMULTI | IFF_PROMISC))
		mode |= CDNA_RX_ALL_MULTICAST;
	/* A context may be in as many groups as fit the card. */
	if (netdev_mc_count(dev) > CDNA_MOST_GROUPS)
		mode |= CDNA_RX_ALL_MULTICAST;
	else
		__dev_mc_sync(dev, cdna_join, cdna_leave);
	writel(mode, nic->context + CDNA_RX_MODE);
}

static const struct net_device_ops cdna_netdev_ops = {
	.ndo_open = cdna_open,
	.ndo_stop = cdna_stop,
	.ndo_start_xmit = cdna_start_xmit,
	.ndo_set_rx_mode = cdna_set_rx_mode,
	.ndo_validate_addr = eth_validate_addr,
};

void cdna_set_up_netdev(struct net_device *dev)
{
	struct cdna_nic *nic = netdev_priv(dev);

	dev->netdev_ops = &cdna_netdev_ops;
	dev->ethtool_ops = &cdna_ethtool_ops;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_DATA_LEN;
	INIT_DELAYED_WORK(&nic->refill, cdna_refill_later);
	netif_napi_add(dev, &nic->napi, cdna_poll);
#ifdef CDNA_ATTACK
	dev->sysfs_groups[0] = &cdna_attack_group;
#endif
}
