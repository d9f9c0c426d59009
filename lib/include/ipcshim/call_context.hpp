// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_CALL_CONTEXT_HPP
#define IPCSHIM_CALL_CONTEXT_HPP

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/message.hpp>

namespace ipcshim {

/// A client of a service: the number of its connection, never used again.
enum class client_id : std::uint64_t {};

/// What a handler can know of a call beside the request, and send beside the answer.
/// Belongs to the handler until it returns; one thread. (Ours.)
class IPCSHIM_API call_context final {
public:
    /// For the library.
    explicit call_context(client_id client, message&& request) noexcept
        : client_(client), request_(std::move(request)) {}
    call_context(const call_context&) = delete;
    call_context(call_context&&) = delete;
    call_context& operator=(const call_context&) = delete;
    call_context& operator=(call_context&&) = delete;
    ~call_context();

    [[nodiscard]] client_id client() const noexcept { return client_; }
    /// Exchange, code, pid and uid of who asks, and so on.
    [[nodiscard]] const message_header& header() const noexcept { return request_.header; }
    [[nodiscard]] pid_t pid() const noexcept { return request_.header.pid; }
    [[nodiscard]] uid_t uid() const noexcept { return request_.header.uid; }
    /// Nobody waits for an answer: client::notify(). What the handler returns is
    /// forgotten.
    [[nodiscard]] bool one_way() const noexcept { return request_.header.concludes; }
    /// The request's bytes; valid as long as this object.
    [[nodiscard]] std::span<const std::byte> payload() const noexcept { return request_.payload; }
    /// What came with the request; move out of it what is to stay.
    [[nodiscard]] std::vector<received_descriptor>& descriptors() noexcept {
        return request_.descriptors;
    }

    /// The answer carries it as well. What it refers to must outlive the answer, which
    /// goes out after the handler has returned.
    /// Errors, as std::length_error: more than descriptors_max.
    void attach(const attachment& what);
    /// The same, and it is closed here when the answer is sent.
    void give(sender&& end);
    void give(receiver&& end);
    void give(socket&& side);
    /// The segment becomes the client's alone: a large answer without a copy.
    /// \param granted what the client may do with it
    void hand_over(segment&& memory, rights granted);
    /// What is to go with the answer.
    [[nodiscard]] std::span<const attachment> attachments() const noexcept { return attachments_; }

private:
    client_id client_;
    message request_;
    std::vector<received_descriptor> given_;
    std::vector<attachment> attachments_;
};

} // namespace ipcshim

#endif
