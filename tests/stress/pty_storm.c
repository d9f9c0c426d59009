// SPDX-License-Identifier: MIT
/*
 * Storms on pseudo terminals.  Eight processes open ptys and slaves, in three ways,
 * hand them over, write, read, resize and close in random order, while others of them
 * are killed (see rounds.h).  After every few rounds nothing is left, no node either;
 * in the end the module unloads and loads again.
 *
 *	ipcshim_pty_storm [ROUNDS [SEED]]
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "pty_actor.h"
#include "rounds.h"

enum { ROUNDS = 104 };

static void act(void *stage, uint64_t seed)
{
	act_on_ptys(stage, seed);
}

static const struct plan plan = {
	.actors_min = ACTORS_MAX,
	.actors_max = ACTORS_MAX,
	.moment_min = 20000000,
	.moment_bits = 26,
	.act = act,
};

static const char *const names[PTY_DEEDS] = {
	[PTY_OPENED] = "opened",     [PTY_PEER] = "peers",	     [PTY_BY_PATH] = "by path",
	[PTY_SENT] = "sent",	     [PTY_CLAIMED] = "claimed",	     [PTY_STALE] = "stale",
	[PTY_WRITTEN] = "written",   [PTY_READ] = "read",	     [PTY_HUNG_UP] = "hung up",
	[PTY_RESIZED] = "resized",   [PTY_CONTROLLED] = "controlled", [PTY_DRAINED] = "drained",
	[PTY_LED] = "led",	     [PTY_FORKED] = "forked",	     [PTY_CLOSED] = "closed",
	[PTY_REFUSED] = "refused",
};

static bool no_node_in(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool none = true;

	if (!dir)
		die(folder);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "ttyIPC", 6) != 0)
			continue;
		printf("left: %s/%s\n", folder, entry->d_name);
		none = false;
	}
	closedir(dir);
	return none;
}

static bool all_gone(void)
{
	return nothing_left() && no_node_in("/dev") && no_node_in("/sys/class/ipcshim");
}

int main(int argc, char **argv)
{
	unsigned int rounds = ROUNDS;
	uint64_t random = seed_of(argc, argv, &rounds);
	struct pty_stage *stage = stage_create(sizeof(*stage));
	bool everything;

	if (!all_gone())
		return 1;
	for (unsigned int round = 0; round < rounds; round += TOGETHER) {
		rounds_together(&plan, &stage->cast, &random);
		if (!all_gone()) {
			printf("after round %u\n", round + TOGETHER);
			return 1;
		}
	}
	everything = did_everything(names, stage->done, PTY_DEEDS);
	/* A run in which nothing happened shows nothing. */
	if (rounds >= 100 && !everything) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	reload_module();
	return all_gone() ? 0 : 1;
}
