// SPDX-License-Identifier: MIT
//
// What service and client of these tests agree on.
#ifndef IPCSHIM_TESTS_DEVICE_SERVICE_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_SERVICE_SUPPORT_HPP

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <future>
#include <ipcshim/cbor_codec.hpp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "socket_support.hpp"

namespace test {

struct two_numbers final {
    std::int32_t one = 0;
    std::int64_t other = 0;
};

// A type of the program's own, for CBOR.
struct entry final {
    std::string key;
    std::vector<double> values;
    std::map<std::string, std::int64_t> counts;

    NLOHMANN_DEFINE_TYPE_INTRUSIVE(entry, key, values, counts)
    friend bool operator==(const entry&, const entry&) = default;
};

inline constexpr ipcshim::method<1, two_numbers, std::int64_t> add{};
inline constexpr ipcshim::method<2, std::string, std::string> echo{};
inline constexpr ipcshim::method<3> ping{};
inline constexpr ipcshim::method<4, std::string> remember{};
inline constexpr ipcshim::method<5, void, std::string> recall{};
inline constexpr ipcshim::method<6, entry, entry, ipcshim::cbor_codec> improve{};
inline constexpr ipcshim::method<7, std::uint64_t, std::uint64_t> ask{};
inline constexpr ipcshim::method<8, std::uint64_t, std::uint64_t> hold{};
inline constexpr ipcshim::method<9, std::uint32_t, std::vector<std::byte>> bytes{};
inline constexpr ipcshim::method<0xffff> unknown{};

inline constexpr ipcshim::notification<1, std::string> news{};
inline constexpr ipcshim::notification<2> bell{};
inline constexpr ipcshim::notification<3, entry, ipcshim::cbor_codec> changed{};

inline constexpr const char* service_name = "test";

// Answers ask: nobody else's number gives the same.
[[nodiscard]] constexpr std::uint64_t answer_to(std::uint64_t number) noexcept {
    return number * 0x9E37'79B9'7F4A'7C15U + 1;
}

// Stops who comes until it is opened, and tells how many wait.
class gate final {
public:
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
        --waiting_;
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return waiting_ >= count; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t waiting_ = 0;
    bool open_ = false;
};

// What several threads tell, to be looked at by one.
template <class Value> class notes final {
public:
    void add(Value value) {
        const std::lock_guard lock(mutex_);
        values_.push_back(std::move(value));
        changed_.notify_all();
    }
    // All of them, as soon as there are so many.
    [[nodiscard]] std::vector<Value> wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return values_.size() >= count; });
        return values_;
    }
    [[nodiscard]] std::size_t size() {
        const std::lock_guard lock(mutex_);
        return values_.size();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Value> values_;
};

[[nodiscard]] inline ipcshim::deadline in(std::chrono::nanoseconds time) {
    return ipcshim::deadline::clock::now() + time;
}

// A thread whose failures fail the test: get() throws them.
template <class Function> [[nodiscard]] auto in_thread(Function&& function) {
    return std::async(std::launch::async, std::forward<Function>(function));
}

// The error code of the std::system_error that the function has to throw.
template <class Function> [[nodiscard]] std::error_code error_of(const Function& function) {
    try {
        function();
    } catch (const std::system_error& error) {
        CHECK(!std::string_view(error.what()).empty());
        return error.code();
    }
    return {};
}

[[nodiscard]] inline std::error_code system_error_code(int value) {
    return {value, std::generic_category()};
}

} // namespace test

#endif
