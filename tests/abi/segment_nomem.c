// SPDX-License-Identifier: MIT
/* Segments without memory: at each allocation of each call in turn, and with none at all. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "injection.h"
#include "memory.h"

enum { PAGES = 4 };

struct subject {
	int port;
	struct peer peer;
	size_t size;
	int segment;
	char *address;
	struct ipcshim_create_mem create;
	struct ipcshim_adopt_mem adopt;
	struct ipcshim_share_mem share;
	struct ipcshim_claim claim;
	struct ipcshim_export_dmabuf export;
	uint32_t pids[2];
	int file;
};

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static void make_segment(struct subject *subject)
{
	subject->segment = segment_create(subject->port, subject->size);
	subject->address = segment_map(subject->segment, subject->size, PROT_READ | PROT_WRITE);
	fill_pattern(subject->address, subject->size, 1);
}

static struct subject subject_with_segment(void)
{
	struct subject subject = { .peer = peer_for_memory(), .size = PAGES * page_size() };

	subject.port = memory_port();
	make_segment(&subject);
	return subject;
}

static void is_untouched(void *argument)
{
	struct subject *subject = argument;

	check_pattern(subject->address, subject->size, 1);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(subject->segment).flags);
	ASSERT_EQ(0, peer_events_waiting(&subject->peer));
	ASSERT_EQ(0, events_waiting(subject->port));
}

/* CREATE_MEM */

static int creates(void *argument)
{
	struct subject *subject = argument;

	subject->create = (struct ipcshim_create_mem){ .length = subject->size };
	return errno_of(ioctl(subject->port, IPCSHIM_CREATE_MEM, &subject->create));
}

static void closes_created(void *argument)
{
	close(((struct subject *)argument)->create.fd);
}

TEST(create_mem_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open(), .size = PAGES * page_size() };

	fail_each(&(struct attempt){ creates, closes_created, NULL, 0 }, &subject, subject.port);
}

/* SHARE_MEM */

static int shares(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_share_mem args = subject->share;

	return errno_of(ioctl(subject->segment, IPCSHIM_SHARE_MEM, &args));
}

/* The peer drops it with its port; what was handed over is made anew. */
static void shared(void *argument)
{
	struct subject *subject = argument;

	peer_reopen_port(&subject->peer);
	if (subject->share.mode == MUTUAL)
		return;
	ASSERT_OK(munmap(subject->address, subject->size));
	close(subject->segment);
	if (subject->share.flags & IPCSHIM_SHARE_LEND)
		close(claim(subject->port, event_read(subject->port).token).fd);
	make_segment(subject);
}

static void share_without_memory(unsigned int mode, uint32_t flags)
{
	struct subject subject = subject_with_segment();

	subject.share = share_args(subject.peer.pid, mode, R | W);
	subject.share.flags = flags;
	fail_each(&(struct attempt){ shares, shared, is_untouched, 0 }, &subject, subject.port);
}

TEST(share_mem_mutual_without_memory_is_ENOMEM_and_changes_nothing)
{
	share_without_memory(MUTUAL, 0);
}

TEST(share_mem_exclusive_without_memory_is_ENOMEM_and_changes_nothing)
{
	share_without_memory(EXCLUSIVE, 0);
}

TEST(share_mem_lend_without_memory_is_ENOMEM_and_changes_nothing)
{
	share_without_memory(EXCLUSIVE, IPCSHIM_SHARE_LEND);
}

/* CLAIM */

static int claims(void *argument)
{
	struct subject *subject = argument;

	return errno_of(ioctl(subject->port, IPCSHIM_CLAIM, &subject->claim));
}

TEST(claim_of_a_segment_without_memory_is_ENOMEM_and_keeps_the_token)
{
	struct peer maker = peer_for_memory();
	struct subject subject = { .port = memory_port() };
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_unshare_mem back = { 0 };
	int injector = injector_open();
	unsigned int refusals = 0;
	unsigned int n = 1;
	bool taken;

	ASSERT_EQ(0, peer_ioctl(&maker, -1, IPCSHIM_CREATE_MEM, &create));
	do {
		struct ipcshim_share_mem args = share_args(getpid(), MUTUAL, R);
		struct state before = state_now(subject.port);
		int result;

		ASSERT_EQ(0, peer_ioctl(&maker, create.fd, IPCSHIM_SHARE_MEM, &args));
		event_read(subject.port);
		subject.claim = (struct ipcshim_claim){ .token = args.token };
		taken = with_fault(injector, n++, claims, &subject, &result);
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		if (result) {
			refusals += result == ENOMEM;
			ASSERT_EQ(before.query.tokens + 1, query(subject.port).tokens);
			ASSERT_EQ(0, claims(&subject));
		}
		ASSERT_EQ(args.inode, segment_info(subject.claim.fd).inode);
		ASSERT_EQ(0, peer_ioctl(&maker, create.fd, IPCSHIM_UNSHARE_MEM, &back));
		ASSERT_EQ(IPCSHIM_EVENT_UNSHARED_MEM, event_read(subject.port).code);
		close(subject.claim.fd);
		state_same(subject.port, &before);
	} while (taken);
	ASSERT_TRUE(refusals > 0);
}

/* What takes away must not fail for want of memory. */

static int unshares(void *argument)
{
	struct ipcshim_unshare_mem args = { 0 };

	return errno_of(ioctl(((struct subject *)argument)->segment, IPCSHIM_UNSHARE_MEM, &args));
}

TEST(unshare_mem_with_any_one_allocation_failing_revokes_or_is_EFAULT)
{
	struct subject subject = subject_with_segment();
	struct holder holder = { .peer = subject.peer };
	int injector = injector_open();
	unsigned int n = 1;
	bool taken;

	do {
		struct state before = state_now(subject.port);
		int result;

		holder_get(&holder, subject.segment, MUTUAL, R);
		peer_event(&holder.peer);
		taken = with_fault(injector, n++, unshares, &subject, &result);
		if (result) {
			ASSERT_EQ(EFAULT, result);
			/* The copy of the arguments: nothing was revoked. */
			if (segment_info(subject.segment).nr_holders) {
				peer_check(&holder.peer, holder.address, subject.size, 1);
				ASSERT_EQ(0, unshares(&subject));
			}
		}
		ASSERT_EQ(SIGBUS, peer_load(&holder.peer, holder.address));
		ASSERT_EQ(IPCSHIM_HOW_REVOKED, peer_event(&holder.peer).unshared_mem.how);
		ASSERT_EQ(0, peer_close(&holder.peer, holder.claim.fd));
		ASSERT_EQ(0, peer_unmap(&holder.peer, holder.address, subject.size));
		state_same(subject.port, &before);
	} while (taken);
	check_pattern(subject.address, subject.size, 1);
}

/* RETURN_MEM, by a child that arms the fault itself. */

static int gives_back(void *argument)
{
	struct ipcshim_return_mem args = { 0 };

	return errno_of(ioctl(((struct subject *)argument)->claim.fd, IPCSHIM_RETURN_MEM, &args));
}

static void borrows_and_returns(int fd, void *argument)
{
	struct subject subject = { .port = memory_port() };
	unsigned int n = 1;
	int injector;
	bool taken;

	(void)argument;
	/* A skip is the parent's to say. */
	injector = injector_open();
	put(fd, 0);
	do {
		int result;

		subject.claim = (struct ipcshim_claim){ .token = get(fd) };
		ASSERT_EQ(0, claims(&subject));
		taken = with_fault(injector, n++, gives_back, &subject, &result);
		if (result) {
			ASSERT_TRUE(result == ENOMEM || result == EFAULT);
			/* It is ours still, and can be given back another time. */
			segment_info(subject.claim.fd);
			ASSERT_EQ(0, gives_back(&subject));
		}
		expect_stale(subject.claim.fd);
		close(subject.claim.fd);
		event_read(subject.port);
		put(fd, taken);
	} while (taken);
	get(fd);
}

TEST(return_mem_with_any_one_allocation_failing_loses_nothing)
{
	struct child child;
	struct state before;
	bool again = true;
	int port;
	int segment;

	close(injector_open());
	child = child_start(borrows_and_returns, NULL);
	get(child.fd);
	port = memory_port();
	segment = segment_create(port, page_size());
	fill_pattern(segment_map(segment, page_size(), PROT_READ | PROT_WRITE), page_size(), 1);
	before = state_now(port);
	while (again) {
		put(child.fd, lend(segment, child.pid, R | W, 0).token);
		again = get(child.fd) != 0;
		ASSERT_EQ(1, events_waiting(port));
		close(segment);
		segment = claim(port, event_read(port).token).fd;
	}
	check_pattern(segment_map(segment, page_size(), PROT_READ), page_size(), 1);
	ASSERT_EQ(before.descriptors, state_now(port).descriptors);
	put(child.fd, 0);
	child_join(&child);
}

/* MEM_SHARING_INFO with its list */

static int asks(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_mem_info args = {
		.nr_holders = 2,
		.holders = (uintptr_t)subject->pids,
	};

	return errno_of(ioctl(subject->segment, IPCSHIM_MEM_SHARING_INFO, &args));
}

static void asked(void *argument)
{
	struct subject *subject = argument;

	ASSERT_EQ(subject->peer.pid, subject->pids[0]);
}

TEST(mem_info_without_memory_is_ENOMEM)
{
	struct subject subject = subject_with_segment();

	share(subject.segment, subject.peer.pid, MUTUAL, R);
	fail_each(&(struct attempt){ asks, asked, NULL, 0 }, &subject, subject.port);
}

/* EXPORT_DMABUF */

static int exports(void *argument)
{
	struct subject *subject = argument;

	subject->export = (struct ipcshim_export_dmabuf){ 0 };
	return errno_of(ioctl(subject->segment, IPCSHIM_EXPORT_DMABUF, &subject->export));
}

static void closes_export(void *argument)
{
	close(((struct subject *)argument)->export.fd);
	is_untouched(argument);
}

TEST(export_dmabuf_without_memory_is_ENOMEM_and_exports_nothing)
{
	struct subject subject = subject_with_segment();

	if (!(query(subject.port).features & IPCSHIM_FEATURE_DMABUF))
		SKIP("this kernel has no dma-bufs (CONFIG_DMA_SHARED_BUFFER)");
	fail_each(&(struct attempt){ exports, closes_export, is_untouched, 0 }, &subject,
		  subject.port);
	share(subject.segment, subject.peer.pid, EXCLUSIVE, R);
}
