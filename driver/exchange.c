// SPDX-License-Identifier: GPL-2.0-only
/* Exchanges: numbered, found, concluded. */
#include <linux/slab.h>

#include "socket.h"

static struct kmem_cache *exchange_cache;

int ipcshim_exchange_init(void)
{
	exchange_cache = kmem_cache_create("ipcshim_exchange",
					   sizeof(struct ipcshim_exchange), 0,
					   SLAB_ACCOUNT, NULL);
	return exchange_cache ? 0 : -ENOMEM;
}

void ipcshim_exchange_exit(void)
{
	kmem_cache_destroy(exchange_cache);
}

void ipcshim_exchange_destroy(struct ipcshim_exchange *exchange)
{
	if (exchange)
		kmem_cache_free(exchange_cache, exchange);
}

struct ipcshim_exchange *
ipcshim_exchange_alloc(struct ipcshim_connection *connection)
{
	struct ipcshim_exchange *spare = xchg(&connection->spare, NULL);

	return spare ?: kmem_cache_alloc(exchange_cache, GFP_KERNEL);
}

void ipcshim_exchange_free(struct ipcshim_connection *connection,
			   struct ipcshim_exchange *exchange)
{
	ipcshim_exchange_destroy(xchg(&connection->spare, exchange));
}

struct ipcshim_exchange *
ipcshim_exchange_find(const struct ipcshim_connection *connection, u64 id)
{
	struct rb_node *node = connection->exchanges.rb_node;

	lockdep_assert_held(&connection->lock);
	while (node) {
		struct ipcshim_exchange *exchange =
			rb_entry(node, struct ipcshim_exchange, node);

		if (id == exchange->id)
			return exchange;
		node = id < exchange->id ? node->rb_left : node->rb_right;
	}
	return NULL;
}

int ipcshim_exchange_missing(const struct ipcshim_connection *connection,
			     u64 id)
{
	lockdep_assert_held(&connection->lock);
	return id && id <= connection->last_exchange ? -ESHUTDOWN : -ENOENT;
}

void ipcshim_exchange_add(struct ipcshim_connection *connection,
			  struct ipcshim_exchange *exchange)
{
	struct rb_node **link = &connection->exchanges.rb_node;
	struct rb_node *parent = NULL;

	lockdep_assert_held(&connection->lock);
	/* Numbers only grow: a new one is the last. */
	while (*link) {
		parent = *link;
		link = &parent->rb_right;
	}
	rb_link_node(&exchange->node, parent, link);
	rb_insert_color(&exchange->node, &connection->exchanges);
	atomic64_inc(&ipcshim_totals.exchanges);
}

void ipcshim_exchange_remove(struct ipcshim_connection *connection,
			     struct ipcshim_exchange *exchange)
{
	lockdep_assert_held(&connection->lock);
	rb_erase(&exchange->node, &connection->exchanges);
	connection->nr_exchanges--;
	atomic64_dec(&ipcshim_totals.exchanges);
}

void ipcshim_exchange_fail_takers(struct ipcshim_exchange *exchange,
				  const struct ipcshim_taker *but)
{
	struct ipcshim_taker *taker;
	int role;

	for (role = 0; role < IPCSHIM_NR_ROLES; role++) {
		taker = exchange->takers[role];
		if (taker && taker != but)
			ipcshim_taker_tell(taker, -ENOENT);
	}
}

void ipcshim_exchange_conclude(struct ipcshim_socket *socket,
			       struct ipcshim_exchange *exchange)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_taker *taker = exchange->takers[socket->role];

	/* Another thread of this side, that waits for what won't come. */
	if (taker)
		ipcshim_taker_tell(taker, -ESHUTDOWN);
	ipcshim_exchange_remove(connection, exchange);
	ipcshim_exchange_free(connection, exchange);
	ipcshim_socket_give_room(socket);
	ipcshim_socket_give_room(ipcshim_socket_peer(socket));
}
