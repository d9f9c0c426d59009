// SPDX-License-Identifier: MIT
#include "free_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rounds.h"

static void write_setting(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* Free pages, and those on the lists of each processor. */
static long long free_pages(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	char line[256];
	long long pages = 0;
	long long value;

	if (!file)
		die("/proc/zoneinfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %lld", &value) == 1 ||
		    sscanf(line, " count: %lld", &value) == 1)
			pages += value;
	fclose(file);
	return pages;
}

static long long counted_bytes(void)
{
	static const char *const names[] = { "Slab:",	      "KernelStack:", "PageTables:",
					     "VmallocUsed:", "Percpu:",	     "Buffers:",
					     "Cached:",	      "AnonPages:" };
	FILE *file = fopen("/proc/meminfo", "re");
	char line[256];
	char name[64];
	long long bytes = 0;
	long long value;

	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %lld", name, &value) != 2)
			continue;
		for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(name, names[i]) == 0)
				bytes += value * 1024;
	}
	fclose(file);
	return bytes;
}

long long free_memory(void)
{
	int fd;
	char text[16];

	sync();
	write_setting("/proc/sys/vm/drop_caches", "3");
	/* Reading it brings the counts of all processors together. */
	fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text)) < 0)
		die("/proc/sys/vm/stat_refresh");
	close(fd);
	return free_pages() * sysconf(_SC_PAGESIZE) + counted_bytes();
}
