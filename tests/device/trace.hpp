// SPDX-License-Identifier: MIT
// What the kernel's tracepoints tell, for tests that count what it did.
#ifndef IPCSHIM_TESTS_DEVICE_TRACE_HPP
#define IPCSHIM_TESTS_DEVICE_TRACE_HPP

#include <string>
#include <vector>

namespace test {

// Tracepoints of the kernel, from its making to its end.
class trace final {
public:
    // A folder of them, or one: "ipcshim", "signal/signal_generate".
    explicit trace(const std::string& events);
    trace(const trace&) = delete;
    trace(trace&&) = delete;
    trace& operator=(const trace&) = delete;
    trace& operator=(trace&&) = delete;
    ~trace();
    [[nodiscard]] bool available() const noexcept { return !root_.empty(); }
    // What it told each time that this one was passed.
    [[nodiscard]] std::vector<std::string> lines(const std::string& name) const;

private:
    std::string root_;
    std::string enable_;
};

} // namespace test

#endif
