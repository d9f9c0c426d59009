// SPDX-License-Identifier: MIT
/*
 * A plugin of QEMU's that counts how many instructions were executed in each block
 * of code: lines of "address instructions", both hexadecimal, into counts=PATH.
 *
 * Debian ships no header for plugins; what is used of their interface is declared
 * here (QEMU's documentation: TCG Plugins).
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;

#define EXPORTED __attribute__((visibility("default")))
#define INLINE_ADD_U64 0

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*translated)(qemu_plugin_id_t,
							      struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
					      uint64_t add);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*ended)(qemu_plugin_id_t, void *),
				    void *data);

EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **words);

/* A table of addresses; a guest has some hundred thousand blocks. */
#define PLACES (1U << 20)

static struct place {
	uint64_t address;
	uint64_t instructions;
} *places;

static const char *path;

static struct place *place_of(uint64_t address)
{
	uint32_t at = (uint32_t)(address >> 2) * 2654435761U % PLACES;

	while (places[at].address && places[at].address != address)
		at = (at + 1) % PLACES;
	places[at].address = address;
	return &places[at];
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64,
						 &place_of(qemu_plugin_tb_vaddr(tb))->instructions,
						 qemu_plugin_tb_n_insns(tb));
}

static void ended(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(path, "w");

	(void)id;
	(void)data;
	if (!file) {
		perror(path);
		return;
	}
	for (uint32_t at = 0; at < PLACES; at++)
		if (places[at].instructions)
			fprintf(file, "%" PRIx64 " %" PRIx64 "\n", places[at].address,
				places[at].instructions);
	if (fclose(file))
		perror(path);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **words)
{
	(void)info;
	for (int i = 0; i < count; i++)
		if (strncmp(words[i], "counts=", 7) == 0)
			path = strdup(words[i] + 7);
	places = calloc(PLACES, sizeof(*places));
	if (!path || !places) {
		fprintf(stderr, "count: counts=PATH is needed, and memory\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
