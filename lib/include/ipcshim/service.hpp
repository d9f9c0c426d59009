// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SERVICE_HPP
#define IPCSHIM_SERVICE_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipcshim/call_context.hpp>
#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/method.hpp>
#include <ipcshim/service_error.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// What a service is to be like.
struct service_parameters final {
    std::uint32_t message_max = socket_message; ///< bytes, up to socket_message_max
    access who = access::same_user;             ///< who may connect
    const char* device = default_device;
};

/// Who wants to connect, and whose connection it is then.
struct client_info final {
    client_id client{};
    pid_t pid = 0;                 ///< 0: not visible here
    uid_t uid = 0;                 ///< effective uid as it asked
    std::uint16_t command = 0;     ///< its own word
    std::uint32_t message_max = 0; ///< bytes, the largest message
};

/// A client that has gone, and how.
struct client_gone final {
    client_id client{};
    pid_t pid = 0; ///< as it was when it connected
    side_end end{};
    bool in_order = false; ///< it has ended the connection itself; it has not died
};

/// What a service could not tell to anybody else.
struct service_failure final {
    client_id client{};     ///< 0: of none
    std::uint16_t code = 0; ///< of the method; 0: of none
    std::error_code error{};
    std::string text{}; ///< of the exception, or a sentence
};

/// What a service has done since it was made.
struct service_counts final {
    std::uint64_t taken = 0; ///< messages and requests that its threads took
    std::uint64_t vain = 0;  ///< how often a thread was woken for one and found none
};

namespace detail {

/// Decodes, calls the handler, encodes; throws what those throw.
using call_handler = std::function<void(call_context&, std::vector<std::byte>& answer)>;

/// Calls a handler with what it takes of request and context.
template <typename Request, typename Handler>
decltype(auto) invoke_handler(Handler& handler, const value_of<Request>& request,
                              call_context& context) {
    if constexpr (std::is_void_v<Request>) {
        static_cast<void>(request);
        if constexpr (std::is_invocable_v<Handler&, call_context&>) {
            return handler(context);
        } else {
            return handler();
        }
    } else if constexpr (std::is_invocable_v<Handler&, const Request&, call_context&>) {
        return handler(request, context);
    } else {
        return handler(request);
    }
}

/// codec_error is for requests: what can't be encoded is the handler's mistake.
template <typename Codec, typename Reply>
void encode_answer(const Reply& reply, std::vector<std::byte>& answer) {
    try {
        Codec::encode(reply, answer);
    } catch (const codec_error& error) {
        throw std::runtime_error(error.what());
    }
}

} // namespace detail

/// A service: publishes a name, accepts clients and calls a function for each method
/// that they call.
///
///     ipcshim::service store("store");
///     store.on(get, [&](const key& wanted) { return find(wanted); });
///     store.start(4);
///
/// Set the functions before it runs. Handlers run on the thread that runs the service,
/// or with start(threads) on several at once, also for one client: what they share they
/// must guard. A handler that throws service_error answers with that code and text; any
/// other exception answers service_errc::handler_failed, and the error handler is told
/// what it was; but codec_error answers service_errc::malformed, as a request does that can't
/// be decoded.
///
/// It has a port of its own, which handles no events for the process: a program can have
/// other ports and more services. (Ours; NightOS has services and leaves this to the
/// program.)
///
/// Threads: notify(), notify_all(), clients(), disconnect() and stop() from any thread,
/// handlers included; run() and its kin from several at once. All else before it runs.
/// Not to be destroyed from a handler.
class IPCSHIM_API service final {
public:
    /// Opens a port and publishes the name. Who connects from now on waits until it runs.
    /// Errors: as port::open(), port::set_access() and port::publish(); EMFILE, ENFILE,
    /// ENOMEM.
    explicit service(std::string_view name, const service_parameters& parameters = {},
                     detail::syscalls& calls = detail::real_syscalls());
    service(const service&) = delete;
    service(service&&) = delete;
    service& operator=(const service&) = delete;
    service& operator=(service&&) = delete;
    /// As stop(), then ends all connections: a call that was not answered fails there with
    /// ECONNRESET. on_client_gone() is not told. No thread may be in run() any more.
    ~service();

    // --- what it does ------------------------------------------------------

    /// What to do when a client calls a method: `Reply(const Request&)` or
    /// `Reply(const Request&, call_context&)`, without the request where it is void.
    /// Replaces what there was. Throws std::logic_error when it runs already, as do those
    /// that follow.
    template <std::uint16_t Code, typename Request, typename Reply, typename Codec,
              typename Handler>
    service& on(method<Code, Request, Reply, Codec> /*which*/, Handler handler) {
        return set_handler(
            Code, [handler = std::move(handler)](call_context& context,
                                                 std::vector<std::byte>& answer) mutable {
                const auto request = detail::decoded<Codec, Request>(context.payload());
                if constexpr (std::is_void_v<Reply>) {
                    detail::invoke_handler<Request>(handler, request, context);
                    static_cast<void>(answer);
                } else {
                    const Reply reply = detail::invoke_handler<Request>(handler, request, context);
                    detail::encode_answer<Codec>(reply, answer);
                }
            });
    }
    /// The same without a type: the function appends the answer's bytes.
    service& set_handler(std::uint16_t code, detail::call_handler handler);

    /// Asked for each client that wants to connect: nothing accepts, a word rejects and
    /// becomes refused_error::reason(). Without it all are accepted.
    service& on_connect(std::function<std::optional<std::uint16_t>(const client_info&)> predicate);
    /// Told when a client was accepted.
    service& on_client(std::function<void(const client_info&)> handler);
    /// Told when a client has gone, after its last handler has returned.
    service& on_client_gone(std::function<void(const client_gone&)> handler);
    /// Told of what the service can't tell to a client: see service_failure. It must not
    /// throw: what it throws is forgotten.
    service& on_error(std::function<void(const service_failure&)> handler);

    // --- running -----------------------------------------------------------

    /// Runs on so many threads of its own.
    /// Errors: EAGAIN too many threads; std::logic_error it has some already, or 0.
    void start(unsigned threads = 1);
    /// Ends every run() and the threads, and waits for those, except from within a handler:
    /// then they end when their handlers have returned. Where nothing runs, the next run()
    /// ends at once. It can run again.
    void stop() noexcept;
    /// Runs on the caller's thread until stop(). Several may.
    void run();
    /// The same until a point in time at most.
    void run_until(deadline until);
    /// Waits for one thing to do and does it. \return false: the deadline passed, or stop()
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    bool run_once(deadline until = no_deadline);
    /// Does what there is to do, at most 64 things, and never waits; for a loop of your own:
    /// call it when fd() is readable. \return how many
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t dispatch();
    /// Readable when there is something to do; borrowed.
    [[nodiscard]] int fd() const noexcept;

    // --- its clients -------------------------------------------------------

    /// Tells one client something unasked.
    /// \param until wait so long for room at the client; nothing: don't
    /// Errors: ENOTCONN no such client (any more); EAGAIN no room; ETIMEDOUT; EMSGSIZE;
    /// EPIPE, ECONNRESET it has just gone.
    template <std::uint16_t Code, typename Value, typename Codec>
    void notify(client_id client, notification<Code, Value, Codec> /*what*/,
                const std::type_identity_t<Value>& value,
                std::optional<deadline> until = std::nullopt) {
        send_notification(client, Code, detail::encoded<Codec, Value>(value), until);
    }
    template <std::uint16_t Code, typename Codec>
    void notify(client_id client, notification<Code, void, Codec> /*what*/,
                std::optional<deadline> until = std::nullopt) {
        send_notification(client, Code, {}, until);
    }
    /// Tells every client; never waits. Where it fails the error handler is told, except
    /// for clients that have gone. \return how many it was sent to
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    template <std::uint16_t Code, typename Value, typename Codec>
    std::size_t notify_all(notification<Code, Value, Codec> /*what*/,
                           const std::type_identity_t<Value>& value) {
        return send_to_all(Code, detail::encoded<Codec, Value>(value));
    }
    template <std::uint16_t Code, typename Codec>
    std::size_t notify_all(notification<Code, void, Codec> /*what*/) {
        return send_to_all(Code, {});
    }
    /// notify() and notify_all() without a type.
    void send_notification(client_id client, std::uint16_t code, std::span<const std::byte> payload,
                           std::optional<deadline> until);
    std::size_t send_to_all(std::uint16_t code, std::span<const std::byte> payload);

    /// Who is connected; in no order.
    [[nodiscard]] std::vector<client_info> clients() const;
    /// Lets go of a client's connection, once its handlers have returned: what it waits for
    /// fails with ECONNRESET. Does nothing if there is no such client. on_client_gone() is not
    /// told.
    void disconnect(client_id client) noexcept;
    /// No new clients: the name is free. Connections stay.
    void withdraw();

    [[nodiscard]] service_counts counts() const noexcept;
    [[nodiscard]] const std::string& name() const noexcept;
    /// Number of the name, never used again.
    [[nodiscard]] std::uint64_t number() const noexcept;

private:
    class state;
    std::unique_ptr<state> state_;
};

} // namespace ipcshim

#endif
