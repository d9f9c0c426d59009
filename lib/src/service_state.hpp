// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_SERVICE_STATE_HPP
#define IPCSHIM_SRC_SERVICE_STATE_HPP

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <ipcshim/port.hpp>
#include <ipcshim/service.hpp>

#include "call_table.hpp"
#include "ready_set.hpp"

namespace ipcshim {

/// What a service is made of.
///
/// How threads get their work: all wait in one epoll set for the port and for every
/// connection. Each of those is armed for one event (EPOLLONESHOT): the thread that gets it
/// takes one message and arms it again before it calls the handler. So
/// - a message wakes one thread, since epoll wakes one waiter for one event and nothing else
///   waits for the connection; that thread finds the message, since between event and arming
///   nobody else reads there;
/// - no message waits for a handler while a thread is idle: if more has come by then, arming
///   is an event at once, for one more thread. What comes later is one as well. A lost one
///   would have to come after the read and before the arming, and arming looks again;
/// - one busy connection gets as many threads as it has messages, and goes to the end of the
///   line after each: others get their turn.
/// Level-triggered without ONESHOT, the second would wake with the first still on its way to
/// read. Edge-triggered, each would have to read until there is nothing, and a message that
/// came before the first thread read would wait for that thread's handler.
/// One thread alone needs none of it and saves the call that arms.
class service::state final {
public:
    state(std::string_view name, const service_parameters& parameters, detail::syscalls& calls);
    state(const state&) = delete;
    state(state&&) = delete;
    state& operator=(const state&) = delete;
    state& operator=(state&&) = delete;
    ~state();

    /// Throws std::logic_error if it runs.
    void require_still() const;

    void start(unsigned threads);
    void stop() noexcept;
    /// While one of these exists a thread may call step().
    class runner final {
    public:
        explicit runner(state& of) : of_(of) { of_.enter(1, false); }
        runner(const runner&) = delete;
        runner(runner&&) = delete;
        runner& operator=(const runner&) = delete;
        runner& operator=(runner&&) = delete;
        ~runner() { of_.leave(); }

    private:
        state& of_;
    };
    /// Waits for one thing to do and does it. \return false: the time was over, or stop()
    bool step(deadline until);

    void notify(client_id client, std::uint16_t code, std::span<const std::byte> payload,
                std::optional<deadline> until);
    std::size_t notify_all(std::uint16_t code, std::span<const std::byte> payload);
    [[nodiscard]] std::vector<client_info> clients() const;
    void disconnect(client_id client) noexcept;
    void withdraw();
    [[nodiscard]] service_counts counts() const noexcept;
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] int fd() const noexcept { return ready_.fd(); }

    // Set while nothing runs.
    detail::call_table methods;
    std::function<std::optional<std::uint16_t>(const client_info&)> on_connect;
    std::function<void(const client_info&)> on_client;
    std::function<void(const client_gone&)> on_client_gone;
    std::function<void(const service_failure&)> on_error;

private:
    /// A client. Its socket closes with the last that holds it.
    struct connection final {
        ipcshim::socket socket;
        client_info info;
        std::atomic<bool> ended{false};
        side_end end{}; ///< set by who finds that it has ended, as the next
        bool in_order = false;
        /// Threads in its handlers, and one for being in the set.
        std::atomic<unsigned> users{1};
        std::atomic<bool> dropped{false}; ///< by disconnect()
        std::atomic<bool> stuck{false};   ///< its last message could not be taken
    };
    using shared = std::shared_ptr<connection>;

    void enter(unsigned count, bool starting);
    void leave() noexcept;
    void work() noexcept;
    [[nodiscard]] bool within_own_thread() const noexcept;
    void join() noexcept;

    void serve_port();
    void answer_request(const event& request);
    void take_in(const event& request, const client_info& info);
    void serve_connection(std::uint64_t key);
    void serve_message(const shared& who, message&& request);
    void respond(const shared& who, call_context& context, detail::call_result&& result);
    void fail(const shared& who, exchange_id exchange, std::uint16_t error, std::string_view text);
    void unable(const shared& who, std::error_code error);
    void release(const shared& who) noexcept;
    void tell(client_id client, std::uint16_t code, std::error_code error,
              std::string text) const noexcept;
    [[nodiscard]] shared find(std::uint64_t key) const;
    [[nodiscard]] std::vector<shared> everybody() const;

    port port_;
    published_service published_;
    std::string name_;
    std::uint64_t number_;
    detail::ready_set ready_;

    mutable std::shared_mutex clients_mutex_;
    std::unordered_map<std::uint64_t, shared> clients_;

    mutable std::mutex running_mutex_; // of the three that follow
    unsigned running_ = 0;
    std::vector<std::thread> threads_;
    std::vector<std::thread::id> own_;
    std::mutex joining_mutex_; // held by who waits for threads
    std::atomic<bool> stopping_{false};
    std::atomic<bool> several_{false}; ///< more than one thread waits: ONESHOT

    std::atomic<std::uint64_t> taken_{0};
    std::atomic<std::uint64_t> vain_{0};
};

} // namespace ipcshim

#endif
