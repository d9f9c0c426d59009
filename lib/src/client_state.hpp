// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_CLIENT_STATE_HPP
#define IPCSHIM_SRC_CLIENT_STATE_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>

#include <ipcshim/client.hpp>
#include <ipcshim/port.hpp>

#include "client_link.hpp"
#include "ready_set.hpp"

namespace ipcshim {

/// What a client is made of: the connection it has now, and a list of what is to be told to
/// the program, which its own thread or dispatch() works off. Who finds something to tell
/// puts it there; so handlers run on one thread, one after another, in the order of what
/// happened.
class client::state final {
public:
    state(std::string_view name, const client_parameters& parameters, detail::syscalls& calls);
    state(const state&) = delete;
    state(state&&) = delete;
    state& operator=(const state&) = delete;
    state& operator=(state&&) = delete;
    ~state();

    [[nodiscard]] std::error_code ask(std::uint16_t code, std::span<const std::byte> request,
                                      message& answer, const call_parameters& parameters,
                                      std::string& text);
    void ask_async(std::uint16_t code, std::span<const std::byte> request,
                   detail::completion&& callback, const call_parameters& parameters);
    void tell(std::uint16_t code, std::span<const std::byte> payload,
              const call_parameters& parameters);

    void set_handler(std::uint16_t code, detail::notification_handler&& handler);
    void set_on_disconnect(std::function<void(const disconnection&)>&& handler);
    void set_on_reconnect(std::function<void()>&& handler);

    [[nodiscard]] std::shared_ptr<detail::client_link> link() const;
    void reconnect(std::optional<deadline> until);

    std::size_t dispatch();
    [[nodiscard]] bool has_own_thread() const noexcept { return parameters_.own_thread; }
    [[nodiscard]] int fd() const noexcept { return ready_.fd(); }
    [[nodiscard]] deadline next_deadline() const;

private:
    // What is to be told.
    struct finished_call final {
        detail::completion callback;
        std::error_code error;
        std::string text;
        message answer;
    };
    struct unasked final {
        message what;
    };
    struct reconnected final {};
    using news = std::variant<finished_call, unasked, disconnection, reconnected>;

    using shared_handler = std::shared_ptr<detail::notification_handler>;

    [[nodiscard]] deadline until_of(const call_parameters& parameters) const;
    [[nodiscard]] std::shared_ptr<detail::client_link>
    connected(deadline until, std::error_code& error, std::string& text);
    void connect_again(deadline until, std::error_code& error, std::uint16_t& reason);
    void install(ipcshim::socket&& side);
    bool try_again(detail::client_link& link, const message_header& header, std::error_code error,
                   unsigned attempt);
    [[nodiscard]] std::error_code await(detail::client_link& link, message& answer, deadline until,
                                        std::error_code error);

    void expect(detail::client_link& link, exchange_id exchange, detail::waiting_call&& call);

    // \param wake false: the caller tells the news itself
    std::size_t pull(detail::client_link& link, bool wake = true);
    void sort(detail::client_link& link, message&& what, bool wake);
    void ended(detail::client_link& link, side_end end);
    void fail_all(detail::client_link& link);
    void expire(detail::client_link& link);
    void keep_connected();
    std::size_t tell_news();
    void tell_one(news&& what);
    void post(news&& what, bool wake = true);
    void nudge();
    void need_thread();
    void work() noexcept;
    [[nodiscard]] shared_handler handler_of(std::uint16_t code) const;

    const std::string name_;
    const client_parameters parameters_;
    port port_;
    detail::ready_set ready_;
    std::timed_mutex connecting_; // held by who connects

    mutable std::mutex mutex_;                  // of all that follows
    std::shared_ptr<detail::client_link> link_; // never null once connected
    std::uint64_t next_key_ = detail::ready_set::woken + 1;
    std::deque<news> news_;
    bool nudged_ = false; ///< the set is to be calmed
    std::unordered_map<std::uint16_t, shared_handler> handlers_;
    std::shared_ptr<std::function<void(const disconnection&)>> on_disconnect_;
    std::shared_ptr<std::function<void()>> on_reconnect_;
    deadline retry_at_ = no_deadline;
    std::chrono::nanoseconds retry_pause_{};
    std::thread thread_;

    std::atomic<bool> stopping_{false};
};

} // namespace ipcshim

#endif
