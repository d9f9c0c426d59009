// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TESTS_FAKE_MAPPED_PIPE_HPP
#define IPCSHIM_TESTS_FAKE_MAPPED_PIPE_HPP

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>

#include <ipcshim/ipcshim.hpp>

#include "fake_kernel.hpp"

namespace ipcshim::test {

/// The memory of a mapped pipe, its data twice in a row, and what the driver does with
/// it: mapping with the rights of each end, waiting, waking. Calls come through the
/// fake kernel.
class fake_mapped_pipe final {
public:
    fake_mapped_pipe(fake_kernel& kernel, pipe_mode mode, std::size_t area = 16 * 4096);
    fake_mapped_pipe(const fake_mapped_pipe&) = delete;
    fake_mapped_pipe& operator=(const fake_mapped_pipe&) = delete;
    ~fake_mapped_pipe();

    /// An end, each once.
    [[nodiscard]] ipcshim::sender take_sender() const;
    [[nodiscard]] ipcshim::receiver take_receiver() const;

    // All of it to read and to write: what the driver, or somebody hostile, would do.
    [[nodiscard]] ::ipcshim_mapped_index& producer() const;
    [[nodiscard]] ::ipcshim_mapped_index& consumer() const;
    [[nodiscard]] std::span<std::byte> data() const; ///< once
    [[nodiscard]] std::size_t area() const { return area_; }
    /// Says in the end's page that it has ended, and wakes whoever waits.
    void end_of(pipe_end end, how how = how::closed);
    /// Both positions, as if so much had moved before.
    void start_at(std::uint64_t position) const;

    // What was called.
    int waits = 0;
    int wakes = 0;
    ::ipcshim_pipe_wait last_wait{};
    std::size_t ranges = 0; ///< mapped now
    /// In the place of waiting; not set: waits as the driver does.
    std::function<int(pipe_end, const ::ipcshim_pipe_wait&)> on_wait;

private:
    int map(void*& address, std::size_t size, int protection, int flags, std::uint64_t offset);
    int wait(pipe_end end, const ::ipcshim_pipe_wait& asked);
    int wake(pipe_end end);
    [[nodiscard]] bool can_go_on(pipe_end end, std::uint64_t need) const;

    std::size_t area_;
    pipe_mode mode_;
    int memory_ = -1;
    std::byte* all_ = nullptr;
    fake_kernel* kernel_;
    int sender_fd_;
    int receiver_fd_;
    std::mutex mutex_;
    std::condition_variable changed_;
};

} // namespace ipcshim::test

#endif
