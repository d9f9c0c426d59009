// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_CLIENT_HPP
#define IPCSHIM_CLIENT_HPP

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/message.hpp>
#include <ipcshim/method.hpp>
#include <ipcshim/outcome.hpp>
#include <ipcshim/service_error.hpp>
#include <ipcshim/socket.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// How a client connects and calls.
struct client_parameters final {
    /// For the name and for the service's answer, each time it connects.
    std::chrono::nanoseconds connect_timeout = std::chrono::seconds(2);
    /// For a call() without a deadline of its own; nothing: as long as it takes.
    std::optional<std::chrono::nanoseconds> call_timeout{};
    bool wait = false; ///< wait for a name that nobody has published yet
    /// When the connection has ended: connect again, waiting for the name. Calls that were
    /// under way fail all the same, since they may have been carried out.
    bool reconnect = false;
    std::optional<uid_t> uid{};    ///< whose name it is; nothing: the caller's own
    std::uint32_t message_max = 0; ///< bytes, at most what the service gives; 0: that
    std::uint16_t command = 0;     ///< the client's own word, for the service
    /// true: a thread of its own takes what comes unasked, and answers of call_async();
    /// it starts with the first that needs it. false: the program calls dispatch().
    bool own_thread = true;
    const char* device = default_device;
};

/// A connection that has ended.
struct disconnection final {
    std::uint64_t connection = 0; ///< its number
    side_end end{};               ///< of the service
};

namespace detail {

/// What to do with an answer, or with why there is none: then the text may be empty and
/// the message is.
using completion = std::function<void(std::error_code error, std::string text, message&& answer)>;
using notification_handler = std::function<void(message& what)>;

template <typename Reply, typename Codec>
[[nodiscard]] outcome<Reply> finished(std::error_code error, std::string&& text, message&& answer) {
    if (error) {
        return {error, std::move(text)};
    }
    if (answer.header.error != 0) {
        return {{answer.header.error, service_category()}, std::string(answer.text())};
    }
    try {
        return outcome<Reply>(decoded<Codec, Reply>(answer.payload), std::move(answer.descriptors));
    } catch (const codec_error& wrong) {
        return {service_errc::answer_malformed, wrong.what()};
    }
}

} // namespace detail

/// A client of a service: calls its methods.
///
///     ipcshim::client store("store", {.wait = true, .reconnect = true});
///     value found = store.call(get, wanted);
///
/// call() asks and waits on the caller's thread, in one call to the module; any number of
/// threads may call at once, each gets its own answer. An answer that comes after its call
/// has given up (ETIMEDOUT) is thrown away, never given to another call.
///
/// Errors: what the service answers comes as service_error, in service_category();
/// everything else as std::system_error with the errno, in std::generic_category():
/// ETIMEDOUT, ECONNRESET the connection ended while it waited for the answer, EPIPE it had
/// ended before and nothing was sent, EMSGSIZE, EDQUOT, and those of port::connect() when it
/// connects again. Signals don't end a wait.
///
/// Threads: all calls may run from any number of threads at once, except destruction.
/// Handlers and callbacks run on the client's own thread, or on the one that calls
/// dispatch(), one after another; they may call the client, but not destroy it. What they
/// throw is forgotten. (Ours.)
class IPCSHIM_API client final {
public:
    /// Opens a port and connects.
    /// Errors: as port::open() and port::connect().
    explicit client(std::string_view name, const client_parameters& parameters = {},
                    detail::syscalls& calls = detail::real_syscalls());
    client(const client&) = delete;
    client(client&&) = delete;
    client& operator=(const client&) = delete;
    client& operator=(client&&) = delete;
    /// Ends the connection in order; asynchronous calls that wait end with ECANCELED, on
    /// this thread. Waits for the client's own thread: for the callback that runs, and where it
    /// connects again just now for the end of that attempt, which takes connect_timeout at most.
    ~client();

    // --- calling -----------------------------------------------------------

    /// Calls a method and waits for its answer.
    /// \param parameters deadline, and what the request carries
    template <std::uint16_t Code, typename Request, typename Reply, typename Codec>
    Reply call(method<Code, Request, Reply, Codec> which,
               const std::type_identity_t<Request>& request,
               const call_parameters& parameters = {}) {
        return take<Reply>(try_call(which, request, parameters));
    }
    template <std::uint16_t Code, typename Reply, typename Codec>
    Reply call(method<Code, void, Reply, Codec> which, const call_parameters& parameters = {}) {
        return take<Reply>(try_call(which, parameters));
    }
    /// The same without exceptions but std::bad_alloc and codec_error (of the request); and
    /// the outcome has what came with the answer.
    template <std::uint16_t Code, typename Request, typename Reply, typename Codec>
    [[nodiscard]] outcome<Reply> try_call(method<Code, Request, Reply, Codec> /*which*/,
                                          const std::type_identity_t<Request>& request,
                                          const call_parameters& parameters = {}) {
        message answer;
        std::string text;
        const std::error_code error =
            ask(Code, detail::encoded<Codec, Request>(request), answer, parameters, text);
        return detail::finished<Reply, Codec>(error, std::move(text), std::move(answer));
    }
    template <std::uint16_t Code, typename Reply, typename Codec>
    [[nodiscard]] outcome<Reply> try_call(method<Code, void, Reply, Codec> /*which*/,
                                          const call_parameters& parameters = {}) {
        message answer;
        std::string text;
        const std::error_code error = ask(Code, {}, answer, parameters, text);
        return detail::finished<Reply, Codec>(error, std::move(text), std::move(answer));
    }

    /// Calls a method, and goes on: its answer comes in a future. The deadline is for the
    /// answer; waiting for room to send has it, too. Needs the client's own thread, or
    /// somebody who calls dispatch().
    template <std::uint16_t Code, typename Request, typename Reply, typename Codec>
    [[nodiscard]] std::future<Reply> call_async(method<Code, Request, Reply, Codec> which,
                                                const std::type_identity_t<Request>& request,
                                                const call_parameters& parameters = {}) {
        auto [result, callback] = promised<Reply>();
        call_async(which, request, std::move(callback), parameters);
        return std::move(result);
    }
    template <std::uint16_t Code, typename Reply, typename Codec>
    [[nodiscard]] std::future<Reply> call_async(method<Code, void, Reply, Codec> which,
                                                const call_parameters& parameters = {}) {
        auto [result, callback] = promised<Reply>();
        call_async(which, std::move(callback), parameters);
        return std::move(result);
    }
    /// The same with a function that is called with what became of it, once, whatever
    /// happens; before this returns, on this thread, if nothing could be sent.
    template <std::uint16_t Code, typename Request, typename Reply, typename Codec,
              std::invocable<outcome<Reply>&&> Callback>
    void call_async(method<Code, Request, Reply, Codec> /*which*/,
                    const std::type_identity_t<Request>& request, Callback callback,
                    const call_parameters& parameters = {}) {
        ask_async(Code, detail::encoded<Codec, Request>(request),
                  completed<Reply, Codec>(std::move(callback)), parameters);
    }
    template <std::uint16_t Code, typename Reply, typename Codec,
              std::invocable<outcome<Reply>&&> Callback>
    void call_async(method<Code, void, Reply, Codec> /*which*/, Callback callback,
                    const call_parameters& parameters = {}) {
        ask_async(Code, {}, completed<Reply, Codec>(std::move(callback)), parameters);
    }

    /// Calls a method and wants no answer, not even an error: waits for room only.
    /// Errors: as call().
    template <std::uint16_t Code, typename Request, typename Reply, typename Codec>
    void notify(method<Code, Request, Reply, Codec> /*which*/,
                const std::type_identity_t<Request>& request,
                const call_parameters& parameters = {}) {
        tell(Code, detail::encoded<Codec, Request>(request), parameters);
    }
    template <std::uint16_t Code, typename Reply, typename Codec>
    void notify(method<Code, void, Reply, Codec> /*which*/,
                const call_parameters& parameters = {}) {
        tell(Code, {}, parameters);
    }

    /// try_call(), call_async() and notify() without a type: `answer` is the service's
    /// message, whose memory is used again; its header.error is the service's error.
    /// \param text set with an error: a sentence
    [[nodiscard]] std::error_code ask(std::uint16_t code, std::span<const std::byte> request,
                                      message& answer, const call_parameters& parameters,
                                      std::string& text);
    void ask_async(std::uint16_t code, std::span<const std::byte> request,
                   detail::completion callback, const call_parameters& parameters = {});
    void tell(std::uint16_t code, std::span<const std::byte> payload,
              const call_parameters& parameters = {});

    // --- what comes unasked --------------------------------------------------

    /// What to do when the service tells something: `void(const Value&)` or
    /// `void(const Value&, message&)` (header, descriptors), without the value where it is
    /// void. Replaces what there was. What nobody handles, or can't be decoded, is thrown
    /// away.
    template <std::uint16_t Code, typename Value, typename Codec, typename Handler>
    client& on(notification<Code, Value, Codec> /*what*/, Handler handler) {
        return set_handler(Code, [handler = std::move(handler)](message& what) mutable {
            const auto value = detail::decoded<Codec, Value>(what.payload);
            if constexpr (std::is_void_v<Value>) {
                static_cast<void>(value);
                if constexpr (std::is_invocable_v<Handler&, message&>) {
                    handler(what);
                } else {
                    handler();
                }
            } else if constexpr (std::is_invocable_v<Handler&, const Value&, message&>) {
                handler(value, what);
            } else {
                handler(value);
            }
        });
    }
    client& set_handler(std::uint16_t code, detail::notification_handler handler);
    /// Told when the connection has ended otherwise than by this client.
    client& on_disconnect(std::function<void(const disconnection&)> handler);
    /// Told when it has connected again.
    client& on_reconnect(std::function<void()> handler);

    // --- the connection ------------------------------------------------------

    /// The connection is there, as far as is known.
    [[nodiscard]] bool is_connected() const noexcept;
    /// Connects if it is not: waits for the name and the service's answer.
    /// \param until nothing: the parameters' connect_timeout from now on
    /// Errors: as port::connect().
    void reconnect(std::optional<deadline> until = std::nullopt);
    /// Bytes, the largest message of the connection; of the last one if there is none now.
    [[nodiscard]] std::uint32_t message_max() const noexcept;
    /// Number of the connection, see client_id; of the last one if there is none now.
    [[nodiscard]] std::uint64_t connection() const noexcept;

    // --- the caller's loop ---------------------------------------------------

    /// Takes what has come and calls handlers and callbacks; never waits, except to connect
    /// again, for connect_timeout at most. One thread at a time. Does nothing where the client
    /// has a thread of its own. \return how many were called
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t dispatch();
    /// Readable when dispatch() has something to do; borrowed, and the same for all
    /// connections.
    [[nodiscard]] int fd() const noexcept;
    /// dispatch() has something to do by then, too: the earliest deadline of an
    /// asynchronous call, or one more attempt to connect again.
    [[nodiscard]] deadline next_deadline() const;

private:
    class state;

    template <typename Reply> static Reply take(outcome<Reply>&& result) {
        if constexpr (std::is_void_v<Reply>) {
            static_cast<void>(std::move(result).value());
        } else {
            return std::move(result).value();
        }
    }

    template <typename Reply, typename Codec, typename Callback>
    static detail::completion completed(Callback&& callback) {
        // std::function copies, and a callback need not be copyable.
        auto shared = std::make_shared<std::decay_t<Callback>>(std::forward<Callback>(callback));
        return [shared](std::error_code error, std::string text, message&& answer) {
            (*shared)(detail::finished<Reply, Codec>(error, std::move(text), std::move(answer)));
        };
    }

    template <typename Reply> static auto promised() {
        auto promise = std::make_shared<std::promise<Reply>>();
        auto result = promise->get_future();
        auto callback = [promise](outcome<Reply>&& finished) {
            try {
                if constexpr (std::is_void_v<Reply>) {
                    static_cast<void>(std::move(finished).value());
                    promise->set_value();
                } else {
                    promise->set_value(std::move(finished).value());
                }
            } catch (...) {
                promise->set_exception(std::current_exception());
            }
        };
        return std::pair(std::move(result), std::move(callback));
    }

    std::unique_ptr<state> state_;
};

} // namespace ipcshim

#endif
