/* floor DIR: opens, reads and closes the configuration space of every function once, and does nothing else: no listing can be quicker. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	char path[512], bytes[4096];
	long total = 0;
	DIR *folder = opendir(count > 1 ? arguments[1] : "/sys/bus/pci/devices");
	if (!folder)
		return perror("opendir"), 1;
	for (struct dirent *entry; (entry = readdir(folder));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/config", entry->d_name);
		int file = openat(dirfd(folder), path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			return perror(path), 1;
		ssize_t got = read(file, bytes, sizeof bytes);
		if (got < 0)
			return perror(path), 1;
		total += got;
		close(file);
	}
	printf("%ld\n", total);
	return 0;
}
