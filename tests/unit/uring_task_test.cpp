// SPDX-License-Identifier: MIT
// What a task is, without a loop.
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <ipcshim/task.hpp>

namespace {

using ipcshim::task;

// Awaits a task from outside of any loop; owns the coroutine that does.
class driver final {
public:
    struct promise_type {
        driver get_return_object() {
            return driver(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { failure = std::current_exception(); }
        std::exception_ptr failure;
    };
    explicit driver(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
    driver(driver&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;
    driver& operator=(driver&&) = delete;
    ~driver() {
        if (frame_) {
            frame_.destroy();
        }
    }
    // Up to where it waits, or has ended.
    void go() {
        frame_.resume();
        if (frame_.promise().failure) {
            std::rethrow_exception(frame_.promise().failure);
        }
    }
    [[nodiscard]] bool done() const { return frame_.done(); }

private:
    std::coroutine_handle<promise_type> frame_;
};

template <typename T> driver drive(task<T> work, T& value) {
    value = co_await std::move(work);
}
driver drive(task<> work) {
    co_await std::move(work);
}

// Something to wait for, which the test resumes.
struct gate {
    std::coroutine_handle<> waiting;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
    void await_resume() const noexcept {}
};

struct pass_by_reference {
    gate* from;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { from->waiting = handle; }
    void await_resume() const noexcept {}
};

struct note {
    std::vector<std::string>* to;
    std::string text;
    note(std::vector<std::string>& target, std::string what) : to(&target), text(std::move(what)) {}
    note(const note&) = delete;
    note& operator=(const note&) = delete;
    ~note() { to->push_back(text); }
};

task<int> number(int value) {
    co_return value;
}
task<> record(std::vector<std::string>& log, const char* what) {
    log.emplace_back(what);
    co_return;
}

TEST(task, begins_when_it_is_awaited) {
    std::vector<std::string> log;
    auto work = record(log, "ran");
    EXPECT_TRUE(log.empty());
    auto outside = drive(std::move(work));
    EXPECT_TRUE(log.empty());
    outside.go();
    EXPECT_EQ(log, std::vector<std::string>{"ran"});
    EXPECT_TRUE(outside.done());
}

TEST(task, gives_its_value) {
    int value = 0;
    auto outside = drive(number(42), value);
    outside.go();
    EXPECT_EQ(value, 42);
}

TEST(task, gives_what_can_only_be_moved_and_has_no_default) {
    struct sealed {
        explicit sealed(int n) : held(std::make_unique<int>(n)) {}
        std::unique_ptr<int> held;
    };
    auto outer = []() -> task<int> {
        auto inner = []() -> task<sealed> { co_return sealed(5); };
        const sealed got = co_await inner();
        co_return *got.held;
    };
    int value = 0;
    auto outside = drive(outer(), value);
    outside.go();
    EXPECT_EQ(value, 5);
}

TEST(task, throws_at_who_awaits_it) {
    auto failing = []() -> task<int> {
        throw std::runtime_error("broken");
        co_return 1;
    };
    auto outer = [&]() -> task<std::string> {
        try {
            static_cast<void>(co_await failing());
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing was thrown";
    };
    std::string said;
    auto outside = drive(outer(), said);
    outside.go();
    EXPECT_EQ(said, "broken");
}

TEST(task, lets_an_exception_through_that_nobody_caught) {
    auto failing = []() -> task<> {
        throw std::runtime_error("broken");
        co_return;
    };
    auto outer = [&]() -> task<> { co_await failing(); };
    auto outside = drive(outer());
    EXPECT_THROW(outside.go(), std::runtime_error);
}

TEST(task, goes_on_where_it_waited) {
    gate here;
    std::vector<std::string> log;
    auto inner = [&]() -> task<int> {
        log.emplace_back("inner begins");
        co_await pass_by_reference{&here};
        log.emplace_back("inner ends");
        co_return 3;
    };
    auto outer = [&]() -> task<int> { co_return co_await inner() + 1; };
    int value = 0;
    auto outside = drive(outer(), value);
    outside.go();
    EXPECT_FALSE(outside.done());
    ASSERT_TRUE(here.waiting);
    here.waiting.resume();
    EXPECT_TRUE(outside.done());
    EXPECT_EQ(value, 4);
    EXPECT_EQ(log, (std::vector<std::string>{"inner begins", "inner ends"}));
}

TEST(task, destroyed_where_it_waits_leaves_its_scopes_from_the_inside) {
    gate here;
    std::vector<std::string> log;
    {
        auto inner = [&]() -> task<> {
            const note mine(log, "inner");
            co_await pass_by_reference{&here};
            log.emplace_back("never");
        };
        auto outer = [&]() -> task<> {
            const note mine(log, "outer");
            co_await inner();
        };
        auto outside = drive(outer());
        outside.go();
        EXPECT_TRUE(log.empty());
    }
    EXPECT_EQ(log, (std::vector<std::string>{"inner", "outer"}));
}

TEST(task, destroyed_before_it_began_has_done_nothing_but_keeps_no_parameters) {
    auto held = std::make_shared<int>(1);
    auto keeps = [](std::shared_ptr<int> mine) -> task<int> { co_return *mine; };
    {
        auto work = keeps(held);
        EXPECT_EQ(held.use_count(), 2);
    }
    EXPECT_EQ(held.use_count(), 1);
}

TEST(task, is_emptied_by_moving) {
    auto first = number(1);
    task<int> second(std::move(first));
    EXPECT_FALSE(first); // NOLINT(bugprone-use-after-move): that is what is asked
    EXPECT_TRUE(second);
    auto other = number(2);
    other = std::move(second);
    int value = 0;
    auto outside = drive(std::move(other), value);
    outside.go();
    EXPECT_EQ(value, 1);
}

TEST(task, that_is_empty_cannot_be_awaited) {
    auto outside = drive(task<>());
    EXPECT_THROW(outside.go(), std::logic_error);
}

TEST(task, is_awaited_once) {
    auto twice = []() -> task<> {
        auto work = number(1);
        static_cast<void>(co_await std::move(work));
        static_cast<void>(co_await std::move(work));
    };
    auto outside = drive(twice());
    EXPECT_THROW(outside.go(), std::logic_error);
}

// Also without optimisation, where a coroutine is resumed by a call and not by a jump.
TEST(task, needs_no_stack_for_many_that_never_wait) {
    auto sum = []() -> task<int> {
        int total = 0;
        for (int i = 0; i < 200'000; ++i) {
            total += co_await number(1);
        }
        co_return total;
    };
    int value = 0;
    auto outside = drive(sum(), value);
    outside.go();
    EXPECT_EQ(value, 200'000);
}

// Where each waits once, it is the one that waited that goes on with the next.
TEST(task, needs_no_stack_for_many_that_wait) {
    gate here;
    auto waiting = [&]() -> task<int> {
        co_await pass_by_reference{&here};
        co_return co_await number(1);
    };
    auto sum = [&]() -> task<int> {
        int total = 0;
        for (int i = 0; i < 50'000; ++i) {
            total += co_await waiting();
        }
        co_return total;
    };
    int value = 0;
    auto outside = drive(sum(), value);
    outside.go();
    while (!outside.done()) {
        here.waiting.resume();
    }
    EXPECT_EQ(value, 50'000);
}

} // namespace
