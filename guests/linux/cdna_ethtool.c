// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * What ethtool shows and sets: the card's counters, coalescing, ring sizes.
 */
#include <linux/ethtool.h>

#include "cdna.h"

static void cdna_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct cdna_nic *nic = netdev_priv(dev);

	strscpy(info->driver, CDNA_NAME, sizeof(info->driver));
	strscpy(info->bus_info, pci_name(nic->pdev), sizeof(info->bus_info));
}

static int cdna_get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? ARRAY_SIZE(cdna_counter_names) : -EOPNOTSUPP;
}

static void cdna_get_strings(struct net_device *dev, u32 set, u8 *data)
{
	unsigned int i;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < ARRAY_SIZE(cdna_counter_names); i++)
		strscpy(data + i * ETH_GSTRING_LEN, cdna_counter_names[i], ETH_GSTRING_LEN);
}

/* The lower word first: the card keeps the upper one that belongs to it. */
static void cdna_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	struct cdna_nic *nic = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cdna_counter_names); i++) {
		void __iomem *counter = nic->calls + CDNA_COUNTERS + 8 * i;
		u64 low = readl(counter);

		data[i] = low | (u64)readl(counter + 4) << 32;
	}
}

static void cdna_get_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kernel_ring, struct netlink_ext_ack *extack)
{
	struct cdna_nic *nic = netdev_priv(dev);

	ring->tx_max_pending = nic->tx.mask + 1;
	ring->tx_pending = nic->tx.mask + 1;
	ring->rx_max_pending = nic->rx.mask + 1;
	ring->rx_pending = nic->rx.mask + 1;
}

/* Both directions share one setting. It lasts as long as the context. */
static int cdna_get_coalesce(struct net_device *dev, struct ethtool_coalesce *coalesce,
			     struct kernel_ethtool_coalesce *kernel_coalesce, struct netlink_ext_ack *extack)
{
	struct cdna_nic *nic = netdev_priv(dev);

	if (!netif_running(dev))
		return -ENETDOWN;
	coalesce->rx_max_coalesced_frames = readl(nic->context + CDNA_COALESCE_FRAMES);
	coalesce->rx_coalesce_usecs = readl(nic->context + CDNA_COALESCE_NS) / 1000;
	return 0;
}

static int cdna_set_coalesce(struct net_device *dev, struct ethtool_coalesce *coalesce,
			     struct kernel_ethtool_coalesce *kernel_coalesce, struct netlink_ext_ack *extack)
{
	struct cdna_nic *nic = netdev_priv(dev);

	if (!netif_running(dev))
		return -ENETDOWN;
	if (coalesce->rx_max_coalesced_frames < 1 || coalesce->rx_max_coalesced_frames > 65535 ||
	    coalesce->rx_coalesce_usecs > U32_MAX / 1000)
		return -EINVAL;
	writel(coalesce->rx_max_coalesced_frames, nic->context + CDNA_COALESCE_FRAMES);
	writel(coalesce->rx_coalesce_usecs * 1000, nic->context + CDNA_COALESCE_NS);
	return 0;
}

const struct ethtool_ops cdna_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_RX_USECS | ETHTOOL_COALESCE_RX_MAX_FRAMES,
	.get_drvinfo = cdna_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_sset_count = cdna_get_sset_count,
	.get_strings = cdna_get_strings,
	.get_ethtool_stats = cdna_get_ethtool_stats,
	.get_ringparam = cdna_get_ringparam,
	.get_coalesce = cdna_get_coalesce,
	.set_coalesce = cdna_set_coalesce,
};
