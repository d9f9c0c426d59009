// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_CLIENT_LINK_HPP
#define IPCSHIM_SRC_CLIENT_LINK_HPP

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ipcshim/client.hpp>

namespace ipcshim::detail {

/// An asynchronous call whose answer has not come.
struct waiting_call final {
    completion callback;
    deadline until = no_deadline;
};

/// One connection of a client, and to whom the answers belong that are read there. A client
/// that connects again gets a new one, since exchanges are numbered anew.
///
/// Who calls waits in the module for its own answer and for no other. Only where such a call
/// was interrupted, or gave up, can its answer come to whoever reads the socket; and an
/// asynchronous answer can be read before its caller knows the exchange's number. So what is
/// read is sorted: to the asynchronous call that waits for it; away, where the call has given
/// up; else it is kept for the one that will ask for it in a moment.
///
/// Threads: all calls at once from any.
class client_link final {
public:
    client_link(ipcshim::socket&& side, std::uint64_t key) noexcept
        : socket_(std::move(side)), key_(key) {}

    [[nodiscard]] const ipcshim::socket& socket() const noexcept { return socket_; }
    /// In the client's ready_set.
    [[nodiscard]] std::uint64_t key() const noexcept { return key_; }

    /// From now on the call waits. \return its answer, if that was here already
    [[nodiscard]] std::optional<message> expect(exchange_id exchange, waiting_call& call);
    /// An answer was read. \return who waits for it, nothing if it was kept or thrown away
    [[nodiscard]] std::optional<completion> sort(message& answer);
    /// Waits for an answer that another thread has read, or is about to keep.
    /// Errors: ETIMEDOUT; ECONNRESET it never will.
    [[nodiscard]] std::error_code claim(exchange_id exchange, message& answer, deadline until);
    /// Nobody wants the answer any more.
    void abandon(exchange_id exchange);
    /// There are calls that were abandoned, and whose answers may wait to be read.
    [[nodiscard]] bool has_abandoned() const noexcept { return nr_abandoned_.load() != 0; }

    /// Takes out those whose deadline has passed; their answers are abandoned.
    [[nodiscard]] std::vector<completion> expire(deadline now);
    [[nodiscard]] deadline next_deadline() const;

    /// The connection has ended. \return false: that was known
    bool mark_ended() noexcept;
    [[nodiscard]] bool has_ended() const noexcept { return ended_.load(); }
    /// Takes out all that wait.
    [[nodiscard]] std::vector<completion> give_up();

    /// Held by who reads, so that what comes unasked stays in order.
    std::mutex reading;

private:
    void forget(exchange_id exchange, deadline until);

    const ipcshim::socket socket_;
    const std::uint64_t key_;
    mutable std::mutex mutex_; // of what follows
    std::condition_variable kept_one_;
    std::unordered_map<exchange_id, waiting_call> waiting_;
    std::set<std::pair<deadline, exchange_id>> deadlines_; // of those that have one
    std::unordered_map<exchange_id, message> kept_;
    std::unordered_set<exchange_id> abandoned_;
    std::atomic<std::size_t> nr_abandoned_{0};
    std::atomic<bool> ended_{false};
};

} // namespace ipcshim::detail

#endif
