// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Driver of the cdna-nic card for a guest that has a context of its own (docs/datasheet.md, docs/datasheet-guest.md).
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/module.h>

#include "cdna.h"

static const char * const hand_overs[] = {
	[CDNA_HAND_OVER_WRITE] = "we write descriptors",
	[CDNA_HAND_OVER_MAP_THEN_WRITE] = "the hypervisor maps, we write descriptors",
	[CDNA_HAND_OVER_HYPERVISOR_WRITES] = "the hypervisor writes descriptors",
};

/* Reads what the hypercall page says of the guest. */
static int cdna_read_page(struct cdna_nic *nic)
{
	u8 mac[ETH_ALEN];

	if (readl(nic->calls + CDNA_CALL_ID) != CDNA_CALL_PAGE_ID ||
	    readl(nic->calls + CDNA_CALL_VERSION) >> 16 != CDNA_CALL_PAGE_MAJOR) {
		dev_err(&nic->pdev->dev, "no hypercall page of a known version\n");
		return -ENODEV;
	}
	nic->hand_over = readl(nic->calls + CDNA_CALL_HAND_OVER);
	if (nic->hand_over >= ARRAY_SIZE(hand_overs)) {
		dev_err(&nic->pdev->dev, "unknown hand-over %u\n", nic->hand_over);
		return -ENODEV;
	}
	nic->address = readl(nic->calls + CDNA_CALL_ADDRESS_LOW) |
		       (u64)readl(nic->calls + CDNA_CALL_ADDRESS_HIGH) << 32;
	u64_to_ether_addr(readl(nic->calls + CDNA_CALL_MAC_LOW) | (u64)readl(nic->calls + CDNA_CALL_MAC_HIGH) << 32,
			  mac);
	if (!is_valid_ether_addr(mac))
		return -EINVAL;
	eth_hw_addr_set(nic->dev, mac);
	return 0;
}

static int cdna_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct net_device *dev;
	struct cdna_nic *nic;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = pcim_iomap_regions(pdev, BIT(CDNA_BAR_CONTEXT) | BIT(CDNA_BAR_HYPERCALLS) | BIT(CDNA_BAR_RINGS),
				 CDNA_NAME);
	if (err)
		return err;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	pci_set_master(pdev);

	dev = alloc_etherdev(sizeof(*nic));
	if (!dev)
		return -ENOMEM;
	SET_NETDEV_DEV(dev, &pdev->dev);
	pci_set_drvdata(pdev, dev);
	nic = netdev_priv(dev);
	nic->dev = dev;
	nic->pdev = pdev;
	nic->context = pcim_iomap_table(pdev)[CDNA_BAR_CONTEXT];
	nic->calls = pcim_iomap_table(pdev)[CDNA_BAR_HYPERCALLS];
	nic->window = pcim_iomap_table(pdev)[CDNA_BAR_RINGS];
	spin_lock_init(&nic->call_lock);
	err = cdna_read_page(nic);
	if (err)
		goto free_device;
	err = cdna_allocate_rings(nic);
	if (err)
		goto free_device;
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (err < 0)
		goto free_rings;
	cdna_set_up_netdev(dev);
	netif_carrier_off(dev);
	err = register_netdev(dev);
	if (err)
		goto free_vectors;
	netdev_info(dev, "%pM, %s\n", dev->dev_addr, hand_overs[nic->hand_over]);
	return 0;

free_vectors:
	pci_free_irq_vectors(pdev);
free_rings:
	cdna_free_rings(nic);
free_device:
	free_netdev(dev);
	return err;
}

static void cdna_remove(struct pci_dev *pdev)
{
	struct net_device *dev = pci_get_drvdata(pdev);

	unregister_netdev(dev);
	pci_free_irq_vectors(pdev);
	cdna_free_rings(netdev_priv(dev));
	free_netdev(dev);
}

static const struct pci_device_id cdna_ids[] = {
	{ PCI_DEVICE(CDNA_VENDOR_ID, CDNA_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, cdna_ids);

static struct pci_driver cdna_driver = {
	.name = CDNA_NAME,
	.id_table = cdna_ids,
	.probe = cdna_probe,
	.remove = cdna_remove,
};
module_pci_driver(cdna_driver);

MODULE_DESCRIPTION("A context of the cdna-nic card");
MODULE_LICENSE("Dual MIT/GPL");
