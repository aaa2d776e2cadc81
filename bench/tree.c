/*
 * tree DIR COUNT: writes a sysfs of COUNT PCI functions below DIR, in the shape that a real one has: the tree of bridges below
 * devices/, links from bus/pci, drivers, IOMMU groups, network interfaces and disks. Root ports carry, in turn, a network card with 31
 * virtual functions, a switch with 16 ports (disks, network cards, accelerators), and a graphics card with its audio function.
 *
 * Attributes with the same text are one file with many names: that saves memory, and nobody who reads them sees it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH 1024

static char top[PATH];
static int made, wanted, group, interfaces, disks;

static void fail(const char *what)
{
	fprintf(stderr, "tree: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void format(char *to, const char *text, va_list arguments)
{
	if (vsnprintf(to, PATH, text, arguments) >= PATH) {
		errno = ENAMETOOLONG;
		fail(text);
	}
}

/* Makes a directory below the top, with its parents. */
static void directory(const char *text, ...)
{
	char path[PATH], whole[2 * PATH];
	va_list arguments;
	va_start(arguments, text);
	format(path, text, arguments);
	va_end(arguments);
	for (char *at = path;; at++) {
		if (*at != '/' && *at != 0)
			continue;
		char kept = *at;
		*at = 0;
		snprintf(whole, sizeof whole, "%s/%s", top, path);
		if (mkdir(whole, 0755) < 0 && errno != EEXIST)
			fail(whole);
		*at = kept;
		if (kept == 0)
			break;
	}
}

static void bytes(const char *folder, const char *name, const void *content, size_t length)
{
	char path[2 * PATH];
	snprintf(path, sizeof path, "%s/%s/%s", top, folder, name);
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (file < 0 || write(file, content, length) != (ssize_t)length || close(file) < 0)
		fail(path);
}

/* An attribute: a link to the one file with this text. */
static void attribute(const char *folder, const char *name, const char *text, ...)
{
	char value[PATH], pool[2 * PATH], path[2 * PATH];
	va_list arguments;
	va_start(arguments, text);
	format(value, text, arguments);
	va_end(arguments);
	unsigned long hash = 5381;
	for (const char *at = value; *at; at++)
		hash = hash * 33 + (unsigned char)*at;
	snprintf(pool, sizeof pool, "%s/pool/%lx", top, hash);
	snprintf(path, sizeof path, "%s/%s/%s", top, folder, name);
	if (link(pool, path) == 0)
		return;
	if (errno != ENOENT && errno != EMLINK)
		fail(path);
	if (errno == EMLINK)
		unlink(pool);
	char folderless[64];
	snprintf(folderless, sizeof folderless, "%lx", hash);
	bytes("pool", folderless, value, strlen(value));
	if (link(pool, path) < 0)
		fail(path);
}

static void symbolic(const char *target, const char *text, ...)
{
	char path[PATH], whole[2 * PATH];
	va_list arguments;
	va_start(arguments, text);
	format(path, text, arguments);
	va_end(arguments);
	snprintf(whole, sizeof whole, "%s/%s", top, path);
	if (symlink(target, whole) < 0)
		fail(whole);
}

struct function {
	char folder[PATH]; /* below the top: sys/devices/pci0000:00/0000:00:01.0 */
	int segment, bus, device, number;
	uint16_t vendor, id;
	uint32_t class;
	int port;            /* the type of a PCI Express port, or 0 for an endpoint */
	int secondary;       /* the bus below a bridge */
	int virtuals;        /* how many virtual functions a physical one has */
	const char *physical; /* the folder of a virtual function's physical one */
	const char *driver;
	int multi;
};

static void put16(uint8_t *config, int at, unsigned value) { config[at] = value & 0xff; config[at + 1] = value >> 8; }
static void put32(uint8_t *config, int at, uint32_t value) { put16(config, at, value & 0xffff); put16(config, at + 2, value >> 16); }

static int is_bridge(const struct function *f) { return f->port != 0; }

static void configuration(const struct function *f)
{
	uint8_t config[4096] = { 0 };
	put16(config, 0x00, f->physical ? 0xffff : f->vendor);
	put16(config, 0x02, f->physical ? 0xffff : f->id);
	put16(config, 0x04, 0x0406);
	put16(config, 0x06, 0x0010);
	config[0x08] = 1;
	config[0x09] = f->class & 0xff;
	config[0x0a] = (f->class >> 8) & 0xff;
	config[0x0b] = f->class >> 16;
	config[0x0e] = (is_bridge(f) ? 1 : 0) | (f->multi ? 0x80 : 0);
	config[0x34] = 0x40;
	if (is_bridge(f)) {
		config[0x18] = f->bus;
		config[0x19] = config[0x1a] = f->secondary;
	} else {
		put16(config, 0x2c, f->vendor);
		put16(config, 0x2e, 0x0001);
		config[0x3d] = f->physical ? 0 : 1;
	}
	put32(config, 0x40, 0x00035001); /* power management, then 0x50 */
	put32(config, 0x44, 0x00000008);
	put32(config, 0x50, 0x00017011); /* MSI-X, then 0x70 */
	config[0x70] = 0x10;
	put16(config, 0x72, 2 | f->port << 4);
	put32(config, 0x74, 0x10008000); /* function level reset */
	int next = 0x100;
	if (is_bridge(f)) { /* ACS, all of it switched on */
		put32(config, next, 0x0001000d);
		put16(config, next + 4, 0x5f);
		put16(config, next + 6, 0x1d);
		bytes(f->folder, "config", config, sizeof config);
		return;
	}
	put32(config, next, (f->virtuals ? 0x11000000 : 0) | 0x00010003);
	put32(config, next + 4, f->bus << 16 | f->device << 8 | f->number);
	put32(config, next + 8, 0x52540000 | f->segment);
	if (f->virtuals) {
		put32(config, 0x110, 0x00010010);
		put16(config, 0x118, 0x0011); /* virtual functions and their memory, on */
		put16(config, 0x11c, f->virtuals);
		put16(config, 0x11e, f->virtuals);
		put16(config, 0x120, f->virtuals);
		put16(config, 0x124, 1);
		put16(config, 0x126, 1);
	}
	bytes(f->folder, "config", config, sizeof config);
}

/* Writes one function. False once there are enough. */
static int add(struct function *f, const char *above)
{
	if (made == wanted)
		return 0;
	made++;
	char name[16], target[2 * PATH];
	snprintf(name, sizeof name, "%04x:%02x:%02x.%x", f->segment, f->bus, f->device, f->number);
	snprintf(f->folder, sizeof f->folder, "%s/%s", above, name);
	directory("%s", f->folder);
	configuration(f);
	attribute(f->folder, "vendor", "0x%04x\n", f->vendor);
	attribute(f->folder, "device", "0x%04x\n", f->id);
	attribute(f->folder, "subsystem_vendor", "0x%04x\n", is_bridge(f) ? 0 : f->vendor);
	attribute(f->folder, "subsystem_device", "0x%04x\n", is_bridge(f) ? 0 : 1);
	attribute(f->folder, "class", "0x%06x\n", f->class);
	attribute(f->folder, "revision", "0x01\n");
	attribute(f->folder, "irq", "%d\n", f->physical ? 0 : 16 + made % 200);
	attribute(f->folder, "numa_node", "-1\n");
	attribute(f->folder, "driver_override", "(null)\n");
	attribute(f->folder, "enable", "1\n");
	attribute(f->folder, "modalias", "pci:v%08Xd%08Xsv%08Xsd00000001bc%02Xsc%02Xi%02X\n", f->vendor, f->id, f->vendor, f->class >> 16, f->class >> 8 & 0xff, f->class & 0xff);
	attribute(f->folder, "uevent", "DRIVER=%s\nPCI_CLASS=%X\n", f->driver ? f->driver : "", f->class);
	char resource[13 * 60 + 1] = "";
	for (int line = 0; line < 13; line++)
		strcat(resource, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	attribute(f->folder, "resource", "%s", resource);
	if (!is_bridge(f))
		attribute(f->folder, "reset_method", f->physical ? "flr\n" : "flr bus\n");
	symbolic("../../../bus/pci", "%s/subsystem", f->folder);

	snprintf(target, sizeof target, "../../../%s", f->folder + 4);
	symbolic(target, "sys/bus/pci/devices/%s", name);
	if (f->driver) {
		char ups[PATH] = "";
		for (const char *at = f->folder + 4; *at; at++) {
			if (*at == '/')
				strcat(ups, "../");
		}
		directory("sys/bus/pci/drivers/%s", f->driver);
		snprintf(target, sizeof target, "../%sbus/pci/drivers/%s", ups, f->driver);
		symbolic(target, "%s/driver", f->folder);
		snprintf(target, sizeof target, "../../../../%s", f->folder + 4);
		symbolic(target, "sys/bus/pci/drivers/%s/%s", f->driver, name);
	}
	char groups[64];
	snprintf(groups, sizeof groups, "sys/kernel/iommu_groups/%d", group);
	directory("%s/devices", groups);
	attribute(groups, "type", "DMA-FQ\n");
	snprintf(target, sizeof target, "../../../../%s", f->folder + 4);
	symbolic(target, "%s/devices/%s", groups, name);
	char ups[PATH] = "";
	for (const char *at = f->folder + 4; *at; at++) {
		if (*at == '/')
			strcat(ups, "../");
	}
	snprintf(target, sizeof target, "../%skernel/iommu_groups/%d", ups, group++);
	symbolic(target, "%s/iommu_group", f->folder);
	if (f->physical) {
		const char *last = strrchr(f->physical, '/') + 1;
		snprintf(target, sizeof target, "../%s", last);
		symbolic(target, "%s/physfn", f->folder);
	}
	return 1;
}

static void name_interface(const struct function *f)
{
	char name[32], folder[2 * PATH], target[3 * PATH];
	snprintf(name, sizeof name, "eth%d", interfaces++);
	snprintf(folder, sizeof folder, "%s/net/%s", f->folder, name);
	directory("%s", folder);
	attribute(folder, "ifindex", "%d\n", 1000 + interfaces);
	attribute(folder, "operstate", "down\n");
	snprintf(target, sizeof target, "../../%s", folder + 4);
	symbolic(target, "sys/class/net/%s", name);
}

static void name_disk(const struct function *f)
{
	char folder[2 * PATH], target[3 * PATH], number[32];
	int disk = disks++;
	directory("%s/nvme/nvme%d/nvme%dn1", f->folder, disk, disk);
	snprintf(target, sizeof target, "../../%s/nvme/nvme%d", f->folder + 4, disk);
	symbolic(target, "sys/class/nvme/nvme%d", disk);
	snprintf(folder, sizeof folder, "%s/nvme/nvme%d/nvme%dn1", f->folder, disk, disk);
	directory("%s/holders", folder);
	directory("%s/slaves", folder);
	snprintf(number, sizeof number, "259:%d", disk);
	attribute(folder, "dev", "%s\n", number);
	attribute(folder, "uevent", "MAJOR=259\nMINOR=%d\nDEVNAME=nvme%dn1\nDEVTYPE=disk\n", disk, disk);
	snprintf(target, sizeof target, "../../%s", folder + 4);
	symbolic(target, "sys/class/block/nvme%dn1", disk);
	symbolic(target, "sys/block/nvme%dn1", disk);
	snprintf(target, sizeof target, "../../%s", folder + 4);
	symbolic(target, "sys/dev/block/%s", number);
}

static void network_card(const char *port, int segment, int bus)
{
	enum { Virtuals = 31 };
	struct function card = { .segment = segment, .bus = bus, .vendor = 0x8086, .id = 0x1592, .class = 0x020000, .virtuals = Virtuals, .driver = "ice" };
	if (!add(&card, port))
		return;
	name_interface(&card);
	attribute(card.folder, "sriov_numvfs", "%d\n", Virtuals);
	attribute(card.folder, "sriov_totalvfs", "%d\n", Virtuals);
	for (int number = 1; number <= Virtuals; number++) {
		struct function part = { .segment = segment, .bus = bus, .device = number / 8, .number = number % 8, .vendor = 0x8086, .id = 0x1889, .class = 0x020000, .physical = card.folder, .driver = number % 2 ? "vfio-pci" : "iavf" };
		if (!add(&part, port))
			return;
		char target[32], *last = strrchr(part.folder, '/') + 1;
		snprintf(target, sizeof target, "../%s", last);
		symbolic(target, "%s/virtfn%d", card.folder, number - 1);
	}
}

/* Returns the next free bus. */
static int switch_with_ports(const char *port, int segment, int bus)
{
	struct function upstream = { .segment = segment, .bus = bus, .vendor = 0x10b5, .id = 0x8796, .class = 0x060400, .port = 5, .secondary = bus + 1, .driver = "pcieport" };
	if (!add(&upstream, port))
		return bus + 1;
	int next = bus + 2;
	for (int number = 0; number < 16; number++, next++) {
		struct function downstream = { .segment = segment, .bus = bus + 1, .device = number, .vendor = 0x10b5, .id = 0x8796, .class = 0x060400, .port = 6, .secondary = next, .driver = "pcieport" };
		if (!add(&downstream, upstream.folder))
			return next;
		struct function disk = { .segment = segment, .bus = next, .vendor = 0x144d, .id = 0xa80a, .class = 0x010802, .driver = "nvme" };
		struct function network = { .segment = segment, .bus = next, .vendor = 0x8086, .id = 0x10fb, .class = 0x020000, .driver = "ixgbe" };
		struct function accelerator = { .segment = segment, .bus = next, .vendor = 0x10de, .id = 0x20b0, .class = 0x030200 };
		struct function *end = number < 4 ? &disk : number < 8 ? &network : &accelerator;
		if (!add(end, downstream.folder))
			return next;
		if (end == &disk)
			name_disk(end);
		if (end == &network)
			name_interface(end);
	}
	return next;
}

static void graphics_card(const char *port, int segment, int bus)
{
	struct function card = { .segment = segment, .bus = bus, .vendor = 0x10de, .id = 0x2204, .class = 0x030000, .multi = 1, .driver = "vfio-pci" };
	struct function audio = { .segment = segment, .bus = bus, .number = 1, .vendor = 0x10de, .id = 0x1aef, .class = 0x040300, .multi = 1, .driver = "snd_hda_intel" };
	if (add(&card, port))
		attribute(card.folder, "boot_vga", "0\n");
	if (card.folder[0])
		add(&audio, port);
}

int main(int count, char **arguments)
{
	if (count != 3 || (wanted = atoi(arguments[2])) <= 0) {
		fprintf(stderr, "usage: tree DIR COUNT\n");
		return 2;
	}
	snprintf(top, sizeof top, "%s", arguments[1]);
	static const char *folders[] = { "pool", "sys/bus/pci/devices", "sys/bus/pci/drivers", "sys/bus/pci/slots", "sys/class/net", "sys/class/block", "sys/class/nvme", "sys/block", "sys/dev/block", "sys/dev/char", "sys/kernel/iommu_groups", "sys/class/iommu/dmar0", "sys/firmware" };
	for (size_t at = 0; at < sizeof folders / sizeof *folders; at++)
		directory("%s", folders[at]);
	for (int segment = 0; made < wanted; segment++) {
		char root[PATH];
		snprintf(root, sizeof root, "sys/devices/pci%04x:00", segment);
		directory("%s", root);
		struct function host = { .segment = segment, .vendor = 0x8086, .id = 0x09a2, .class = 0x060000 };
		add(&host, root);
		int bus = 1;
		for (int number = 1; number < 32 && bus < 230 && made < wanted; number++) {
			struct function port = { .segment = segment, .device = number, .vendor = 0x8086, .id = 0x347a, .class = 0x060400, .port = 4, .secondary = bus, .driver = "pcieport" };
			if (!add(&port, root))
				break;
			if (number % 3 == 1)
				network_card(port.folder, segment, bus++);
			else if (number % 3 == 2)
				bus = switch_with_ports(port.folder, segment, bus);
			else
				graphics_card(port.folder, segment, bus++);
		}
	}
	return 0;
}
