/* What a program does that asks libpci for every function's ids, class and names, and prints a line for each. */
#include <pci/pci.h>
#include <stdio.h>

int main(void)
{
	char name[512];
	struct pci_access *access = pci_alloc();
	pci_init(access);
	pci_scan_bus(access);
	for (struct pci_dev *device = access->devices; device; device = device->next) {
		pci_fill_info(device, PCI_FILL_IDENT | PCI_FILL_BASES | PCI_FILL_CLASS);
		pci_lookup_name(access, name, sizeof name, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, device->vendor_id, device->device_id);
		printf("%04x:%02x:%02x.%d %04x %04x:%04x %s\n", device->domain, device->bus, device->dev, device->func, device->device_class, device->vendor_id, device->device_id, name);
	}
	pci_cleanup(access);
	return 0;
}
