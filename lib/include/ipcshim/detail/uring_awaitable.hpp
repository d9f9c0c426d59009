// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_URING_AWAITABLE_HPP
#define IPCSHIM_DETAIL_URING_AWAITABLE_HPP

#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/uring_operation.hpp>
#include <ipcshim/event.hpp>
#include <ipcshim/io_result.hpp>
#include <ipcshim/types.hpp>

/// \file
/// What the calls of a uring give: to be awaited at once, `co_await loop.read(...)`. Not
/// to be named by programs.

namespace ipcshim::detail {

/// How far a transfer goes.
enum class uring_extent {
    all,  ///< the whole buffer, or one message
    some, ///< what moves at once, at least a byte
};

/// A read from a pipe or a write to one.
class IPCSHIM_API uring_transfer final : public uring_operation {
public:
    uring_transfer(uring_state& loop, const uring_request& request, uring_extent extent,
                   wait_limits limits, std::error_code* error) noexcept
        : uring_operation(loop, request, std::move(limits)), size_(request.size), extent_(extent),
          error_(error) {}
    io_result await_resume();

private:
    [[nodiscard]] bool nothing_to_do() const noexcept override { return size_ == 0; }
    bool advance(int& result) noexcept override;
    [[nodiscard]] io_result told() const noexcept;

    std::size_t size_;
    std::size_t moved_ = 0;
    uring_extent extent_;
    bool ended_ = false;
    std::error_code* error_; // the caller's, or null: throw
};

/// One whole message, whatever its length.
class IPCSHIM_API uring_message_base : public uring_operation {
public:
    bool await_resume();

protected:
    uring_message_base(uring_state& loop, int fd, wait_limits limits) noexcept;
    /// The container's bytes after it was made so long.
    virtual std::span<std::byte> resized(std::size_t size) = 0;
    void begin(std::size_t capacity);

private:
    bool advance(int& result) noexcept override;
};

template <typename Container> class uring_message final : public uring_message_base {
public:
    uring_message(uring_state& loop, int fd, Container& message, wait_limits limits)
        : uring_message_base(loop, fd, std::move(limits)), message_(&message) {
        begin(message.capacity());
    }

private:
    std::span<std::byte> resized(std::size_t size) override {
        message_->resize(size);
        return std::as_writable_bytes(std::span(*message_));
    }

    Container* message_; // the caller's
};

/// A read or a write of any descriptor, once.
class IPCSHIM_API uring_count final : public uring_operation {
public:
    uring_count(uring_state& loop, const uring_request& request, wait_limits limits) noexcept
        : uring_operation(loop, request, std::move(limits)) {}
    std::size_t await_resume();
};

/// Events of a port.
class IPCSHIM_API uring_events final : public uring_operation {
public:
    uring_events(uring_state& loop, int fd, std::span<event> events, wait_limits limits) noexcept;
    std::size_t await_resume();

private:
    [[nodiscard]] bool nothing_to_do() const noexcept override;
};

/// The next event of a port.
class IPCSHIM_API uring_event final : public uring_operation {
public:
    uring_event(uring_state& loop, int fd, wait_limits limits) noexcept;
    event await_resume();

private:
    event event_;
};

/// What poll(2) tells of a descriptor.
class IPCSHIM_API uring_poll final : public uring_operation {
public:
    uring_poll(uring_state& loop, const uring_request& request, wait_limits limits) noexcept
        : uring_operation(loop, request, std::move(limits)) {}
    short await_resume();
};

/// A point in time.
class IPCSHIM_API uring_sleep final : public uring_operation {
public:
    uring_sleep(uring_state& loop, deadline until, std::stop_token stop) noexcept;
    void await_resume();

private:
    bool advance(int& result) noexcept override;
};

/// A call of a port or of an end of a pipe.
class IPCSHIM_API uring_command final : public uring_operation {
public:
    uring_command(uring_state& loop, const uring_request& request, wait_limits limits,
                  std::error_code* error) noexcept
        : uring_operation(loop, request, std::move(limits)), error_(error) {}
    int await_resume();

private:
    std::error_code* error_; // the caller's, or null: throw
};

} // namespace ipcshim::detail

#endif
